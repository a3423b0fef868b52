import { join } from 'node:path'

import type { Config, WitnessConfig } from '../../config/config.ts'
import { decodeCheckpoint } from '../../evidence/ledger/checkpoint.ts'
import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import { linesOf, localCopy, localLogs, newestNoteOf } from '../ledger/log-copy.ts'
import { proveFromLines } from '../ledger/log-prover.ts'
import type { CosignRequest, CosignResult, WitnessFault } from '../ledger/witness-client.ts'
import { askedWitness } from '../ledger/witness-keys.ts'

/** Whether a witness of the configuration signs under the newest checkpoint on the disk. */
export interface WitnessReport {
  readonly name: string
  /** Statements that the checkpoint covers; undefined while there is none to ask with. */
  readonly size: number | undefined
  /** Undefined when it has signed. */
  readonly fault: Exclude<WitnessFault, 'superseded' | 'stopped'> | undefined
}

/** Asks each as the recorder does. A witness that signs remembers the checkpoint, which the recorder was about to show to it. */
export async function reportWitnesses(config: Config): Promise<readonly WitnessReport[]> {
  return Promise.all(config.ledger.witnesses.map((witness, index) => reportWitness(config, witness, index)))
}

async function reportWitness(config: Config, configured: WitnessConfig, index: number): Promise<WitnessReport> {
  const witness = await askedWitness(configured, index)
  const ask = async (): Promise<{ readonly size: number | undefined; readonly result: CosignResult | undefined }> => {
    const request = await newestRequest(join(config.dataDir, LEDGER_PREFIX))
    const result = request === undefined ? undefined : await witness.cosign(request)
    return { size: request?.size, result }
  }
  const first = await ask()
  // A recorder that runs may have shown it a newer one meanwhile.
  const { size, result } = first.result?.ok === false && first.result.reason === 'ahead' ? await ask() : first
  const reason = result?.ok === false ? result.reason : undefined
  return { name: witness.name, size, fault: reason === 'superseded' || reason === 'stopped' ? 'away' : reason }
}

/** About the newest log of this node. */
async function newestRequest(ledgerDir: string): Promise<CosignRequest | undefined> {
  const logId = (await localLogs(ledgerDir)).at(-1)
  if (logId === undefined) return undefined
  const copy = await localCopy(ledgerDir, logId)
  const { note } = (await newestNoteOf(copy)) ?? { note: '' }
  const decoded = decodeCheckpoint(note)
  if (!decoded.ok) return undefined
  const { size, root } = decoded.value.checkpoint
  return {
    ...{ logId, note, size, currentSize: () => size, signal: new AbortController().signal },
    prove: (oldSize) => proveFromLines(linesOf(copy), { oldSize, size, root }),
  }
}
