import { randomBytes } from 'node:crypto'

import type { Config } from '../../config/config.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'
import { MarkFolder } from '../custody/mark-folder.ts'
import { RecordingCustody } from '../custody/recording-custody.ts'
import { shred } from '../custody/shred.ts'
import { ShreddedMarks } from '../custody/shredded-marks.ts'
import { custodyDecidedRecord } from '../database/index-records.ts'
import type { Outbox } from '../database/outbox.ts'
import { leaveRequest } from '../ledger/statement-requests.ts'
import type { LiveRecording } from '../recording/live-recording.ts'
import { openForCustody } from '../storage/open-store.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Who decided, and why: kept sealed with the decision, and in the index. */
const NOTE = {
  by: 'earwitness',
  reason: 'There is no consent, and the policy of the source asks for the destruction of the recording.',
} as const

export interface PolicyShredder {
  /** Resolves when the recording is over and its key is gone, or that has failed. */
  shred(recording: LiveRecording): Promise<void>
  /** Destroys what a run before this one was to destroy, and could not; to be called when its recordings are closed. Never rejects. */
  resume(): Promise<void>
  /** Resolves when nothing is being destroyed. */
  whenIdle(): Promise<void>
}

/**
 * Destroys the key of a recording once its manifest is stored, as `earwitness shred` does, because the policy about consent asks for it. That it does is on the disk first, so that
 * the next start goes on after a crash. Never rejects: what could not be destroyed is logged and tried again at each start; the incident `consent-shred-wanted` of the manifest
 * says it too.
 */
export function policyShredder(parts: {
  readonly config: Config
  readonly signer: { readonly signingKey: SigningKey; readonly verifyKey: VerifyKey }
  readonly vaultRecipients: readonly string[]
  readonly outbox: Pick<Outbox, 'add'>
  readonly log: Logger
}): PolicyShredder {
  const { config, signer, vaultRecipients, outbox, log } = parts
  const { dataDir } = config
  const wanted = new MarkFolder(dataDir, 'shred-wanted')
  const destroy = async (recordingId: string, objectPrefix: string): Promise<void> => {
    const { places, close } = await openForCustody(config)
    try {
      const keys = { keys: [signer.verifyKey], signer: signer.signingKey, vaultRecipients }
      const clock = { nowUnixMs: Date.now, randomBytes: (length: number) => randomBytes(length) }
      const custody = new RecordingCustody({ places, ...keys, ...clock }, recordingId, objectPrefix)
      // Of a recording session that came to nothing.
      if ((await custody.names()).length === 0) return await wanted.remove(recordingId)
      const report = await shred({
        ...{ custody, dataDir, note: NOTE, scope: 'key', bypassesGovernance: false },
        marks: new ShreddedMarks(dataDir),
        // Reading a whole ledger is not for the process that records.
        knownHolds: () => Promise.resolve([]),
        leave: (request) => leaveRequest(dataDir, request),
      })
      for (const stored of (await custody.read()).records) {
        const record = custodyDecidedRecord(stored, report.decided.includes(stored.record.recordId) ? NOTE : undefined)
        if (record !== undefined) outbox.add(record)
      }
      const said = { recordingId, state: report.state, troubles: report.troubles.map(({ code }) => code) }
      if (report.troubles.length > 0) {
        log.error(said, 'a recording could not be destroyed whole; run "earwitness shred"')
        return
      }
      await wanted.remove(recordingId)
      log.warn(said, 'a recording was destroyed, as the policy about consent asks')
    } finally {
      close()
    }
  }
  const running = new Set<Promise<void>>()
  const run = async (recordingId: string, work: () => Promise<void>): Promise<void> => {
    const done = work().catch((error: unknown) =>
      log.error({ recordingId, err: error }, 'a recording could not be destroyed; run "earwitness shred"'),
    )
    running.add(done)
    await done
    running.delete(done)
  }
  const resumeAll = async (): Promise<void> => {
    for (const recordingId of await wanted.list()) {
      await run(recordingId, async () => destroy(recordingId, (await wanted.read(recordingId)) ?? ''))
    }
  }
  return {
    shred: ({ facts: { recordingId }, objectPrefix, closed }) =>
      run(recordingId, async () => {
        await wanted.write(recordingId, objectPrefix)
        await closed
        await destroy(recordingId, objectPrefix)
      }),
    resume: () =>
      resumeAll().catch((error: unknown) => log.error({ err: error }, 'what is to be destroyed cannot be read')),
    whenIdle: async () => void (await Promise.all(running)),
  }
}
