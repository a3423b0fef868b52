import type { DtmfEntry } from '../evidence/manifest.ts'
import { dtmfName } from '../evidence/object-names.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import type { KeyPress } from './dtmf-watch.ts'
import { heldMember, sealFor } from './held-span.ts'
import type { Sealing } from './live-monitor.ts'
import { positionsPerSample } from './receiver-set.ts'
import type { StreamReceiver } from './stream-receiver.ts'

/** Key presses kept of one recording: more than anybody presses, and a bound for whoever makes them up. */
export const KEY_PRESSES_MAX = 10_000

const DROPPED = { code: 'dtmf-too-many', detail: 'More keys were pressed than are kept.' } as const

/** What the keeper asks of a media stream. */
type PressedStream = Pick<StreamReceiver, 'plan' | 'dtmf' | 'timeline'>

/** Seals the keys pressed in one recording, with their places, as objects of their own. Only under the policy `store`. FORMAT.md 4.1 */
export class DtmfKeeper {
  readonly entries: DtmfEntry[] = []
  readonly #sealing: Sealing
  #kept = 0
  #dropped = 0

  constructor(sealing: Sealing) {
    this.#sealing = sealing
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
    const ordered = lines.toSorted((left, right) => left.fromSample - right.fromSample)
    const free = ordered.findIndex(({ fromSample }) => this.#sealing.held?.holds(fromSample) !== true)
    const heldLines = free < 0 ? ordered : ordered.slice(0, free)
    for (const part of [heldLines, ordered.slice(heldLines.length)]) this.#sealLines(part)
  }

  #sealLines(ordered: readonly DtmfLine[]): void {
    const [first] = ordered
    if (first === undefined) return
    const clear = new TextEncoder().encode(ordered.map((press) => `${JSON.stringify(press)}\n`).join(''))
    const bytes = sealFor(this.#sealing, first.fromSample, clear)
    clear.fill(0)
    const dtmfSeq = this.entries.length
    const sealed = { name: dtmfName(dtmfSeq), sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    const entry: DtmfEntry = { dtmfSeq, ...sealed, ...heldMember(this.#sealing, first.fromSample) }
    this.entries.push(entry)
    this.#sealing.sink.handleSealed({ kind: 'dtmf', name: entry.name, bytes, dtmf: entry })
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
