import type { Config } from '../../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { AnnouncementTable } from './announcement-table.ts'

/** Opens the table of announcements under dataDir: also where nothing is announced any more, as recordings of former ones may still begin. */
export async function startAnnouncementTable(parts: {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
}): Promise<AnnouncementTable> {
  const { config, log, metrics } = parts
  const table = new AnnouncementTable({
    dataDir: config.dataDir,
    windowMs: config.announcements.linkWindowMs,
    lost: (reason, error) => {
      metrics.announcementsLostTotal.inc({ reason })
      if (error !== undefined) log.error({ err: error }, 'what was announced could not be written to disk')
    },
    changed: (count) => metrics.announcementsKept.set(count),
  })
  await table.run(Date.now())
  return table
}
