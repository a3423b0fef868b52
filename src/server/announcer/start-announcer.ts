import { randomBytes } from 'node:crypto'

import type { Config } from '../../config/config.ts'
import { monotonicUs } from '../monotonic.ts'
import type { SourceTable } from '../recording/source-table.ts'
import type { SignallingPort } from '../signalling/port.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { Announcer, type AnnouncerEvents } from './announcer.ts'
import { PromptLibrary, readPrompts } from './prompt-library.ts'
import type { KeptAnnouncements } from './start-announcement-table.ts'

export interface AnnouncerParts {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly announcements: KeptAnnouncements
  readonly sources: SourceTable
  readonly signalling: Pick<SignallingPort, 'bye' | 'request'>
}

/**
 * Reads the prompts and makes the announcer; undefined when the configuration has none.
 *
 * @throws EarwitnessError `prompts-unreadable`, `prompt-index`, `prompt-audio`
 */
export async function startAnnouncer(parts: AnnouncerParts): Promise<Announcer | undefined> {
  const { config, sources, signalling } = parts
  const { announcements, rtp, sip, media } = config
  if (!announcements.enabled) return undefined
  const library = new PromptLibrary(await readPrompts(announcements.folder), media.opusEngine)
  return new Announcer({
    ...{ announcements, library, sources, signalling, ...parts.announcements },
    events: eventsOf(parts),
    bindAddress: rtp.address,
    mediaAddress: rtp.advertise ?? (sip.drachtio === undefined ? sip.advertise : undefined),
    nowUs: monotonicUs,
    nowUnixMs: Date.now,
    randomBytes: (length) => randomBytes(length),
  })
}

function eventsOf({ log, metrics }: AnnouncerParts): AnnouncerEvents {
  return {
    refused: (reason, src) => {
      metrics.announcementRefusalsTotal.inc({ reason })
      log.info({ src, reason }, 'a call to the announcer was refused')
    },
    over: ({ packets, ...announcement }) => {
      const { mode, outcome } = announcement
      metrics.announcementsTotal.inc({ mode, outcome })
      metrics.announcementPacketsSentTotal.inc(packets)
      log.info(announcement, 'announcement over')
    },
    live: (count) => metrics.announcements.set(count),
    late: (ticks) => metrics.announcementLateTicksTotal.inc(ticks),
    discarded: (reason) => metrics.announcementPacketsDiscardedTotal.inc({ reason }),
    failed: (error) => log.error({ err: error }, 'an announcement failed'),
  }
}
