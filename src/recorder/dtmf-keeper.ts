import { sealToRecipients, type RandomBytes } from '../evidence/age-seal.ts'
import type { DtmfEntry } from '../evidence/manifest.ts'
import { dtmfName } from '../evidence/object-names.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import type { KeyPress } from './dtmf-watch.ts'
import { positionsPerSample } from './receiver-set.ts'
import type { StreamReceiver } from './stream-receiver.ts'
import type { RecordingSink } from './recording-types.ts'

/** Key presses kept of one recording: more than anybody presses, and a bound for whoever makes them up. */
export const KEY_PRESSES_MAX = 10_000

const DROPPED = { code: 'dtmf-too-many', detail: 'More keys were pressed than are kept.' } as const

/** What the keeper asks of a media stream. */
type PressedStream = Pick<StreamReceiver, 'plan' | 'dtmf' | 'timeline'>

/** Seals the keys pressed in one recording, with their places, as objects of their own. Only under the policy `store`. FORMAT.md 4.1 */
export class DtmfKeeper {
  readonly entries: DtmfEntry[] = []
  readonly #recipient: string
  readonly #randomBytes: RandomBytes
  readonly #sink: RecordingSink
  #kept = 0
  #dropped = 0

  constructor(options: {
    readonly recipient: string
    readonly randomBytes: RandomBytes
    readonly sink: RecordingSink
  }) {
    this.#recipient = options.recipient
    this.#randomBytes = options.randomBytes
    this.#sink = options.sink
  }

  /** Seals what was pressed since the last time, in order; nothing when there was nothing. */
  seal(streams: readonly PressedStream[]): void {
    this.#seal(streams, false)
  }

  /** Nothing more will be read: seals the rest. The incident to note, when there was more than is kept. */
  end(streams: readonly PressedStream[]): typeof DROPPED | undefined {
    this.#seal(streams, true)
    return this.#dropped > 0 ? DROPPED : undefined
  }

  #seal(streams: readonly PressedStream[], isLast: boolean): void {
    const lines = streams.flatMap((stream) => this.#linesOf(stream, stream.dtmf.takePresses(isLast)))
    if (lines.length === 0) return
    const ordered = lines.toSorted((left, right) => left.fromSample - right.fromSample)
    const clear = new TextEncoder().encode(ordered.map((press) => `${JSON.stringify(press)}\n`).join(''))
    const bytes = sealToRecipients(clear, [this.#recipient], this.#randomBytes)
    clear.fill(0)
    const dtmfSeq = this.entries.length
    const entry: DtmfEntry = { dtmfSeq, name: dtmfName(dtmfSeq), sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    this.entries.push(entry)
    this.#sink.handleSealed({ kind: 'dtmf', name: entry.name, bytes, dtmf: entry })
  }

  #linesOf(stream: PressedStream, presses: readonly KeyPress[]): DtmfLine[] {
    const { streamId } = stream.plan
    const factor = positionsPerSample(stream)
    const kept = presses.slice(0, Math.max(0, KEY_PRESSES_MAX - this.#kept))
    this.#kept += kept.length
    this.#dropped += presses.length - kept.length
    return kept.map(({ digit, via, fromSample, toSample }) => ({
      ...{ digit, via, streamId },
      fromSample: Math.round(fromSample * factor),
      toSample: Math.round(toSample * factor),
    }))
  }
}

/** A line of the object. FORMAT.md 4.1 */
interface DtmfLine {
  readonly digit: string
  readonly via: KeyPress['via']
  readonly streamId: string
  readonly fromSample: number
  readonly toSample: number
}
