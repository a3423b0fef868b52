-- The tables that grow with the length of recordings, in partitions by month: vacuum, backup and archiving go month by month, and an index
-- that is written to is that of a month. The others have a few rows for each recording, and most are searched across all of them, where
-- every partition would be one more index to ask.
--
-- The month is that of recording_id, a UUIDv7, in UTC. What is there becomes the partition "…_before" as it is: nothing is copied, a scan
-- looks whether it is all of earlier. "…_default" takes rows of months that nobody made; the recorder makes those to come, and moves
-- such rows to where they belong.

CREATE FUNCTION month_floor(month date) RETURNS uuid LANGUAGE sql IMMUTABLE
AS $$ SELECT (lpad(to_hex((month - date '1970-01-01') * 86400000::bigint), 12, '0') || repeat('0', 20))::uuid $$;

DO $$
DECLARE
  keys constant text[][] := ARRAY[
    ARRAY['chunks', 'recording_id, chunk_seq'],
    ARRAY['gaps', 'recording_id, stream_id, from_sample, cause'],
    ARRAY['metadata_snapshots', 'recording_id, snapshot_seq'],
    ARRAY['attributions', 'recording_id, ordinal']];
  bound constant uuid := month_floor((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')::date);
  pair text[];
  is_empty boolean;
BEGIN
  FOREACH pair SLICE 1 IN ARRAY keys LOOP
    EXECUTE format('ALTER TABLE %1$I RENAME TO %2$I', pair[1], pair[1] || '_before');
    EXECUTE format('ALTER TABLE %2$I RENAME CONSTRAINT %1$I TO %3$I',
      pair[1] || '_pkey', pair[1] || '_before', pair[1] || '_before_pkey');
    EXECUTE format(
      'CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (%3$s),
         FOREIGN KEY (recording_id) REFERENCES recordings ON DELETE CASCADE) PARTITION BY RANGE (recording_id)',
      pair[1], pair[1] || '_before', pair[2]);
    EXECUTE format('CREATE TABLE %2$I PARTITION OF %1$I DEFAULT', pair[1], pair[1] || '_default');
    -- Of a recorder whose clock was ahead.
    EXECUTE format('INSERT INTO %1$I SELECT * FROM %2$I WHERE recording_id >= %3$L',
      pair[1] || '_default', pair[1] || '_before', bound);
    EXECUTE format('DELETE FROM %1$I WHERE recording_id >= %2$L', pair[1] || '_before', bound);
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', pair[1] || '_before') INTO is_empty;
    IF is_empty THEN
      EXECUTE format('DROP TABLE %I', pair[1] || '_before');
    ELSE
      EXECUTE format('ALTER TABLE %1$I ATTACH PARTITION %2$I FOR VALUES FROM (MINVALUE) TO (%3$L)',
        pair[1], pair[1] || '_before', bound);
    END IF;
  END LOOP;
END
$$;

-- Makes the partitions of a month where they are missing, with the rows of it that lie in the default ones; gives how many it made. As its
-- owner, so that the role of a recorder needs no right to make or to delete anything. It waits two seconds for writers, then fails, and
-- may be asked again.
CREATE FUNCTION make_month_partitions(month date) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s'
AS $$
DECLARE
  first constant date := date_trunc('month', month::timestamp)::date;
  from_id constant uuid := month_floor(first);
  to_id constant uuid := month_floor((first + interval '1 month')::date);
  parent text;
  part text;
  made integer := 0;
BEGIN
  IF first < date '2020-01-01' OR first > now() + interval '13 months' THEN
    RAISE EXCEPTION 'not a month of recordings' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Two recorders notice the same month.
  PERFORM pg_advisory_xact_lock(4718211906);
  FOREACH parent IN ARRAY ARRAY['chunks', 'gaps', 'metadata_snapshots', 'attributions'] LOOP
    part := parent || to_char(first, '_YYYY_MM');
    CONTINUE WHEN to_regclass(part) IS NOT NULL;
    BEGIN
      EXECUTE format('CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
      EXECUTE format(
        'WITH moved AS (DELETE FROM %1$I WHERE recording_id >= %3$L AND recording_id < %4$L RETURNING *)
         INSERT INTO %2$I SELECT * FROM moved', parent || '_default', part, from_id, to_id);
      EXECUTE format('ALTER TABLE %2$I ATTACH PARTITION %1$I FOR VALUES FROM (%3$L) TO (%4$L)',
        part, parent, from_id, to_id);
      made := made + 1;
    EXCEPTION WHEN invalid_object_definition THEN
      -- The month lies in "…_before".
      NULL;
    END;
  END LOOP;
  RETURN made;
END
$$;
REVOKE ALL ON FUNCTION make_month_partitions(date) FROM PUBLIC;

-- Nobody's temporary tables stand before ours.
DO $$ BEGIN
  EXECUTE format('ALTER FUNCTION make_month_partitions(date) SET search_path = %I, pg_temp', current_schema());
END $$;

SELECT make_month_partitions((now() AT TIME ZONE 'UTC')::date),
  make_month_partitions((now() AT TIME ZONE 'UTC' + interval '1 month')::date);
