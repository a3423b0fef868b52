import { accepted, rejected, type Result } from '../result.ts'
import type { IncidentNotes } from './incident-notes.ts'

/** Who may listen to one recording at once. */
export const LISTENERS_PER_RECORDING_MAX = 4
/** The flags of an Ogg page, and the one of the first page of a link. RFC 3533 6 */
const FLAGS_AT = 5
const FLAG_BEGIN = 0x02

/** Somebody who listens to a recording while it is made. */
export interface LiveListener {
  readonly listenerId: number
  /** From where: an address of a machine. It is in the manifest. */
  readonly from: string
  /** Takes whole Ogg pages, in clear; the bytes are the taker's alone. Must not throw. */
  readonly write: (pages: Uint8Array) => void
}

/**
 * `tooMany`: {@link LISTENERS_PER_RECORDING_MAX} listen already. `notNotable`: the list of incidents is nearly full, and what cannot be noted must
 * not be heard. `over`: the recording has ended.
 */
export type ListenRefusal = 'tooMany' | 'notNotable' | 'over'

/**
 * Who listens to one recording while it is made. They are given the pages that are sealed, byte for byte, one after the other, after the headers of the present link;
 * without a listener nothing is copied. Beginning and end are incidents of the manifest: who heard what, and when, is part of the evidence.
 */
export class LiveListeners {
  readonly #notes: Pick<IncidentNotes, 'note' | 'room'>
  readonly #listeners = new Map<number, LiveListener>()
  /** Of the link that is being written; they hold labels and no audio. */
  #headers: Uint8Array | undefined
  #isOver = false

  constructor(notes: Pick<IncidentNotes, 'note' | 'room'>) {
    this.#notes = notes
  }

  /** Whole pages on their way to be sealed, which wipes them; a link begins with a call of its own. */
  take(pages: Uint8Array): void {
    if (((pages[FLAGS_AT] ?? 0) & FLAG_BEGIN) !== 0) this.#headers = Uint8Array.from(pages)
    for (const { write } of this.#listeners.values()) write(Uint8Array.from(pages))
  }

  /** Notes that somebody listens from now on, then writes the headers of the present link, if there is one yet. */
  add(listener: LiveListener, nowUs: number): Result<undefined, ListenRefusal> {
    if (this.#isOver) return rejected('over')
    if (this.#listeners.size >= LISTENERS_PER_RECORDING_MAX) return rejected('tooMany')
    // Room for both notes of this one, and for the end of all others.
    if (this.#notes.room < this.#listeners.size + 2) return rejected('notNotable')
    this.#notes.note(
      { code: 'listened', detail: `Somebody began to listen to the recording from ${listener.from}.` },
      nowUs,
    )
    this.#listeners.set(listener.listenerId, listener)
    if (this.#headers !== undefined) listener.write(Uint8Array.from(this.#headers))
    return accepted(undefined)
  }

  remove(listenerId: number, nowUs: number): void {
    const listener = this.#listeners.get(listenerId)
    if (listener === undefined) return
    this.#listeners.delete(listenerId)
    this.#notes.note({ code: 'listened-end', detail: `Who listened from ${listener.from} no longer did.` }, nowUs)
  }

  /** The recording is over, and so is all listening. */
  end(nowUs: number): void {
    this.#isOver = true
    for (const listenerId of [...this.#listeners.keys()]) this.remove(listenerId, nowUs)
  }
}
