import { randomBytes } from 'node:crypto'

import type { Config } from '../../config/config.ts'
import { tenantsOf } from '../../config/tenants.ts'
import type { ConsentEventType } from '../../evidence/consent-event.ts'
import type { VaultRecipient } from '../../evidence/vault-recipient.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import { knownHolds } from '../custody/known-holds.ts'
import type { Trouble } from '../custody/recording-custody.ts'
import type { Queries } from '../database/queries.ts'
import { openHolds } from '../database/queries.ts'
import type { ConsentNotedRecord } from '../database/records.ts'
import type { Outbox } from '../database/outbox.ts'
import { leaveRequest } from '../ledger/statement-requests.ts'
import { openForCustody } from '../storage/open-store.ts'
import type { SignerFiles } from '../storage/key-files.ts'
import type { Logger } from '../telemetry/logger.ts'
import { policiesOf, sayLater, type LaterSaying, type SaidLater } from './say-later.ts'

/** Those that wait while one is written: each reads all events of its recording. */
export const LATER_WAITING_MAX = 16

interface LaterDeskParts {
  readonly config: Pick<Config, 'consent' | 'dataDir' | 'sources' | 'storage'>
  readonly signer: Pick<SignerFiles, 'signingKey' | 'verifyKey'>
  readonly vaultRecipients: readonly VaultRecipient[]
  readonly database: Queries
  readonly outbox: Pick<Outbox, 'add'>
  readonly log: Pick<Logger, 'warn'>
  /** Told of each event that was signed and stored. */
  readonly onEvent: (type: ConsentEventType) => void
  /** For a command that settles held audio; 30 s by default. */
  readonly settleWaitMs?: number
}

const NOT_INDEXED: Trouble = {
  ...{ place: 'index', code: 'index-full' },
  sentence: 'What waits for the database is as much as may wait: it does not know of these events yet.',
  hint: 'When the database is back, say the same again, which is written once; or run `earwitness reindex`.',
}

/** Writes down what the API is told of the consent to recordings that are over, one after the other, as the commands do; for recordings that this recorder has signed. */
export class LaterConsentDesk {
  readonly #parts: LaterDeskParts
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(parts: LaterDeskParts) {
    this.#parts = parts
  }

  /** Resolves when it is signed and stored. @throws EarwitnessError as {@link sayLater} */
  async say(saying: LaterSaying): Promise<Result<SaidLater, 'busy'>> {
    if (this.#waiting > LATER_WAITING_MAX) return rejected('busy')
    this.#waiting += 1
    const turn = this.#last.then(() => this.#say(saying))
    this.#last = turn.catch(() => {})
    try {
      return accepted(await turn)
    } finally {
      this.#waiting -= 1
    }
  }

  /** Resolves when nothing is being written. */
  async whenIdle(): Promise<void> {
    await this.#last
  }

  async #say(saying: LaterSaying): Promise<SaidLater> {
    const { config, signer, vaultRecipients, database, onEvent, settleWaitMs } = this.#parts
    const { dataDir } = config
    const keys = [signer.verifyKey]
    const { places, close } = await openForCustody(config)
    let rows: readonly ConsentNotedRecord[] = []
    try {
      const later = await sayLater(
        {
          ...{ places, keys, signer: signer.signingKey, vaultRecipients, dataDir, tenants: tenantsOf(config) },
          ...{ nowUnixMs: Date.now, randomBytes: (length) => randomBytes(length) },
          policyOf: policiesOf(config),
          // Counted by `onEvent`, at once.
          leave: (request) => leaveRequest(dataDir, { ...request, isNew: false }),
          ...(settleWaitMs === undefined ? {} : { settleWaitMs }),
          knownHolds: (recordingId) =>
            knownHolds({ ...{ recordingId, keys, places, dataDir }, indexed: () => openHolds(database, recordingId) }),
          onAdded: (type, soFar) => {
            onEvent(type)
            rows = soFar
          },
        },
        saying,
      )
      rows = []
      const { said, held } = later
      const troubles = [...said.troubles, ...this.#index(later.rows)]
      this.#warn(saying.recordingId, [...troubles, ...held.troubles])
      return { ...later, said: { ...said, troubles } }
    } finally {
      // Of what was written before something failed.
      this.#index(rows)
      close()
    }
  }

  #index(rows: readonly ConsentNotedRecord[]): readonly Trouble[] {
    const refused = rows.filter((row) => !this.#parts.outbox.add(row))
    return refused.length === 0 ? [] : [NOT_INDEXED]
  }

  #warn(recordingId: string, troubles: readonly Trouble[]): void {
    if (troubles.length === 0) return
    const said = { recordingId, troubles: troubles.map(({ code }) => code) }
    this.#parts.log.warn(said, 'what was said of consent is written down, and not all of what follows could be done')
  }
}
