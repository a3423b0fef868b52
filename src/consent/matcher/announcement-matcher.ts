import { BlockSearch, type Sighting } from './block-search.ts'
import { type Contender, contenderOf, decide, endOf, isSamePlace } from './contenders.ts'
import type { Finding } from './finding.ts'
import { type ChannelRing, FineAligner, SPEED_MAX } from './fine-alignment.ts'
import { BANDS, Fingerprinter, HOP_SAMPLES, MATCHER_RATE } from './fingerprinter.ts'
import { type Prompt, WORD_SAMPLES } from './prompt.ts'

/** Prompts one matcher listens for. */
export const PROMPTS_MAX = 64
/** Findings that are kept until they are taken. */
export const FINDINGS_MAX = 16
/** Places of one prompt that are followed at a time; a better one takes the place of the worst. */
const SIGHTINGS_MAX = 4
/** Sightings whose beginnings are no further apart than this part of the prompt, and a window, are of one place. */
const SAME_START_PART = 0.02
const SAME_START_SAMPLES = 1_280

export interface AnnouncementMatcherOptions {
  /** No more than {@link PROMPTS_MAX}; further ones are not listened for. */
  readonly prompts: readonly Prompt[]
  /** A prompt has to begin before so much of the channel has passed. */
  readonly windowMs: number
}

/** `over`: the window has ended, or {@link AnnouncementMatcher.finish} was called. */
export type MatcherState = 'listening' | 'over'

/**
 * Finds announcements in one channel while it is recorded: whether one was played, which one, where, and how much of it was heard.
 *
 * Audio is of {@link MATCHER_RATE} and comes in stretches of any length, without holes: what is missing has to be filled (silence will do), or {@link restart} called. The
 * result does not depend on the lengths of the stretches. Listens until the window has ended and prompts that
 * began in it have passed, for others may follow on one that was heard; from then on audio costs nothing. A finding comes when the end of its prompt has passed, or would
 * have. Memory: see the README of the folder.
 */
export class AnnouncementMatcher {
  #fingerprinter = new Fingerprinter()
  readonly #ring: ChannelRing
  readonly #searches: readonly BlockSearch[]
  readonly #aligner: FineAligner | undefined
  readonly #windowSamples: number
  /** Samples before the first word of this run; see {@link restart}. */
  #origin = 0
  /** Words of this run. */
  #hops = 0
  #followed: { readonly prompt: Prompt; readonly sighting: Sighting }[] = []
  #contenders: Contender[] = []
  /** The last place where one was heard in full, in samples of this run: what looks like one there is that one. */
  #heard: readonly [number, number] | undefined
  #findings: Finding[] = []
  #omitted = 0
  #state: MatcherState = 'listening'

  constructor(options: AnnouncementMatcherOptions) {
    const prompts = options.prompts.slice(0, PROMPTS_MAX)
    const longest = prompts.reduce((most, { lengthSamples }) => Math.max(most, lengthSamples), 0)
    const length = 2 ** Math.ceil(Math.log2((longest * (1 + 2 * SPEED_MAX)) / HOP_SAMPLES + 64))
    this.#ring = { words: new Int32Array(length), levels: new Uint8Array(length * BANDS), mask: length - 1 }
    this.#searches = prompts.map((prompt) => new BlockSearch(prompt))
    const [first] = prompts
    this.#aligner = first === undefined ? undefined : new FineAligner(this.#ring, first)
    this.#windowSamples = (options.windowMs * MATCHER_RATE) / 1_000
    if (this.#aligner === undefined) this.#state = 'over'
  }

  get state(): MatcherState {
    return this.#state
  }

  /** Whether something that may be a prompt is sounding now: its finding is to come. */
  get isHearing(): boolean {
    return this.#followed.length > 0 || this.#contenders.length > 0
  }

  /** Findings beyond {@link FINDINGS_MAX}. */
  get omittedFindings(): number {
    return this.#omitted
  }

  /** Findings since this was last asked, in the order of time. */
  takeFindings(): readonly Finding[] {
    const taken = this.#findings
    if (taken.length > 0) this.#findings = []
    return taken
  }

  /** Takes the next stretch of audio: 16-bit samples. It is copied. */
  push(samples: Int16Array): void {
    const fingerprinter = this.#fingerprinter
    for (let at = 0; at < samples.length && this.#state === 'listening';) {
      at += fingerprinter.take(samples, at)
      if (fingerprinter.hasWord) this.#look(fingerprinter)
    }
  }

  /** What comes next does not follow what came: prompts that were sounding end here. @param at of the next sample */
  restart(at: number): void {
    if (this.#state !== 'listening') return
    this.#settle(Number.POSITIVE_INFINITY)
    this.#fingerprinter = new Fingerprinter()
    for (const search of this.#searches) search.restart()
    this.#hops = 0
    this.#heard = undefined
    this.#origin = at
  }

  /** The channel has ended. Prompts that were sounding are found as far as they were heard. */
  finish(): void {
    if (this.#state === 'listening') this.#settle(Number.POSITIVE_INFINITY)
    this.#state = 'over'
  }

  #look(fingerprinter: Fingerprinter): void {
    const hop = this.#hops++
    const at = hop & this.#ring.mask
    this.#ring.words[at] = fingerprinter.word
    fingerprinter.writeLevels(this.#ring.levels, at * BANDS)
    const now = this.#origin + hop * HOP_SAMPLES
    for (const search of this.#searches) {
      const sighting = search.look(this.#ring, hop)
      if (sighting !== undefined) this.#follow(search.prompt, sighting)
    }
    if (this.isHearing) this.#settle(hop * HOP_SAMPLES)
    if (now >= this.#windowSamples && !this.isHearing) this.#state = 'over'
  }

  #follow(prompt: Prompt, seen: Sighting): void {
    const start = seen.channelSample - seen.promptSample
    if (this.#origin + start > this.#windowSamples) return
    if (this.#heard !== undefined && isSamePlace(this.#heard, [start, start + prompt.lengthSamples])) return
    const near = SAME_START_SAMPLES + SAME_START_PART * prompt.lengthSamples
    const own = this.#followed.filter((followed) => followed.prompt === prompt)
    const known = own.find(({ sighting }) => Math.abs(sighting.channelSample - sighting.promptSample - start) <= near)
    if (known !== undefined) {
      if (seen.score > known.sighting.score) Object.assign(known.sighting, seen)
      return
    }
    if (own.length === SIGHTINGS_MAX) {
      const [worst] = own.toSorted((a, b) => a.sighting.score - b.sighting.score)
      if (worst === undefined || worst.sighting.score >= seen.score) return
      this.#followed = this.#followed.filter((followed) => followed !== worst)
    }
    this.#followed.push({ prompt, sighting: { ...seen } })
  }

  /** Compares prompts whose end has passed by now, and decides between those that nothing unfinished could still compete with. */
  #settle(now: number): void {
    const due = this.#followed.filter((followed) => this.#expectedEnd(followed) <= now)
    if (due.length === 0 && this.#contenders.length === 0) return
    this.#followed = this.#followed.filter((followed) => !due.includes(followed))
    for (const followed of due) this.#align(followed)
    this.#contenders.sort((a, b) => a.alignment.start - b.alignment.start)
    for (const first of this.#contenders.slice()) {
      if (!this.#contenders.includes(first)) continue
      const place = placeOf(first)
      const isOpen = this.#followed.some((followed) => isSamePlace(place, this.#placeOf(followed)))
      if (isOpen) continue
      const group = this.#contenders.filter((other) => isSamePlace(place, placeOf(other)))
      this.#contenders = this.#contenders.filter((other) => !group.includes(other))
      this.#tell(decide(onePerPrompt(group)))
    }
  }

  #align({ prompt, sighting }: { readonly prompt: Prompt; readonly sighting: Sighting }): void {
    const from = Math.max(0, this.#hops - this.#ring.words.length)
    const alignment = this.#aligner?.align(prompt, sighting, { from, to: this.#hops })
    if (alignment === undefined) return
    const contender = contenderOf(alignment)
    if (contender !== undefined) this.#contenders.push(contender)
  }

  #tell(finding: Finding | undefined): void {
    if (finding === undefined) return
    if (this.#findings.length === FINDINGS_MAX) this.#omitted += 1
    else {
      const shift = Math.round(this.#origin)
      this.#findings.push({
        ...finding,
        startSample: finding.startSample + shift,
        endSample: finding.endSample + shift,
      })
    }
    if (finding.verdict === 'heardInFull') {
      const place: readonly [number, number] = [finding.startSample, finding.endSample]
      this.#heard = place
      this.#followed = this.#followed.filter((followed) => !isSamePlace(place, this.#placeOf(followed)))
      this.#contenders = this.#contenders.filter((contender) => !isSamePlace(place, placeOf(contender)))
    }
  }

  #placeOf({ prompt, sighting }: { readonly prompt: Prompt; readonly sighting: Sighting }): [number, number] {
    const start = sighting.channelSample - sighting.promptSample
    return [start, start + prompt.lengthSamples]
  }

  /** When the last word of a prompt has come, also of one that is played slowly. */
  #expectedEnd({ prompt, sighting }: { readonly prompt: Prompt; readonly sighting: Sighting }): number {
    const rest = Math.max(0, prompt.lengthSamples - sighting.promptSample)
    return sighting.channelSample + rest * (1 + SPEED_MAX) - WORD_SAMPLES + 2 * HOP_SAMPLES
  }
}

function placeOf({ alignment }: Contender): [number, number] {
  return [alignment.start, endOf(alignment)]
}

/** Two sightings of one prompt at one place are the better one of them. */
function onePerPrompt(group: readonly Contender[]): readonly Contender[] {
  const sorted = group.toSorted((a, b) => b.parts.evidence - a.parts.evidence)
  return sorted.filter(
    ({ alignment: { prompt } }, index) => sorted.findIndex((other) => other.alignment.prompt === prompt) === index,
  )
}
