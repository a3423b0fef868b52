-- What the parties of a recording were told and what they answered: each event as it was signed, and what the recording's consent is with it.
--
-- consent_state of a recording is that of its event with the highest number; without an event it stays 'unknown'.

CREATE TABLE consent_events (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  event_number integer NOT NULL CHECK (event_number >= 0),
  type         text NOT NULL,
  at           timestamptz NOT NULL,
  at_sample    bigint CHECK (at_sample >= 0),
  state        text NOT NULL,
  object_name  text NOT NULL,
  sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes   bigint NOT NULL CHECK (size_bytes >= 0),
  jws          text NOT NULL,
  PRIMARY KEY (recording_id, event_number)
);
CREATE INDEX recordings_consent_state ON recordings (consent_state, started_at DESC, recording_id DESC);
