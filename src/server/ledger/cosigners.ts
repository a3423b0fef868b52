import { EarwitnessError } from '../../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { CosignRequest, CosignResult, WitnessFault } from './witness-client.ts'

/** A witness; see `WitnessClient`. */
export interface AskedWitness {
  readonly name: string
  /** Never rejects. */
  cosign(request: CosignRequest): Promise<CosignResult>
}

/** By the word of a witness: it has seen more of the log than there is, or something else; or it does not take our proof that the log goes on from there. */
export type WitnessProblem = 'witnessAhead' | 'witnessForked' | 'witnessDisputed'

const COUNTED: Readonly<Record<WitnessFault, WitnessProblem | 'witness'>> = {
  away: 'witness',
  refused: 'witness',
  unproved: 'witness',
  'key-invalid': 'witness',
  superseded: 'witness',
  stopped: 'witness',
  ahead: 'witnessAhead',
  forked: 'witnessForked',
  disputed: 'witnessDisputed',
}

/** The witnesses of a recorder. What they have caught is remembered until the next start. */
export class Cosigners {
  readonly #witnesses: readonly AskedWitness[]
  readonly #log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly #failed: (reason: WitnessProblem | 'witness') => void
  /** What was said last of those who do not sign. */
  readonly #failing = new Map<AskedWitness, WitnessFault>()
  /** Since when those have not signed who did not sign last. */
  readonly #unsignedSinceUnixMs = new Map<AskedWitness, number>()
  readonly #nowUnixMs: () => number
  #problem: WitnessProblem | undefined

  constructor(options: {
    readonly witnesses: readonly AskedWitness[]
    readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
    readonly failed: (reason: WitnessProblem | 'witness') => void
    readonly nowUnixMs: () => number
  }) {
    this.#witnesses = options.witnesses
    this.#log = options.log
    this.#failed = options.failed
    this.#nowUnixMs = options.nowUnixMs
  }

  get problem(): WitnessProblem | undefined {
    return this.#problem
  }

  /** Since when the one has been asked in vain that has not signed for the longest time; undefined when all have signed. */
  get unsignedSinceUnixMs(): number | undefined {
    const all = [...this.#unsignedSinceUnixMs.values()]
    return all.length === 0 ? undefined : Math.min(...all)
  }

  /** The signature lines of all who sign, a line each; never rejects. */
  async ask(request: CosignRequest): Promise<string> {
    const asked = this.#witnesses.map(async (witness) => {
      const result = await witness.cosign(request)
      this.#note(witness, result)
      return result.ok ? result.value : ''
    })
    return (await Promise.all(asked)).join('')
  }

  /** What they have signed did not come into the store. */
  notStored(): void {
    this.#failed('witness')
  }

  #note(witness: AskedWitness, result: CosignResult): void {
    const before = this.#failing.get(witness)
    if (result.ok) {
      this.#failing.delete(witness)
      this.#unsignedSinceUnixMs.delete(witness)
      if (before !== undefined) this.#log.info({ witness: witness.name }, 'a witness signs under the ledger again')
      return
    }
    const { reason, detail } = result
    const counted = COUNTED[reason]
    this.#failed(counted)
    if (!this.#unsignedSinceUnixMs.has(witness)) this.#unsignedSinceUnixMs.set(witness, this.#nowUnixMs())
    // A slow witness, or an end: the next checkpoint goes on from this one.
    if (reason === 'superseded' || reason === 'stopped') return
    // What is certain is not forgotten over what may be the fault of a witness.
    if (counted !== 'witness' && (this.#problem ?? 'witnessDisputed') === 'witnessDisputed') this.#problem = counted
    // Who has seen something else disputes what comes after it as well.
    const isMore = reason !== 'disputed' || before === undefined || COUNTED[before] === 'witness'
    if (before === reason || !isMore) return
    this.#failing.set(witness, reason)
    const error = faultOf(witness.name, reason)
    const fields = { witness: witness.name, code: error.code, hint: error.hint, detail, err: error }
    if (counted === 'witness') this.#log.warn(fields, 'a witness does not sign under the ledger')
    else this.#log.error(fields, 'a witness contradicts the ledger')
  }
}

/** What a person should read. */
export function faultOf(name: string, reason: Exclude<WitnessFault, 'superseded' | 'stopped'>): EarwitnessError {
  const [sentence, hint] = FAULTS[reason]
  return new EarwitnessError(`witness-${reason}`, `Witness ${name} ${sentence}`, hint)
}

const CAUGHT =
  'Was this data folder restored from an older copy? Keep it, run `earwitness ledger verify` with the checkpoint that the witness keeps, and find out who changed it.'
const FAULTS: Readonly<Record<Exclude<WitnessFault, 'superseded' | 'stopped'>, readonly [string, string]>> = {
  away: [
    'does not answer.',
    'See that it runs and that its url in ledger.witnesses is reachable from here; recording goes on, and the next checkpoint asks again.',
  ],
  refused: [
    'did not sign under the checkpoint of the ledger.',
    'Check ledger.witnesses: its url must answer POST …/add-checkpoint (C2SP tlog-witness), its key must be the one the witness prints, and it must trust the signer of this recorder.',
  ],
  unproved: [
    'cannot be shown that the ledger goes on from what it has seen: the statements on this disk do not yield the proof.',
    'Run `earwitness ledger verify`: statements were changed, or the disk does not give them back.',
  ],
  'key-invalid': [
    'is not asked: its key in the configuration is not the key of a witness.',
    'Copy the whole of it, NAME+KEYID+KEY, as `earwitness witness` prints it at its start; then start the recorder again.',
  ],
  ahead: ['has signed under more of this ledger than there is: statements were taken away.', CAUGHT],
  forked: [
    'has seen another checkpoint of the same size: this ledger was put back and has grown again, or was told in two ways.',
    CAUGHT,
  ],
  disputed: [
    'does not accept that the ledger goes on from what it has seen, although the proof is right: it has seen another history (this ledger was put back and has grown again, or was told in two ways), or the witness is at fault.',
    `${CAUGHT} The checkpoint that the witness keeps decides it: one that the ledger verifies with is the fault of the witness.`,
  ],
}
