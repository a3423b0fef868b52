import { EarwitnessError } from '../../errors.ts'
import { TREE_SIZE_TYPE, writeAddCheckpoint } from '../../evidence/ledger/add-checkpoint.ts'
import { checkCosignatures, type WitnessKey } from '../../evidence/ledger/cosignature.ts'
import { NOTE_LENGTH_MAX, parseNote } from '../../evidence/ledger/signed-note.ts'
import { readBounded } from '../http/read-bounded.ts'

/** How long a witness has time to answer. */
const ANSWER_WAIT_MS = 10_000
const TREE_SIZE = /^(0|[1-9]\d{0,15})\n$/
const CONFLICT = 409

/** A signed checkpoint, and the proof that it goes on from an earlier size; undefined when that cannot be made. */
export interface CosignRequest {
  readonly note: string
  readonly size: number
  readonly prove: (oldSize: number) => Promise<readonly Uint8Array[] | undefined>
}

/** Asks one witness to sign under checkpoints of one log. C2SP `tlog-witness` */
export class WitnessClient {
  readonly #url: string
  readonly #key: WitnessKey
  /** What the witness has, as far as is known: it says so when it is something else. */
  #oldSize = 0
  #turn: Promise<unknown> = Promise.resolve()

  /** @param url under which `add-checkpoint` is */
  constructor(url: string, key: WitnessKey) {
    this.#url = `${url.replace(/\/$/, '')}/add-checkpoint`
    this.#key = key
  }

  /**
   * The signature line of the witness, checked. One request at a time.
   *
   * @throws EarwitnessError `witness-refused`; `witness-ahead`: it has seen more of this log than there is; or what the network throws
   */
  cosign(request: CosignRequest): Promise<string> {
    const asked = this.#turn.then(() => this.#cosign(request))
    this.#turn = asked.catch(() => {})
    return asked
  }

  async #cosign(request: CosignRequest): Promise<string> {
    const first = await this.#ask(request)
    if (typeof first === 'string') return this.#checked(request, first)
    if (first > request.size) throw ahead(this.#key.name)
    this.#oldSize = first
    const second = await this.#ask(request)
    if (typeof second === 'string') return this.#checked(request, second)
    throw refused(this.#key.name)
  }

  /** Signature lines, or the size that the witness has. */
  async #ask({ note, size, prove }: CosignRequest): Promise<string | number> {
    const oldSize = Math.min(this.#oldSize, size)
    const proof = await prove(oldSize)
    if (proof === undefined) throw refused(this.#key.name)
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body: writeAddCheckpoint({ oldSize, proof, note }),
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WAIT_MS),
    })
    const bytes = await readBounded(response, NOTE_LENGTH_MAX)
    const text = Buffer.from(bytes ?? []).toString('utf8')
    if (response.ok && bytes !== undefined) return text
    const [, treeSize] = TREE_SIZE.exec(text) ?? []
    const isSize = response.status === CONFLICT && response.headers.get('content-type') === TREE_SIZE_TYPE
    if (!isSize || treeSize === undefined) throw refused(this.#key.name)
    return Number(treeSize)
  }

  async #checked({ note, size }: CosignRequest, lines: string): Promise<string> {
    const parsed = parseNote(note)
    const read = parsed.ok ? await checkCosignatures(parsed.value.text, lines, [this.#key]) : undefined
    if (read?.ok !== true || read.value.length === 0) throw refused(this.#key.name)
    this.#oldSize = size
    return lines
  }
}

function refused(name: string): EarwitnessError {
  return new EarwitnessError(
    'witness-refused',
    `Witness ${name} did not sign under the checkpoint of the ledger.`,
    'Check ledger.witnesses: its url must answer POST …/add-checkpoint (C2SP tlog-witness), its key must be the one the witness prints, and it must trust the signer of this recorder.',
  )
}

function ahead(name: string): EarwitnessError {
  return new EarwitnessError(
    'witness-ahead',
    `Witness ${name} has signed under more of this ledger than there is: statements were taken away.`,
    'Was this data folder restored from an older copy? Keep it, run `earwitness ledger verify` with the checkpoint that the witness keeps, and find out who changed it.',
  )
}
