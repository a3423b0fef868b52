import type { DtmfDigit } from '../protocol/rtp/telephone-event.ts'
import { DtmfScreen } from './dtmf-screen.ts'
import { GROUP_SIZE, keyOf } from './dtmf-tables.ts'
import { DtmfWindows, WINDOWS_REMEMBERED } from './dtmf-windows.ts'

/** Tones below this sound no longer like a key. ITU-T Q.24 asks for no less than 23 ms to be rejected, and 40 ms to be heard. */
export const TONE_MS_MIN = 31
/** A break up to this long is part of the tone (a lost packet, a click); 40 ms have to be a pause. ITU-T Q.24 */
export const BREAK_MS_MAX = 29

/** A key is certain this long after its beginning, at the latest. */
export const CERTAIN_MS_MAX = 100

/** Of the windows within a tone, the least that have to show the key; in speech one may by chance. */
const KEY_WINDOWS_SHARE_MIN = 0.75
/** Power of a tone relative to its strongest: where it is at its level; of its windows, the least that have to be. */
const FLAT_POWER_MIN = 0.72
const FLAT_SHARE_MIN = 0.75
/** Windows at its edges, which hold something else besides. */
const EDGE_WINDOWS = 3
/** Windows in a row that have to show the same key. */
const WINDOWS_MIN = 2
/** How far back the close look begins when the screen raises an eyebrow, and how long it goes on without finding anything. */
const HOPS_BACK = 14
const HOPS_CLOSE = 10
/** Of the power of a tone: at an edge in its middle a window has half of the amplitude. */
const EDGE_POWER = 0.25
/** A hole in the audio that is bridged with silence; a longer one ends the tone. */
const HOLE_MS_MAX = 60
const WORKING_RATE = 8_000

/** A key heard as a pair of tones. Positions are those given to {@link DtmfDetector.write}, exact to some 3 ms. */
export interface DtmfTone {
  readonly digit: DtmfDigit
  readonly from: number
  /** End, or how far it has been heard by now. */
  readonly to: number
  readonly isOver: boolean
}

/**
 * Finds the keys of a telephone (ITU-T Q.23) in the audio of one stream by the criteria of ITU-T Q.24; the constants here and in
 * `dtmf-windows.ts` say which.
 *
 * Most audio is only screened (`dtmf-screen.ts`): a look at half of it at half the rate. Where both groups have a tone, windows are measured.
 * Sample rates from 8 kHz up; higher ones are brought down to between 8 and 16 kHz by averaging. Holds a quarter of a second of audio.
 *
 * `heard` is called with a key as soon as it is certain (some 50 ms after its beginning), again with each further 5 ms, and once with
 * `isOver`. Keys come in the order of time and never overlap.
 */
export class DtmfDetector {
  readonly #heard: (tone: DtmfTone) => void
  #factor: number
  readonly #screen: DtmfScreen
  readonly #windows: DtmfWindows
  #sampleRate: number
  // The audio at the working rate: a linear buffer that is moved down when it is full.
  readonly #audio: Int16Array
  #length = 0
  /** Position of the first sample of the buffer, in samples as given. */
  #base = 0
  #next: number | undefined
  // Averaging on the way down from a higher rate.
  #sum = 0
  #summed = 0
  /** Where the next window of the close look ends, in the buffer; it is at a multiple of the hop from the buffer's first sample at any time. */
  #windowEnd = 0
  #screenEnd = 0
  #closeHopsLeft = 0
  // The key that the last windows show.
  #candidate = -1
  #candidateWindows = 0
  // The tone that is heard.
  #low = -1
  #high = -1
  #lowLevel = 0
  #highLevel = 0
  #from = 0
  /** Since when it has been sounding without a break. */
  #unbrokenFrom = 0
  #to = Number.NEGATIVE_INFINITY
  #keyWindows = 0
  #isTold = false

  constructor(options: { readonly sampleRate: number; readonly heard: (tone: DtmfTone) => void }) {
    this.#sampleRate = options.sampleRate
    this.#heard = options.heard
    this.#factor = Math.max(1, Math.floor(options.sampleRate / WORKING_RATE))
    const workingRate = options.sampleRate / this.#factor
    this.#windows = new DtmfWindows(workingRate)
    this.#screen = new DtmfScreen(workingRate)
    this.#audio = new Int16Array(2 ** Math.ceil(Math.log2(workingRate / 4)))
    this.#restart(0)
  }

  /**
   * Takes the next stretch of audio, of any length; it is copied.
   *
   * @param at position of its first sample. A little more than expected: a hole, which is taken as silence. Anything else
   * unexpected: the stream begins anew, and a tone that was heard is over.
   */
  write(samples: Int16Array, at: number): void {
    const hole = at - (this.#next ?? at)
    if (this.#next === undefined || hole < 0 || hole > (HOLE_MS_MAX * this.#sampleRate) / 1_000) {
      this.#finish()
      this.#restart(at)
    } else if (hole > 0) {
      this.#append(new Int16Array(hole))
    }
    this.#next = at + samples.length
    this.#append(samples)
    this.#look()
  }

  /** What is written from now on has `times` as many samples a second, and so do its positions: a tone that is heard goes on. A whole number. */
  rescale(times: number): void {
    this.#sampleRate *= times
    this.#factor *= times
    this.#windows.rescale(times)
    this.#base *= times
    if (this.#next !== undefined) this.#next *= times
    this.#sum *= times
    this.#summed *= times
    this.#from *= times
    this.#unbrokenFrom *= times
    this.#to *= times
  }

  /** The stream has ended, or what comes next has nothing to do with what came: a tone that was heard is over. */
  end(): void {
    this.#finish()
    this.#next = undefined
  }

  #restart(at: number): void {
    const window = this.#windows.length
    // Silence before the first sample, so that a tone can begin with it.
    this.#audio.fill(0, 0, window)
    this.#length = window
    this.#base = at - window * this.#factor
    this.#windowEnd = window
    this.#screenEnd = window + this.#screen.block
    this.#sum = 0
    this.#summed = 0
    this.#windows.break()
    this.#closeHopsLeft = 0
    this.#candidateWindows = 0
    this.#to = Number.NEGATIVE_INFINITY
  }

  #append(samples: Int16Array): void {
    if (this.#factor > 1) {
      for (let i = 0; i < samples.length; i++) this.#average(samples[i] ?? 0)
      return
    }
    for (let at = 0; at < samples.length;) {
      if (this.#length === this.#audio.length) this.#moveDown()
      const count = Math.min(samples.length - at, this.#audio.length - this.#length)
      this.#audio.set(at === 0 && count === samples.length ? samples : samples.subarray(at, at + count), this.#length)
      this.#length += count
      at += count
    }
  }

  /** Makes one sample of the working rate of so many of a higher one. */
  #average(sample: number): void {
    this.#sum += sample
    this.#summed += 1
    if (this.#summed < this.#factor) return
    if (this.#length === this.#audio.length) this.#moveDown()
    this.#audio[this.#length++] = Math.round(this.#sum / this.#factor)
    this.#sum = 0
    this.#summed = 0
  }

  /** Makes room: looks at what there is, and keeps as much as a close look may go back to. */
  #moveDown(): void {
    this.#look()
    const { hop } = this.#windows
    const moved = Math.floor(this.#length / 2 / hop) * hop
    this.#audio.copyWithin(0, moved, this.#length)
    this.#length -= moved
    this.#base += moved * this.#factor
    this.#windowEnd = Math.max(this.#windowEnd - moved, 0)
    this.#screenEnd -= moved
  }

  #look(): void {
    const { length, hop } = this.#windows
    const after = (length - this.#screen.block) / 2
    for (;;) {
      if (this.#closeHopsLeft > 0) {
        if (this.#windowEnd > this.#length) return
        this.#closeHopsLeft -= 1
        this.#measure()
        this.#windowEnd += hop
        if (this.#closeHopsLeft === 0) this.#leave()
      } else {
        if (this.#screenEnd + after > this.#length) return
        // One window is measured before many are: most of what sounds in both groups is speech.
        const isSuspect =
          this.#screen.isSuspect(this.#audio, this.#screenEnd) &&
          this.#windows.isLikely(this.#audio, this.#screenEnd + after - length)
        if (isSuspect) this.#lookClosely()
        this.#screenEnd += this.#screen.stride
      }
    }
  }

  /** Goes back to where a tone that the screen has seen can have begun at the earliest. */
  #lookClosely(): void {
    const { length, hop } = this.#windows
    const back = Math.max(length, Math.floor(this.#screenEnd / hop - HOPS_BACK) * hop)
    if (back > this.#windowEnd) {
      this.#windowEnd = back
      this.#windows.break()
      this.#candidateWindows = 0
    }
    this.#closeHopsLeft = Math.ceil((this.#screenEnd - this.#windowEnd) / hop) + HOPS_CLOSE
  }

  /** Nothing was found for long: back to screening, from here on. */
  #leave(): void {
    this.#finish()
    this.#screenEnd = Math.max(this.#screenEnd, this.#windowEnd)
  }

  /** Measures the window that ends at #windowEnd. */
  #measure(): void {
    const { length } = this.#windows
    const start = this.#windowEnd - length
    this.#windows.measure(this.#audio, start, this.#base + (start + length / 2) * this.#factor)
    const { low, high, isKey } = this.#windows
    const key = isKey ? low * GROUP_SIZE + high : -1
    this.#candidateWindows = isKey && key === this.#candidate ? this.#candidateWindows + 1 : Number(isKey)
    this.#candidate = key
    if (isKey) this.#closeHopsLeft = HOPS_CLOSE
    const isHeard = this.#low >= 0
    const isOther = low !== this.#low || high !== this.#high
    if (this.#candidateWindows >= WINDOWS_MIN && (!isHeard || isOther)) {
      this.#finish()
      this.#begin(low, high)
    } else if (isHeard) {
      if (isKey) this.#keyWindows += 1
      this.#goOn()
    }
  }

  /** A key is certain enough to ask where it began. */
  #begin(low: number, high: number): void {
    const { newest, inRow } = this.#windows
    this.#low = low
    this.#high = high
    this.#lowLevel = this.#windows.powerOf(newest, low)
    this.#highLevel = this.#windows.powerOf(newest, high)
    const oldest = newest - inRow + 1
    const first = this.#firstOf(newest, oldest)
    this.#unbrokenFrom = Math.max(this.#edgeAt(first, oldest), this.#to)
    // What sounded before a short break is the beginning of it.
    let before = first - 1
    const hops = Math.floor((BREAK_MS_MAX * this.#sampleRate) / 1_000 / (this.#windows.hop * this.#factor))
    while (before > Math.max(oldest, first - 1 - hops) && this.#weakerAt(before) < EDGE_POWER) before -= 1
    const isBroken = before >= oldest && this.#weakerAt(before) >= EDGE_POWER
    const from = isBroken ? this.#edgeAt(this.#firstOf(before, oldest), oldest) : this.#unbrokenFrom
    this.#from = Math.max(from, this.#to)
    this.#to = this.#windows.middleOf(newest)
    this.#isTold = false
    this.#keyWindows = this.#candidateWindows
    this.#tell(false)
  }

  /** The first of the windows up to this one in which the tones sound. */
  #firstOf(last: number, oldest: number): number {
    let first = last
    while (first > oldest && this.#weakerAt(first - 1) >= EDGE_POWER) first -= 1
    return first
  }

  /** Where a tone begins whose first window this is. */
  #edgeAt(first: number, oldest: number): number {
    return first === oldest ? this.#windows.middleOf(first) : this.#crossing(first - 1, first)
  }

  #goOn(): void {
    const { newest } = this.#windows
    this.#lowLevel = Math.max(this.#lowLevel, this.#windows.powerOf(newest, this.#low))
    this.#highLevel = Math.max(this.#highLevel, this.#windows.powerOf(newest, this.#high))
    const now = this.#windows.middleOf(newest)
    if (this.#weakerAt(newest) >= EDGE_POWER) {
      if (this.#weakerAt(newest - 1) < EDGE_POWER) {
        this.#unbrokenFrom = this.#crossing(newest - 1, newest)
        this.#keyWindows = 0
      }
      this.#to = now
      this.#closeHopsLeft = HOPS_CLOSE
      this.#tell(false)
    } else {
      if (this.#weakerAt(newest - 1) >= EDGE_POWER) this.#to = this.#crossing(newest - 1, newest)
      if (now - this.#to > (BREAK_MS_MAX * this.#sampleRate) / 1_000) this.#finish()
    }
  }

  /** Power of each of the two tones in a window, relative to the tone at its strongest. */
  #lowAt(window: number): number {
    return this.#windows.powerOf(window, this.#low) / this.#lowLevel
  }

  #highAt(window: number): number {
    return this.#windows.powerOf(window, this.#high) / this.#highLevel
  }

  #weakerAt(window: number): number {
    return Math.min(this.#lowAt(window), this.#highAt(window))
  }

  /** Where the amplitude passes one half, between two windows. */
  #crossing(windowBefore: number, windowAfter: number): number {
    const before = Math.sqrt(this.#weakerAt(windowBefore))
    const after = Math.sqrt(this.#weakerAt(windowAfter))
    const from = this.#windows.middleOf(windowBefore)
    const part = after === before ? 0.5 : (0.5 - before) / (after - before)
    return Math.round(from + Math.min(1, Math.max(0, part)) * (this.#windows.middleOf(windowAfter) - from))
  }

  #tell(isOver: boolean): void {
    if (!this.#isTold && !this.#isCertain()) return
    this.#isTold = true
    this.#heard({ digit: keyOf(this.#low, this.#high - GROUP_SIZE), from: this.#from, to: this.#to, isOver })
  }

  #isCertain(): boolean {
    const lasted = this.#to - this.#unbrokenFrom
    if (lasted < (TONE_MS_MIN * this.#sampleRate) / 1_000) return false
    // Windows whose middle is 10 ms and more inside of the tone.
    const inside = lasted / (this.#windows.hop * this.#factor) - 4
    return this.#keyWindows >= KEY_WINDOWS_SHARE_MIN * inside && this.#isFlat(Math.round(inside) + 4)
  }

  /** A key is as loud at its edges as in its middle; a syllable swells. Both tones together: noise says less about them than about one. */
  #isFlat(windows: number): boolean {
    const count = Math.min(windows, WINDOWS_REMEMBERED)
    let flat = 0
    for (let back = 0; back < count; back++) {
      const window = this.#windows.newest - back
      if (this.#lowAt(window) + this.#highAt(window) >= 2 * FLAT_POWER_MIN) flat += 1
    }
    return flat >= Math.max(count - EDGE_WINDOWS, FLAT_SHARE_MIN * count)
  }

  #finish(): void {
    if (this.#low < 0) return
    this.#tell(true)
    this.#low = -1
    this.#high = -1
  }
}
