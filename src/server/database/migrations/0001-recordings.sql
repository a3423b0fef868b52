-- Recordings and what is known about them, in the words of RFC 7865 and RFC 7866.
--
-- Every table that grows with the number of recordings has recording_id first in its key: a UUIDv7 begins with its
-- millisecond, so that these tables can be partitioned by range of recording_id, month by month, without a new column.
-- Positions are samples at 48 kHz. Text that an SRC sent is kept as text; times inside metadata are not comparable.

CREATE TABLE recordings (
  recording_id     uuid PRIMARY KEY,
  rs_id            uuid NOT NULL,
  tenant           text NOT NULL,
  src              text NOT NULL,
  sip_call_id      text NOT NULL,
  started_at       timestamptz NOT NULL,
  ended_at         timestamptz,
  state            text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'complete', 'interrupted')),
  end_cause        text,
  layout           text NOT NULL CHECK (layout IN ('separate', 'mixed')),
  duration_samples bigint CHECK (duration_samples >= 0),
  object_prefix    text NOT NULL,
  recipient        text NOT NULL,
  manifest_sha256  text CHECK (manifest_sha256 ~ '^[0-9a-f]{64}$'),
  metadata_state   text NOT NULL DEFAULT 'none' CHECK (metadata_state IN ('none', 'valid', 'invalid')),
  consent_state    text NOT NULL DEFAULT 'unknown',
  CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX recordings_started_at ON recordings (started_at DESC, recording_id DESC);
CREATE INDEX recordings_src ON recordings (src, started_at DESC, recording_id DESC);
CREATE INDEX recordings_open ON recordings (started_at) WHERE state = 'open';
CREATE INDEX recordings_interrupted ON recordings (started_at DESC, recording_id DESC) WHERE state = 'interrupted';
CREATE INDEX recordings_rs_id ON recordings (rs_id);
-- A hash index takes values of any length.
CREATE INDEX recordings_sip_call_id ON recordings USING hash (sip_call_id);

CREATE TABLE metadata_snapshots (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  snapshot_seq integer NOT NULL CHECK (snapshot_seq >= 0),
  received_at  timestamptz NOT NULL,
  data_mode    text CHECK (data_mode IN ('complete', 'partial')),
  valid        boolean NOT NULL,
  reason       text,
  sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes   bigint NOT NULL CHECK (size_bytes >= 0),
  object_name  text NOT NULL,
  PRIMARY KEY (recording_id, snapshot_seq)
);

-- From here to participant_streams: what all snapshots of a recording said, together. snapshot_seq is that of the last
-- one that said it, so that who has left is still found.

CREATE TABLE cs_groups (
  recording_id      uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  cs_group_id       text NOT NULL,
  associate_time    text,
  disassociate_time text,
  snapshot_seq      integer NOT NULL,
  PRIMARY KEY (recording_id, cs_group_id)
);
CREATE INDEX cs_groups_cs_group_id ON cs_groups (cs_group_id);

CREATE TABLE communication_sessions (
  recording_id    uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  cs_id           text NOT NULL,
  cs_group_id     text,
  sip_session_ids text[] NOT NULL,
  start_time      text,
  stop_time       text,
  reason          text,
  snapshot_seq    integer NOT NULL,
  PRIMARY KEY (recording_id, cs_id)
);
CREATE INDEX communication_sessions_cs_id ON communication_sessions (cs_id);
CREATE INDEX communication_sessions_sip_session_ids ON communication_sessions USING gin (sip_session_ids);

CREATE TABLE participants (
  recording_id   uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  participant_id text NOT NULL,
  snapshot_seq   integer NOT NULL,
  PRIMARY KEY (recording_id, participant_id)
);

-- search_text is folded by the recorder, not by lower(): the answer must not depend on the locale of the server.
CREATE TABLE aors (
  recording_id   uuid NOT NULL,
  participant_id text NOT NULL,
  aor_key        text NOT NULL,
  aor            text NOT NULL,
  name           text,
  search_text    text NOT NULL,
  snapshot_seq   integer NOT NULL,
  PRIMARY KEY (recording_id, participant_id, aor_key),
  FOREIGN KEY (recording_id, participant_id) REFERENCES participants ON DELETE CASCADE
);

-- <stream> elements; the recorder's own streams are media_streams, joined to these by stream_label.
CREATE TABLE metadata_streams (
  recording_id       uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  metadata_stream_id text NOT NULL,
  cs_id              text,
  stream_label       text,
  snapshot_seq       integer NOT NULL,
  PRIMARY KEY (recording_id, metadata_stream_id)
);

-- RFC 7865 6.8. No foreign keys to the two sides: associations with ids that are nowhere else are seen in the field.
CREATE TABLE participant_streams (
  recording_id       uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  participant_id     text NOT NULL,
  metadata_stream_id text NOT NULL,
  direction          text NOT NULL CHECK (direction IN ('sends', 'receives')),
  associate_time     text,
  disassociate_time  text,
  snapshot_seq       integer NOT NULL,
  PRIMARY KEY (recording_id, participant_id, metadata_stream_id, direction)
);

CREATE TABLE media_streams (
  recording_id      uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  stream_id         text NOT NULL,
  stream_label      text NOT NULL,
  channel           integer NOT NULL,
  codec             text NOT NULL,
  packets_expected  bigint NOT NULL,
  packets_received  bigint NOT NULL,
  packets_lost      bigint NOT NULL,
  packets_late      bigint NOT NULL,
  packets_duplicate bigint NOT NULL,
  audio_samples     bigint NOT NULL,
  PRIMARY KEY (recording_id, stream_id)
);

-- Whose voice a stream carries, as the recorder resolved it.
CREATE TABLE media_stream_participants (
  recording_id   uuid NOT NULL,
  stream_id      text NOT NULL,
  participant_id text NOT NULL,
  PRIMARY KEY (recording_id, stream_id, participant_id),
  FOREIGN KEY (recording_id, stream_id) REFERENCES media_streams ON DELETE CASCADE
);

CREATE TABLE chunks (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  chunk_seq    integer NOT NULL CHECK (chunk_seq >= 0),
  object_name  text NOT NULL,
  sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes   bigint NOT NULL CHECK (size_bytes >= 0),
  from_sample  bigint NOT NULL CHECK (from_sample >= 0),
  to_sample    bigint NOT NULL,
  stored_at    timestamptz NOT NULL,
  PRIMARY KEY (recording_id, chunk_seq),
  CHECK (to_sample >= from_sample)
);

CREATE TABLE gaps (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  stream_id    text NOT NULL,
  from_sample  bigint NOT NULL CHECK (from_sample >= 0),
  to_sample    bigint NOT NULL,
  cause        text NOT NULL,
  PRIMARY KEY (recording_id, stream_id, from_sample, cause),
  CHECK (to_sample >= from_sample)
);

CREATE TABLE incidents (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  incident_key text NOT NULL,
  code         text NOT NULL,
  at           timestamptz NOT NULL,
  at_sample    bigint,
  detail       text NOT NULL,
  PRIMARY KEY (recording_id, incident_key)
);
CREATE INDEX incidents_code ON incidents (code, at DESC);

-- Substring search is fast where the server has pg_trgm (the embedded one does) and only slower where it has not.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX aors_search_text ON aors USING gin (search_text gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm is not available here; searching participants reads the whole table';
END
$$;
