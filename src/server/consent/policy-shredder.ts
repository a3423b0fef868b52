import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from '../../config/config.ts'
import { consentState } from '../../evidence/consent-state.ts'
import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'
import type { VaultRecipient } from '../../evidence/vault-recipient.ts'
import { nodeCopies } from '../custody/node-copies.ts'
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
import { readConsent } from './later-consent.ts'

/** Who decided, and why: kept sealed with the decision, and in the index. */
const NOTE = {
  by: 'earwitness',
  reason: 'There is no consent, and the policy of the source asks for the destruction of the recording.',
} as const

/** States in which nobody has anything against the destruction that the policy asks for. */
const WITHOUT_CONSENT: ReadonlySet<ConsentStateName> = new Set(['refused', 'withdrawn', 'missing'])

interface PolicyShredderParts {
  readonly config: Config
  readonly signer: { readonly signingKey: SigningKey; readonly verifyKey: VerifyKey }
  readonly vaultRecipients: readonly VaultRecipient[]
  readonly outbox: Pick<Outbox, 'add'>
  readonly log: Pick<Logger, 'warn' | 'error'>
}

/**
 * Destroys the key of a recording once its manifest is stored, as `earwitness shred` does, because the policy about consent asks for it. That it does is on the disk first, so that
 * the next start goes on after a crash; a mark is a recording to look at, and whether it is destroyed is for its consent to say, as it is then: a person may have decided
 * meanwhile. Never rejects: what could not be destroyed is logged and tried again at each start; the incident `consent-shred-wanted` of the manifest says it too.
 */
export class PolicyShredder {
  readonly #parts: PolicyShredderParts
  readonly #wanted: MarkFolder
  readonly #running = new Map<string, Promise<void>>()

  constructor(parts: PolicyShredderParts) {
    this.#parts = parts
    this.#wanted = new MarkFolder(parts.config.dataDir, 'shred-wanted')
  }

  /** Resolves when the recording is over and its key is gone, or that has failed. */
  shred({
    facts: { recordingId },
    objectPrefix,
    closed,
  }: Pick<LiveRecording, 'facts' | 'objectPrefix' | 'closed'>): Promise<void> {
    return this.#run(recordingId, async () => {
      await this.#wanted.write(recordingId, objectPrefix).catch((error: unknown) => {
        const said = { recordingId, err: error }
        this.#parts.log.error(said, 'that a recording is to be destroyed cannot be noted; a crash would leave it')
      })
      await closed
      await this.#lookAt(recordingId, objectPrefix)
    })
  }

  /** Notes that a recording of an earlier run is to be looked at by {@link resume}; resolves when that is on the disk. */
  want(recordingId: string, objectPrefix: string): Promise<void> {
    return this.#wanted.write(recordingId, objectPrefix)
  }

  /** Destroys what a run before this one was to destroy, and could not; to be called when its recordings are closed. Never rejects. */
  async resume(): Promise<void> {
    try {
      for (const recordingId of await this.#wanted.list()) {
        // Of this run.
        if (this.#running.has(recordingId)) continue
        await this.#run(recordingId, async () => {
          await this.#lookAt(recordingId, (await this.#wanted.read(recordingId)) ?? '')
        })
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, 'what is to be destroyed cannot be read')
    }
  }

  /** Resolves when nothing is being destroyed. */
  async whenIdle(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  async #run(recordingId: string, work: () => Promise<void>): Promise<void> {
    const done = work().catch((error: unknown) =>
      this.#parts.log.error({ recordingId, err: error }, 'a recording could not be destroyed; run "earwitness shred"'),
    )
    this.#running.set(recordingId, done)
    await done
    this.#running.delete(recordingId)
  }

  async #lookAt(recordingId: string, objectPrefix: string): Promise<void> {
    const { config, signer, vaultRecipients, log } = this.#parts
    const { places, close } = await openForCustody(config)
    try {
      const keys = [signer.verifyKey]
      const clock = { nowUnixMs: Date.now, randomBytes: (length: number) => randomBytes(length) }
      const parts = { places, keys, signer: signer.signingKey, vaultRecipients, ...clock }
      const custody = new RecordingCustody(parts, recordingId, objectPrefix)
      if ((await custody.names()).length === 0) {
        if (await cameToNothing(config.dataDir, recordingId)) await this.#wanted.remove(recordingId)
        return
      }
      const { events } = await readConsent(custody, keys)
      const consent = consentState(events.map(({ event }) => event))
      if (WITHOUT_CONSENT.has(consent)) await this.#destroy(custody)
      else {
        log.warn({ recordingId, consent }, 'a recording is not destroyed: its consent has been decided since')
        await this.#wanted.remove(recordingId)
      }
    } finally {
      close()
    }
  }

  async #destroy(custody: RecordingCustody): Promise<void> {
    const { config, outbox, log } = this.#parts
    const { dataDir } = config
    const { recordingId } = custody
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
    await this.#wanted.remove(recordingId)
    log.warn(said, 'a recording was destroyed, as the policy about consent asks')
  }
}

/** A recording session that was never committed; otherwise what the store does not have yet is on its way, out of the journal or the spool. */
async function cameToNothing(dataDir: string, recordingId: string): Promise<boolean> {
  if (existsSync(join(dataDir, 'open', `${recordingId}.jsonl`))) return false
  return (await nodeCopies(dataDir, recordingId, 'objects')).length === 0
}
