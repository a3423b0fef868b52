import { firstSeen, oneOf } from './labels.ts'
import type { Factory } from './metrics.ts'

/** What the announcer does. */
export function announcementMetrics(make: Factory) {
  return {
    announcements: make.plainGauge(
      'announcements',
      'Announcements that are being played, or wait for a key or a transfer.',
    ),
    announcementsTotal: make.counter('announcements_total', 'Announcements that are over, by how they went.', {
      mode: oneOf(['answer', 'early', 'refer', 'adapter']),
      outcome: firstSeen(),
    }),
    announcementRefusalsTotal: make.counter(
      'announcement_refusals_total',
      'Calls to the announcer that were refused, by why.',
      {
        reason: firstSeen(),
      },
    ),
    announcementPacketsSentTotal: make.plainCounter(
      'announcement_packets_sent_total',
      'RTP packets of announcements that are over.',
    ),
    announcementPacketsDiscardedTotal: make.counter(
      'announcement_packets_discarded_total',
      'Packets towards the announcer that were of no use, by why.',
      { reason: firstSeen() },
    ),
    announcementPacketsUnsentTotal: make.plainCounter(
      'announcement_packets_unsent_total',
      'RTP packets of announcements that the system refused to send; five in a row end the announcement.',
    ),
    announcementLateTicksTotal: make.plainCounter(
      'announcement_late_ticks_total',
      'Times of 20 ms at which all announcements stood still because the main thread was too busy.',
    ),
    announcementsKept: make.plainGauge(
      'announcements_kept',
      'Announcements that wait for the recording of their call.',
    ),
    announcementsLostTotal: make.counter(
      'announcements_lost_total',
      'Announcements that no recording found, by why: none came in time, there were too many, or a restart came between and nobody knows.',
      { reason: oneOf(['full', 'expired', 'restart']) },
    ),
    announcementsUnwrittenTotal: make.plainCounter(
      'announcements_unwritten_total',
      'Announcements that were not on the disk when the call went on, as it failed: they are in memory, and are written when it works again.',
    ),
    consentTokensTotal: make.counter(
      'consent_tokens_total',
      'Consent tokens: given out, taken with a recording, or refused there, by why.',
      {
        outcome: oneOf(['issued', 'taken', 'token', 'signerUnknown', 'forged', 'expired']),
      },
    ),
  }
}
