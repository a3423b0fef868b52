-- What links recordings of one story, what vendors say beside RFC 7865, and who was on which channel from when to when.

-- Which client it was, by its habits: for people.
ALTER TABLE recordings ADD COLUMN dialect text NOT NULL DEFAULT 'generic';

-- Ids that a communication session has beyond its recording session, in one form whatever their spelling. strong: nothing else has this
-- id; of the others only recordings of the same SRC and about the same time are taken to mean the same.
CREATE TABLE correlation_ids (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  kind         text NOT NULL,
  value        text NOT NULL,
  strong       boolean NOT NULL,
  PRIMARY KEY (recording_id, kind, value)
);
-- Two ways: all recordings of an id, and those next to one recording in time (a UUIDv7 begins with its time).
CREATE INDEX correlation_ids_value ON correlation_ids (value, kind, recording_id);

-- Recordings of before: what their snapshots said is in other tables.
INSERT INTO correlation_ids (recording_id, kind, value, strong)
SELECT recording_id, 'csGroup', cs_group_id, length(cs_group_id) >= 16
FROM cs_groups WHERE length(cs_group_id) BETWEEN 4 AND 200
UNION
SELECT recording_id, 'cs', cs_id, length(cs_id) >= 16
FROM communication_sessions WHERE length(cs_id) BETWEEN 4 AND 200
UNION
SELECT recording_id, 'csGroup', cs_group_id, length(cs_group_id) >= 16
FROM communication_sessions WHERE length(cs_group_id) BETWEEN 4 AND 200
UNION
SELECT recording_id, 'sessionId', found.half[1], true
FROM communication_sessions, unnest(sip_session_ids) AS said,
     regexp_matches(lower(said), '(?:^|[^0-9a-f])([0-9a-f]{32})(?![0-9a-f])', 'g') AS found (half)
WHERE found.half[1] !~ '^0+$';

-- Vendor data of all snapshots, each thing once. snapshot_seq is that of the first one that said it. search_text and address_text are
-- folded by the recorder; address_text only of what looks like an address or a number.
CREATE TABLE metadata_extensions (
  recording_id  uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  extension_key text NOT NULL,
  snapshot_seq  integer NOT NULL,
  owner_id      text,
  path          text NOT NULL,
  namespace     text,
  text          text NOT NULL,
  attributes    jsonb NOT NULL,
  search_text   text NOT NULL,
  address_text  text,
  PRIMARY KEY (recording_id, extension_key)
);

-- A participant on a stream of the recorder, from one instant to another. The clock is that of the SRC, or ours where it gave no time, or
-- an impossible one. The interval lasts while to_at is null and the recording does.
CREATE TABLE attributions (
  recording_id   uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  ordinal        integer NOT NULL CHECK (ordinal >= 0),
  stream_id      text NOT NULL,
  participant_id text NOT NULL,
  basis          text NOT NULL CHECK (basis IN ('label', 'order')),
  from_at        timestamptz NOT NULL,
  from_clock     text NOT NULL CHECK (from_clock IN ('src', 'recorder')),
  to_at          timestamptz,
  to_clock       text CHECK (to_clock IN ('src', 'recorder')),
  PRIMARY KEY (recording_id, ordinal)
);

-- RFC 7865 6.6, and 6.4 (communication session and recording session). Times are the SRC's text.
CREATE TABLE participant_sessions (
  recording_id      uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  participant_id    text NOT NULL,
  cs_id             text NOT NULL,
  associate_time    text,
  disassociate_time text,
  snapshot_seq      integer NOT NULL,
  PRIMARY KEY (recording_id, participant_id, cs_id)
);
ALTER TABLE communication_sessions ADD COLUMN associate_time text, ADD COLUMN disassociate_time text;

-- Substring search is fast where the server has pg_trgm and only slower where it has not.
DO $$
BEGIN
  CREATE INDEX metadata_extensions_search_text ON metadata_extensions USING gin (search_text gin_trgm_ops);
  CREATE INDEX metadata_extensions_address_text ON metadata_extensions USING gin (address_text gin_trgm_ops)
    WHERE address_text IS NOT NULL;
  CREATE INDEX correlation_ids_search ON correlation_ids USING gin (lower(value) gin_trgm_ops);
  CREATE INDEX communication_sessions_search ON communication_sessions USING gin (lower(cs_id) gin_trgm_ops);
  CREATE INDEX communication_sessions_group_search ON communication_sessions USING gin (lower(cs_group_id) gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm is not available here; searching vendor data reads the whole table';
END
$$;
