import { firstSeen, oneOf } from './labels.ts'
import type { Factory } from './metrics.ts'

/** What the machine's own disk keeps until the store has it. */
export function spoolMetrics(make: Factory) {
  return {
    spoolBytes: make.plainGauge(
      'spool_bytes',
      'On disk in the spool: closed segments and objects that wait for the store.',
    ),
    spoolRefusedObjects: make.plainGauge(
      'spool_refused_objects',
      'Objects that the store refused for good, put aside in the spool until a person has looked at them.',
    ),
    spoolRefusedBytes: make.plainGauge('spool_refused_bytes', 'What they take on the disk.'),
    spoolFreeBytes: make.plainGauge('spool_free_bytes', 'Free on the volume of the spool.'),
    spoolFrameWriteSeconds: make.gauge(
      'spool_frame_write_seconds',
      'Over the last second: how long a frame waited on average until a crash could not take it any more.',
      { worker: firstSeen() },
    ),
    spoolSyncLagSeconds: make.gauge('spool_sync_lag_seconds', 'Age of the oldest frame that a power cut would take.', {
      worker: firstSeen(),
    }),
    spoolFailuresTotal: make.counter('spool_failures_total', 'What the disk of the spool did not take, by kind.', {
      kind: oneOf(['frames', 'objects']),
    }),
    spoolFramesDroppedTotal: make.plainCounter(
      'spool_frames_dropped_total',
      'Frames given up because too many waited for the disk; their audio is in the chunks.',
    ),
    journalReserveBytes: make.plainGauge(
      'journal_reserve_bytes',
      'Used of the room for lines of open recordings that the disk does not take.',
    ),
    journalRefusalsTotal: make.plainCounter(
      'journal_refusals_total',
      'Such lines that found no room there either: a crash takes them.',
    ),
    journalClosings: make.plainGauge(
      'journal_closings',
      'Closed recordings whose end ledger or outbox do not have on disk yet: until then their journals stay.',
    ),
    journalClosingsLeftTotal: make.plainCounter(
      'journal_closings_left_total',
      'Closed recordings whose journals are left for the next start, as too many waited.',
    ),
    journalOmissionsTotal: make.plainCounter(
      'journal_omissions_total',
      'Snapshots and digits too large for the journal of open recordings: a crash takes them until the store has them.',
    ),
  }
}
