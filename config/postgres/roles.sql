-- Roles for a Postgres of your own: a recorder that can delete nothing and rewrite nothing that was told once, and somebody who only reads.
--
-- Run it as the owner of the database after "earwitness migrate", at the first time and after every upgrade; running it again does no harm.
-- An owner that may not make roles lets an administrator make the two first (CREATE ROLE … NOLOGIN).
--
--   export EARWITNESS_DATABASE_URL='postgres://OWNER:PASSWORD@HOST/DATABASE?sslmode=verify-full&sslrootcert=CA.pem'
--   earwitness migrate
--   psql --set ON_ERROR_STOP=1 --single-transaction --file roles.sql "$EARWITNESS_DATABASE_URL"
--   CREATE ROLE recorder1 LOGIN PASSWORD '…' IN ROLE earwitness_daemon;   -- goes into database.url of a recorder
--   CREATE ROLE auditor LOGIN PASSWORD '…' IN ROLE earwitness_reader;     -- reports, dashboards
--
-- A recorder of a new release that is started before its tables are there records all the same; what it has to write waits on its disk.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'earwitness_daemon') THEN CREATE ROLE earwitness_daemon NOLOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'earwitness_reader') THEN CREATE ROLE earwitness_reader NOLOGIN; END IF;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO earwitness_daemon, earwitness_reader', current_database());
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO earwitness_daemon, earwitness_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM earwitness_daemon, earwitness_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO earwitness_daemon, earwitness_reader;

-- Told once, never changed: audio, where it is missing, what went wrong, what was received, which ids it has.
GRANT INSERT ON
  recordings, metadata_snapshots, chunks, gaps, incidents, media_streams, media_stream_participants, correlation_ids,
  cs_groups, communication_sessions, participants, aors, metadata_streams, participant_streams, participant_sessions,
  metadata_extensions, attributions, consent_events, custody_records
  TO earwitness_daemon;

-- Partitions of the months to come: made by a function of the owner, which does nothing else.
GRANT EXECUTE ON FUNCTION make_month_partitions(date) TO earwitness_daemon;

-- Completed by a later fact, and nothing else. How a recording ended; not when it began, whose it is and where it lies.
GRANT UPDATE (ended_at, state, end_cause, duration_samples, manifest_sha256, metadata_state, dialect, sip_call_id,
  consent_state)
  ON recordings TO earwitness_daemon;
-- When somebody stopped being heard on a stream.
GRANT UPDATE (to_at, to_clock) ON attributions TO earwitness_daemon;
-- What all metadata snapshots of a recording said, together; the snapshots themselves are above.
GRANT UPDATE (associate_time, disassociate_time, snapshot_seq)
  ON cs_groups, participant_streams, participant_sessions TO earwitness_daemon;
GRANT UPDATE
  (cs_group_id, sip_session_ids, start_time, stop_time, reason, associate_time, disassociate_time, snapshot_seq)
  ON communication_sessions TO earwitness_daemon;
GRANT UPDATE (cs_id, stream_label, snapshot_seq) ON metadata_streams TO earwitness_daemon;
GRANT UPDATE (snapshot_seq) ON participants, aors, metadata_extensions TO earwitness_daemon;
-- Who decided on a hold or a destruction, and why, where somebody with a vault key opens it later; not what was decided.
GRANT UPDATE (decided_by, reason) ON custody_records TO earwitness_daemon;
