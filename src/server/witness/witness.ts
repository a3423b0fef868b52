import { readAddCheckpoint, TREE_SIZE_TYPE } from '../../evidence/ledger/add-checkpoint.ts'
import { areSame, checkConsistency } from '../../evidence/ledger/check-proof.ts'
import { decodeCheckpoint, readCheckpoint, type Checkpoint } from '../../evidence/ledger/checkpoint.ts'
import { cosign } from '../../evidence/ledger/cosignature.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'

/** Logs that one witness follows; a recorder begins one only when its data folder is new. */
export const WITNESSED_LOGS_MAX = 10_000

/** Keeps the newest checkpoint of each log. */
export interface WitnessMemory {
  /** The signed note; undefined for a log that was never seen. */
  read(logId: string): Promise<string | undefined>
  /** Resolves when a power cut does not take it any more. */
  write(logId: string, note: string): Promise<void>
  /** Keeps a checkpoint that contradicts the newest one: both together are the proof. The first few of each kind, and each once. */
  keep(logId: string, kind: Contradiction, note: string): Promise<void>
  /** Logs that are followed. */
  count(): Promise<number>
}

/** As HTTP wants it. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 409 | 422 | 507
  readonly contentType: string
  readonly body: string
}

/** `forked`: two checkpoints of one size, each signed by the log, differ. `notProven`: a larger one came without a proof that it goes on from the one that is kept. */
export type Contradiction = 'forked' | 'notProven'

/** What is counted. */
export type WitnessEvent = 'cosigned' | 'stale' | 'refused' | Contradiction

export interface WitnessOptions {
  readonly name: string
  readonly signer: { readonly signingKey: SigningKey; readonly verifyKey: VerifyKey }
  /** Signers of recorders whose logs are followed. */
  readonly trusted: readonly VerifyKey[]
  readonly memory: WitnessMemory
  readonly nowUnixMs: () => number
  readonly onEvent: (event: WitnessEvent, logId: string) => void
}

/**
 * Remembers how far it has seen each log, and signs under a checkpoint only when that goes on from there: whoever holds a cosigned checkpoint knows that the witness was shown
 * no other history. C2SP `tlog-witness`
 */
export class Witness {
  readonly #options: WitnessOptions
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** Answers `POST add-checkpoint`. Rejects only when its memory fails. */
  async addCheckpoint(body: string): Promise<WitnessAnswer> {
    const request = readAddCheckpoint(body)
    if (!request.ok) return plain(400, 'This is no add-checkpoint request.')
    const decoded = decodeCheckpoint(request.value.note)
    if (!decoded.ok) return plain(400, 'There is no checkpoint of a ledger in it.')
    const trusted = await readCheckpoint(request.value.note, this.#options.trusted)
    const { logId } = decoded.value.checkpoint
    if (!trusted.ok) {
      this.#options.onEvent('refused', logId)
      return plain(403, 'It is signed by nobody whom this witness knows.')
    }
    const asked = { ...request.value, checkpoint: trusted.value, text: decoded.value.note.text }
    // Two requests of one log must not both be compared with the same past.
    const done = (this.#turns.get(logId) ?? Promise.resolve()).then(() => this.#compare(asked))
    const settled = done.catch(() => {})
    this.#turns.set(logId, settled)
    void settled.then(() => {
      if (this.#turns.get(logId) === settled) this.#turns.delete(logId)
    })
    return done
  }

  async #compare(asked: {
    readonly oldSize: number
    readonly proof: readonly Uint8Array[]
    readonly note: string
    readonly text: string
    readonly checkpoint: Checkpoint
  }): Promise<WitnessAnswer> {
    const { memory, onEvent } = this.#options
    const { checkpoint, oldSize, proof, note, text } = asked
    const { logId, size, root } = checkpoint
    const kept = await memory.read(logId)
    const before = kept === undefined ? undefined : decodeCheckpoint(kept)
    if (before?.ok === false) throw new Error(`the checkpoint that is kept of log ${logId} cannot be read`)
    const seen = before?.value.checkpoint
    if (size === 0) return plain(400, 'There is nothing yet to sign under.')
    if (oldSize > size) return plain(400, 'The old size is larger than the checkpoint.')
    if (oldSize !== (seen?.size ?? 0)) {
      onEvent('stale', logId)
      return { status: 409, contentType: TREE_SIZE_TYPE, body: `${seen?.size ?? 0}\n` }
    }
    if (seen?.size === size && !areSame(seen.root, root)) {
      await this.#contradict('forked', logId, note)
      return { status: 409, contentType: TREE_SIZE_TYPE, body: `${size}\n` }
    }
    // Nothing has to be proved of what goes on from nothing.
    const isGrown =
      seen === undefined
        ? proof.length === 0
        : await checkConsistency({ oldSize, oldRoot: seen.root, size, root, proof })
    if (!isGrown) {
      await this.#contradict('notProven', logId, seen === undefined ? undefined : note)
      return plain(422, 'It does not go on from the checkpoint that this witness has seen.')
    }
    if (seen === undefined && (await memory.count()) >= WITNESSED_LOGS_MAX) {
      onEvent('refused', logId)
      return plain(507, 'This witness follows as many logs as it can.')
    }
    await memory.write(logId, note)
    onEvent('cosigned', logId)
    const { name, signer, nowUnixMs } = this.#options
    const body = await cosign(text, { ...signer, name, nowUnixMs: nowUnixMs() })
    return { status: 200, contentType: 'text/plain; charset=utf-8', body }
  }

  async #contradict(kind: Contradiction, logId: string, note: string | undefined): Promise<void> {
    if (note !== undefined) await this.#options.memory.keep(logId, kind, note)
    this.#options.onEvent(kind, logId)
  }
}

function plain(status: WitnessAnswer['status'], sentence: string): WitnessAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${sentence}\n` }
}
