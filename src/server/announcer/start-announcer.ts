import { randomBytes } from 'node:crypto'

import type { Config } from '../../config/config.ts'
import { monotonicUs } from '../monotonic.ts'
import type { SourceTable } from '../recording/source-table.ts'
import type { SignallingPort } from '../signalling/port.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { Announcer, type AnnouncerEvents } from './announcer.ts'
import { MediaPathAnnouncer } from './media-path-announcer.ts'
import { type Prompt, PromptLibrary, readPrompts } from './prompt-library.ts'
import { RtpenginePlayer } from './rtpengine-player.ts'
import type { KeptAnnouncements } from './start-announcement-table.ts'

export interface AnnouncerParts {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly announcements: KeptAnnouncements
  readonly sources: SourceTable
  readonly signalling: Pick<SignallingPort, 'bye' | 'request'>
}

/** What plays announcements: to callers who are sent here, and by an element in the media path. */
export interface AnnouncerServices {
  readonly announcer: Announcer
  readonly mediaPath: MediaPathAnnouncer
}

/**
 * Reads the prompts and makes the announcer; undefined when the configuration has none.
 *
 * @throws EarwitnessError `prompts-unreadable`, `prompt-index`, `prompt-audio`
 */
export async function startAnnouncer(parts: AnnouncerParts): Promise<AnnouncerServices | undefined> {
  const { config, sources, signalling } = parts
  const { announcements, rtp, sip, media } = config
  if (!announcements.enabled) return undefined
  const prompts = await readPrompts(announcements.folder)
  const library = new PromptLibrary(prompts, media.opusEngine)
  const announcer = new Announcer({
    ...{ announcements, library, sources, signalling, ...parts.announcements },
    events: eventsOf(parts),
    bindAddress: rtp.address,
    mediaAddress: rtp.advertise ?? (sip.drachtio === undefined ? sip.advertise : undefined),
    nowUs: monotonicUs,
    nowUnixMs: Date.now,
    randomBytes: (length) => randomBytes(length),
  })
  return { announcer, mediaPath: mediaPathOf(parts, prompts) }
}

function mediaPathOf(
  { config, log, metrics, announcements }: AnnouncerParts,
  prompts: readonly Prompt[],
): MediaPathAnnouncer {
  const { rtpengine } = config.announcements
  const newId = (): string => randomBytes(16).toString('hex')
  return new MediaPathAnnouncer({
    announcements: config.announcements,
    prompts,
    player: rtpengine === undefined ? undefined : new RtpenginePlayer(rtpengine.address, newId),
    table: announcements.table,
    over: (outcome, promptId) => {
      metrics.announcementsTotal.inc({ mode: 'adapter', outcome })
      log.info({ mode: 'adapter', outcome, promptIds: [promptId] }, 'announcement over')
    },
    failed: (error) => log.error({ err: error }, 'an announcement failed'),
    newId,
    nowUnixMs: Date.now,
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
    unsent: () => metrics.announcementPacketsUnsentTotal.inc(),
    failed: (error) => log.error({ err: error }, 'an announcement failed'),
  }
}
