-- What was decided about recordings after they were made: legal holds and the destruction of keys. A row for each custody record in the
-- store (src/evidence/custody/FORMAT.md), which is where they come from and what reindex makes them of again. Nothing here is ever changed,
-- but for the name and the reason, which may become known later, when somebody with a vault key opens them.

CREATE TABLE custody_records (
  recording_id uuid NOT NULL REFERENCES recordings ON DELETE CASCADE,
  custody_seq  integer NOT NULL CHECK (custody_seq >= 0),
  kind         text NOT NULL CHECK (kind IN ('holdAdded', 'holdReleased', 'shredBegun', 'shredded')),
  decided_at   timestamptz NOT NULL,
  hold_id      uuid,
  scope        text CHECK (scope IN ('key', 'objects')),
  decided_by   text,
  reason       text,
  sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  PRIMARY KEY (recording_id, custody_seq),
  CHECK ((hold_id IS NOT NULL) = (kind IN ('holdAdded', 'holdReleased'))),
  CHECK ((scope IS NOT NULL) = (kind IN ('shredBegun', 'shredded')))
);
CREATE INDEX custody_records_hold_id ON custody_records (hold_id) WHERE hold_id IS NOT NULL;
CREATE INDEX custody_records_shred ON custody_records (recording_id) WHERE scope IS NOT NULL;
