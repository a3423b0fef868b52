import { TREE_SIZE_TYPE, writeAddCheckpoint } from '../../evidence/ledger/add-checkpoint.ts'
import { findCosignature } from '../../evidence/ledger/cosignature.ts'
import { type WitnessKey } from '../../evidence/ledger/witness-key.ts'
import { NOTE_LENGTH_MAX, parseNote } from '../../evidence/ledger/signed-note.ts'
import { accepted, rejected, type Result } from '../../result.ts'
import { readBounded } from '../http/read-bounded.ts'

/** How long a witness has time to answer. */
const ANSWER_WAIT_MS = 10_000
const TREE_SIZE = /^(0|[1-9]\d{0,15})\n$/
const CONFLICT = 409
const UNPROCESSABLE = 422

/** A signed checkpoint that a witness is asked to sign under. */
export interface CosignRequest {
  readonly logId: string
  readonly note: string
  readonly size: number
  /** How large the log is by now. */
  readonly currentSize: () => number
  /** That it goes on from an earlier size, checked; undefined when that cannot be made. */
  readonly prove: (oldSize: number) => Promise<readonly Uint8Array[] | undefined>
  /** Nobody waits any longer. */
  readonly signal: AbortSignal
}

/**
 * Why there is no signature. `away`: no answer. `refused`: another answer than a signature by its key. `unproved`: our own statements do not yield the proof. `ahead`: the witness
 * says that it has seen more than there is. `forked`: it says that it has seen another checkpoint of the size of ours. `disputed`: it says that a proof which was checked here does not go on from what it has seen. `key-invalid`: the configuration does not have its key, and it is not asked. `superseded`: a newer checkpoint came while this one waited. `stopped`: see `signal`.
 */
export type WitnessFault =
  | 'away'
  | 'refused'
  | 'unproved'
  | 'ahead'
  | 'forked'
  | 'disputed'
  | 'key-invalid'
  | 'superseded'
  | 'stopped'

export type CosignResult = Result<string, WitnessFault>

/** Asks one witness to sign under checkpoints, of one log at a time. C2SP `tlog-witness` */
export class WitnessClient {
  readonly name: string
  readonly #url: string
  readonly #key: WitnessKey
  /** What the witness has, as far as is known: it says so when it is something else. */
  #known = { logId: '', size: 0 }
  #isBusy = false
  #waiting: { readonly request: CosignRequest; readonly settle: (result: CosignResult) => void } | undefined

  /** @param url under which `add-checkpoint` is */
  constructor(url: string, key: WitnessKey) {
    this.name = key.name
    this.#url = `${url.replace(/\/$/, '')}/add-checkpoint`
    this.#key = key
  }

  /** The signature line of the witness, checked. One request at a time; of those that come meanwhile only the newest waits. Never rejects. */
  cosign(request: CosignRequest): Promise<CosignResult> {
    if (!this.#isBusy) return this.#run(request)
    this.#waiting?.settle(rejected('superseded'))
    return new Promise((settle) => {
      this.#waiting = { request, settle }
    })
  }

  async #run(request: CosignRequest): Promise<CosignResult> {
    this.#isBusy = true
    const result = await this.#cosign(request).catch((error: unknown) =>
      request.signal.aborted ? rejected('stopped' as const) : rejected('away' as const, causeOf(error)),
    )
    this.#isBusy = false
    const next = this.#waiting
    this.#waiting = undefined
    if (next !== undefined) void this.#run(next.request).then(next.settle)
    return result
  }

  async #cosign(request: CosignRequest): Promise<CosignResult> {
    const { logId } = request
    if (this.#known.logId !== logId) this.#known = { logId, size: 0 }
    const first = await this.#ask(request, Math.min(this.#known.size, request.size))
    if (typeof first !== 'number') return first
    if (first > request.currentSize()) return rejected('ahead')
    // It has signed under what came after this one.
    if (first > request.size) return rejected('superseded')
    this.#known = { logId, size: first }
    const second = await this.#ask(request, first)
    return typeof second === 'number' ? rejected('refused') : second
  }

  /** The outcome, or the size that the witness has. */
  async #ask(request: CosignRequest, oldSize: number): Promise<CosignResult | number> {
    const { note, signal } = request
    const proof = await unlessStopped(request.prove(oldSize), signal)
    if (proof === undefined) return rejected('unproved')
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body: writeAddCheckpoint({ oldSize, proof, note }),
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WAIT_MS)]),
    })
    const bytes = await readBounded(response, NOTE_LENGTH_MAX)
    const text = Buffer.from(bytes ?? []).toString('utf8')
    if (response.ok) return this.#checked(request, text)
    const treeSize = treeSizeOf(response, text)
    if (treeSize !== undefined && treeSize !== oldSize) return treeSize
    // Nothing goes on from nothing: there it cannot have seen anything else.
    if (oldSize > 0 && treeSize !== undefined) return rejected('forked')
    // Ours checks: either the witness began from another history, or it is at fault. Its word alone does not say which.
    if (oldSize > 0 && response.status === UNPROCESSABLE) return rejected('disputed')
    return rejected('refused', `HTTP ${response.status}`)
  }

  async #checked({ logId, note, size }: CosignRequest, answer: string): Promise<CosignResult> {
    const parsed = parseNote(note)
    const line = parsed.ok ? await findCosignature(parsed.value.text, answer, this.#key) : undefined
    if (line === undefined) return rejected('refused', 'no signature by its key')
    this.#known = { logId, size }
    return accepted(line)
  }
}

/** The size that a witness says it has, in its answer 409. */
export function treeSizeOf(
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  body: string,
): number | undefined {
  const [type = ''] = (headers.get('content-type') ?? '').split(';')
  if (status !== CONFLICT || type.trim().toLowerCase() !== TREE_SIZE_TYPE) return undefined
  const [, size] = TREE_SIZE.exec(body) ?? []
  return size === undefined ? undefined : Number(size)
}

/** Proving may have to read all of a log: nobody waits for that at the end. Rejects when the signal says so. */
async function unlessStopped<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted()
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(new Error('stopped'))
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([work, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Such as ECONNREFUSED or TimeoutError. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name
}
