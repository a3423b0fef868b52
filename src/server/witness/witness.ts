import { EarwitnessError } from '../../errors.ts'
import { readAddCheckpoint, TREE_SIZE_TYPE, type AddCheckpoint } from '../../evidence/ledger/add-checkpoint.ts'
import { areSame, checkConsistency } from '../../evidence/ledger/check-proof.ts'
import { decodeCheckpoint, onlySignedBy, readCheckpoint, type Checkpoint } from '../../evidence/ledger/checkpoint.ts'
import { cosign } from '../../evidence/ledger/cosignature.ts'
import type { SignedNote } from '../../evidence/ledger/signed-note.ts'
import type { SigningKey, VerifyKey } from '../../evidence/signer-keys.ts'

/** Logs that one witness follows; a recorder begins one only when its data folder is new. */
export const WITNESSED_LOGS_MAX = 10_000

/** Requests that are worked on or wait for their turn; a recorder makes one a minute. */
export const WITNESS_REQUESTS_MAX = 256

/** Keeps the newest checkpoint of each log. */
export interface WitnessMemory {
  /** The signed note; undefined for a log that was never seen. */
  read(logId: string): Promise<string | undefined>
  /** Resolves when a power cut does not take it any more. */
  write(logId: string, note: string): Promise<void>
  /** Keeps a checkpoint with the one it was compared with, whatever is written afterwards. Of each kind the first pair and the newest few, and each `shown` once. */
  keep(logId: string, kind: WitnessFinding, pair: NotePair): Promise<void>
  /** Logs that are followed. */
  count(): Promise<number>
}

/** As HTTP wants it. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 409 | 422 | 503 | 507
  readonly contentType: string
  readonly body: string
}

/**
 * `forked`: two checkpoints of one size, each signed by the log, differ: the two prove it to anybody. `notProven`: a larger one came without a proof that it goes on from the one
 * that is kept: a suspicion, for whoever has a checkpoint can ask with a wrong proof.
 */
export type WitnessFinding = 'forked' | 'notProven'

/** Two signed notes: what had been seen, and what was shown then. */
export interface NotePair {
  readonly seen: string
  readonly shown: string
}

/** What is counted. */
export type WitnessEvent = 'cosigned' | 'stale' | 'refused' | 'busy' | WitnessFinding

export interface WitnessOptions {
  readonly name: string
  readonly signer: { readonly signingKey: SigningKey; readonly verifyKey: VerifyKey }
  /** Signers of recorders whose logs are followed. A log belongs to the one that it was first seen with: of the others none may speak for it. */
  readonly trusted: readonly VerifyKey[]
  readonly memory: WitnessMemory
  readonly nowUnixMs: () => number
  readonly onEvent: (event: WitnessEvent, logId: string) => void
  /** A finding could not be kept; it is answered and told all the same. */
  readonly onError: (error: unknown) => void
}

interface AskedCheckpoint extends AddCheckpoint {
  readonly parsed: SignedNote
  readonly checkpoint: Checkpoint
}

/**
 * Remembers how far it has seen each log, and signs under a checkpoint only when that goes on from there: whoever holds a cosigned checkpoint knows that the witness was shown
 * no other history. C2SP `tlog-witness`
 */
export class Witness {
  readonly #options: WitnessOptions
  readonly #turns = new Map<string, Promise<unknown>>()
  #requests = 0

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** Answers `POST add-checkpoint`. Rejects only when its memory fails. */
  async addCheckpoint(body: string): Promise<WitnessAnswer> {
    const request = readAddCheckpoint(body)
    if (!request.ok) return plain(400, 'This is no add-checkpoint request.')
    const decoded = decodeCheckpoint(request.value.note)
    if (!decoded.ok) return plain(400, 'There is no checkpoint of a ledger in it.')
    const { checkpoint, note: parsed } = decoded.value
    if (this.#requests >= WITNESS_REQUESTS_MAX) {
      this.#options.onEvent('busy', checkpoint.logId)
      return plain(503, 'Too many requests wait for this witness.')
    }
    this.#requests += 1
    try {
      return await this.#inTurn({ ...request.value, checkpoint, parsed })
    } finally {
      this.#requests -= 1
    }
  }

  async #inTurn(asked: AskedCheckpoint): Promise<WitnessAnswer> {
    const { logId } = asked.checkpoint
    if (!(await readCheckpoint(asked.note, this.#options.trusted)).ok) {
      this.#options.onEvent('refused', logId)
      return plain(403, 'It is signed by nobody whom this witness knows.')
    }
    // Two requests of one log must not both be compared with the same past.
    const done = (this.#turns.get(logId) ?? Promise.resolve()).then(() => this.#compare(asked))
    const settled = done.catch(() => {})
    this.#turns.set(logId, settled)
    void settled.then(() => {
      if (this.#turns.get(logId) === settled) this.#turns.delete(logId)
    })
    return done
  }

  async #compare(asked: AskedCheckpoint): Promise<WitnessAnswer> {
    const { memory, onEvent } = this.#options
    const { checkpoint, oldSize, proof, note, parsed } = asked
    const { logId, size, root } = checkpoint
    const kept = await memory.read(logId)
    const before = kept === undefined ? undefined : decodeCheckpoint(kept)
    if (before?.ok === false) throw memoryUnreadable(logId)
    const seen = before?.value.checkpoint
    const owner = await this.#signerOf(kept ?? note)
    if (owner === undefined || !(await readCheckpoint(note, [owner])).ok) {
      onEvent('refused', logId)
      return plain(403, 'This ledger was begun by somebody else.')
    }
    if (size === 0) return plain(400, 'There is nothing yet to sign under.')
    if (oldSize > size) return plain(400, 'The old size is larger than the checkpoint.')
    if (oldSize !== (seen?.size ?? 0)) {
      onEvent('stale', logId)
      return { status: 409, contentType: TREE_SIZE_TYPE, body: `${seen?.size ?? 0}\n` }
    }
    if (seen?.size === size && !areSame(seen.root, root)) {
      await this.#find('forked', logId, { seen: kept, shown: note })
      return { status: 409, contentType: TREE_SIZE_TYPE, body: `${size}\n` }
    }
    // Nothing has to be proved of what goes on from nothing.
    const isGrown =
      seen === undefined
        ? proof.length === 0
        : await checkConsistency({ oldSize, oldRoot: seen.root, size, root, proof })
    if (!isGrown) {
      await this.#find('notProven', logId, { seen: kept, shown: note })
      return plain(422, 'It does not go on from the checkpoint that this witness has seen.')
    }
    if (seen === undefined && (await memory.count()) >= WITNESSED_LOGS_MAX) {
      onEvent('refused', logId)
      return plain(507, 'This witness follows as many logs as it can.')
    }
    // Only by its owner: whose line stands beside it would own the log as well.
    await memory.write(logId, await onlySignedBy(owner, { note: parsed, logId }))
    onEvent('cosigned', logId)
    const { name, signer, nowUnixMs } = this.#options
    const body = await cosign(parsed.text, { ...signer, name, nowUnixMs: nowUnixMs() })
    return { status: 200, contentType: 'text/plain; charset=utf-8', body }
  }

  /** Of those who are trusted the first whose signature is under it. */
  async #signerOf(note: string): Promise<VerifyKey | undefined> {
    for (const key of this.#options.trusted) if ((await readCheckpoint(note, [key])).ok) return key
    return undefined
  }

  /** Whoever is caught must not get away because the disk is full. */
  async #find(
    kind: WitnessFinding,
    logId: string,
    { seen, shown }: { readonly seen: string | undefined; readonly shown: string },
  ): Promise<void> {
    const { memory, onEvent, onError } = this.#options
    // Who reads of it looks into the folder.
    if (seen !== undefined) await memory.keep(logId, kind, { seen, shown }).catch(onError)
    onEvent(kind, logId)
  }
}

/** To begin anew would be to forget what had been seen, and to sign under another history. */
function memoryUnreadable(logId: string): EarwitnessError {
  return new EarwitnessError(
    'witness-memory-unreadable',
    `What this witness has seen of ledger ${logId} cannot be read: it signs under nothing of it.`,
    `Look at the disk, and put ${logId}.note back from a copy of this witness, if there is one. To delete the file is to forget what was seen.`,
  )
}

function plain(status: WitnessAnswer['status'], sentence: string): WitnessAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${sentence}\n` }
}
