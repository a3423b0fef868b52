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
    const { config, signer, vaultRecipients, database, outbox, onEvent } = this.#parts
    const { dataDir } = config
    const keys = [signer.verifyKey]
    const { places, close } = await openForCustody(config)
    try {
      const later = await sayLater(
        {
          ...{ places, keys, signer: signer.signingKey, vaultRecipients, dataDir, tenants: tenantsOf(config) },
          ...{ nowUnixMs: Date.now, randomBytes: (length) => randomBytes(length) },
          policyOf: policiesOf(config),
          leave: (request) => leaveRequest(dataDir, request),
          knownHolds: (recordingId) =>
            knownHolds({ ...{ recordingId, keys, places, dataDir }, indexed: () => openHolds(database, recordingId) }),
        },
        saying,
      )
      for (const { event } of later.said.added) onEvent(event.type)
      for (const row of later.rows) outbox.add(row)
      this.#warn(saying.recordingId, [...later.said.troubles, ...later.held.troubles])
      return later
    } finally {
      close()
    }
  }

  #warn(recordingId: string, troubles: readonly Trouble[]): void {
    if (troubles.length === 0) return
    const said = { recordingId, troubles: troubles.map(({ code }) => code) }
    this.#parts.log.warn(said, 'what was said of consent is written down, and not all of what follows could be done')
  }
}
