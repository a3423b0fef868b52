import type { Config } from '../../config/config.ts'
import type { SignerFiles } from '../storage/key-files.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { AnnouncementTable } from './announcement-table.ts'
import { AnnouncementTokens } from './announcement-tokens.ts'

/** What ties announcements to recordings. */
export interface KeptAnnouncements {
  readonly table: AnnouncementTable
  readonly tokens: AnnouncementTokens
}

/** Opens the table of announcements under dataDir: also where nothing is announced any more, as recordings of former ones may still begin. */
export async function startAnnouncementTable(
  parts: { readonly config: Config; readonly log: Logger; readonly metrics: Metrics },
  signer: SignerFiles,
): Promise<KeptAnnouncements> {
  const { config, log, metrics } = parts
  const windowMs = config.announcements.linkWindowMs
  const table = new AnnouncementTable({
    dataDir: config.dataDir,
    windowMs,
    lost: (reason) => metrics.announcementsLostTotal.inc({ reason }),
    unwritten: () => metrics.announcementsUnwrittenTotal.inc(),
    failed: (error) => log.error({ err: error }, 'what was announced could not be written to disk'),
    changed: (count) => metrics.announcementsKept.set(count),
  })
  await table.run(Date.now())
  const tokens = new AnnouncementTokens({
    ...{ table, windowMs, signer: signer.signingKey, verifyKey: signer.verifyKey, nowUnixMs: Date.now },
    counted: (outcome) => metrics.consentTokensTotal.inc({ outcome }),
  })
  return { table, tokens }
}
