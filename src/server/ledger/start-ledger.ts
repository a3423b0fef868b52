import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'

import type { WitnessConfig } from '../../config/config.ts'
import type { StatementClock } from '../../evidence/ledger/statement.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { Ledger, type LedgerOptions } from './ledger.ts'
import { stamp } from './time-stamper.ts'
import { askedWitness } from './witness-keys.ts'

/** systemd-timesyncd keeps it as long as the clock is synchronised. */
const SYNCHRONIZED_FILE = '/run/systemd/timesync/synchronized'

/** Makes the ledger of a daemon and starts it; it opens its log in the background. */
export async function startLedger(
  options: Pick<LedgerOptions, 'dataDir' | 'signer' | 'software' | 'store' | 'uploads'> & {
    /** Of a time stamping authority. */
    readonly timestampUrl?: string | undefined
    readonly witnesses: readonly WitnessConfig[]
    readonly log: Logger
    readonly metrics: Pick<Metrics, 'consentEventsTotal' | 'ledgerEntriesTotal' | 'ledgerWriteFailuresTotal'>
  },
): Promise<Ledger> {
  const { metrics, timestampUrl, ...rest } = options
  const witnesses = await Promise.all(options.witnesses.map(askedWitness))
  const ledger = new Ledger({
    ...rest,
    witnesses,
    ...(timestampUrl === undefined ? {} : { stamp: (bytes: Uint8Array) => stamp(timestampUrl, bytes) }),
    observer: {
      written: (count) => metrics.ledgerEntriesTotal.inc(count),
      said(requests) {
        for (const request of requests) {
          if (request.kind === 'consent' && request.isNew === true)
            metrics.consentEventsTotal.inc({ type: request.type })
        }
      },
      failed: (reason) => metrics.ledgerWriteFailuresTotal.inc({ reason }),
    },
    nowUnixMs: Date.now,
    clock: clockStatus,
    randomBytes: (length) => randomBytes(length),
  })
  ledger.run()
  return ledger
}

/** What can be told at once: chrony, which has to be asked by a program, leaves it `unknown`. */
function clockStatus(): StatementClock {
  return existsSync(SYNCHRONIZED_FILE) ? { status: 'synchronized', source: 'systemd-timesyncd' } : { status: 'unknown' }
}
