import { spokenAnswer, type SpokenWords } from '../consent/spoken-answer.ts'
import type { Incident } from './incident-notes.ts'
import { POSITIONS_PER_SECOND } from './receiver-set.ts'

/** Samples a second, mono, of what is listened to for consent. */
export const HEARING_RATE = 8_000

/** What is listened for in what is said behind an announcement that asks. */
export interface SpokenListening {
  readonly words: SpokenWords
  /** So long behind the end of the announcement. */
  readonly listenMs: number
}

/** Makes words of speech; lent by the shell. */
export interface Transcriber {
  /**
   * @param samples of {@link HEARING_RATE}; they are the transcriber's from then on
   * @param done called at most once, later: the words, or undefined when it failed
   * @returns takes it back: `done` is not called any more, and nobody hears the samples
   */
  transcribe(samples: Int16Array, done: (words: string | undefined) => void): () => void
}

/** An announcement is mostly found so soon after its end; what was said meanwhile is kept. */
const REMEMBERED_SECONDS = 4
/** Announcements that are listened behind, of one media stream: whoever plays them again and again must not keep transcribers busy. */
export const QUESTIONS_MAX = 4
const POSITIONS_PER_SAMPLE = POSITIONS_PER_SECOND / HEARING_RATE
/** A tenth of a second that is louder, as root mean square of 16-bit samples (some -46 dBFS), may be speech. */
const QUIET_RMS = 160
const BLOCK = HEARING_RATE / 10
/** An answer ends where nobody speaks for so many blocks: what is said behind it is the conversation. */
const PAUSE_BLOCKS = 8
/** So much later it is known whether an announcement is sounding. */
const SETTLE_SAMPLES = HEARING_RATE

const TRANSCRIBED: Incident = {
  code: 'transcribed',
  detail: 'What was said behind an announcement was given in clear to the program of consent.transcriber.',
}
const FAILED: Incident = {
  code: 'transcriber-failed',
  detail: 'What was said behind an announcement could not be transcribed; a spoken answer may be missing.',
}
const UNHEARD: Incident = {
  code: 'spoken-answer-unheard',
  detail: 'It is not known what was said behind an announcement; a spoken answer may be missing.',
}

/** What is said behind an announcement. */
interface Answer {
  readonly samples: Int16Array
  /** Number of its first sample in the stream. */
  readonly from: number
  filled: number
  /** Where somebody began to speak, in `samples`. */
  spokenFrom: number | undefined
  quietBlocks: number
  isWhole: boolean
}

interface Stream {
  /** The newest samples, in a circle. */
  readonly remembered: Int16Array
  /** Position on the recording's timeline of the first sample. */
  readonly startPosition: number
  /** Samples so far. */
  heard: number
  answer: Answer | undefined
  questions: number
  /** What is being transcribed. */
  readonly waiting: Set<Order>
  /** The party answered here in another way; `-Infinity`: nowhere. */
  answeredAt: number
}

/** Positions on the recording's timeline, from one to another. */
type Span = readonly [number, number]

/** To a transcriber. */
interface Order {
  readonly span: Span
  takeBack: () => void
}

/**
 * Answers that parties speak behind an announcement which asks for one, in the media streams of one recording. What is said first in each stream, from its end on to a pause and for some
 * seconds at most, goes to a transcriber, unless it is another announcement; words leave this as `yes` or `no` alone. Memory: 64 kB a stream, and 16 kB a second of an answer.
 */
export class SpokenAnswers {
  readonly #listening: SpokenListening
  readonly #transcriber: Transcriber
  readonly #told: (streamId: string, answer: 'yes' | 'no', atSample: number) => void
  readonly #streams = new Map<string, Stream>()
  #isTranscribed = false
  #hasFailed = false
  #isUnheard = false
  #heard: (() => void) | undefined

  constructor(options: {
    readonly listening: SpokenListening
    readonly transcriber: Transcriber
    /** `atSample`: where somebody began to speak, on the recording's timeline. */
    readonly told: (streamId: string, answer: 'yes' | 'no', atSample: number) => void
  }) {
    this.#listening = options.listening
    this.#transcriber = options.transcriber
    this.#told = options.told
  }

  /** An answer is being listened to. */
  get isListening(): boolean {
    return [...this.#streams.values()].some(({ answer }) => answer !== undefined)
  }

  /** @param startPosition of the first samples of this stream that were ever pushed */
  push(streamId: string, samples: Int16Array, startPosition: number): void {
    let stream = this.#streams.get(streamId)
    if (stream === undefined) {
      const remembered = new Int16Array(REMEMBERED_SECONDS * HEARING_RATE)
      const begun = { ...{ remembered, startPosition }, heard: 0, answer: undefined, questions: 0 }
      stream = { ...begun, waiting: new Set(), answeredAt: Number.NEGATIVE_INFINITY }
      this.#streams.set(streamId, stream)
    }
    for (const sample of samples) {
      stream.remembered[stream.heard % stream.remembered.length] = sample
      stream.heard += 1
      if (stream.answer !== undefined) collect(stream, stream.answer, stream.heard - 1)
    }
  }

  /** An announcement that asks for an answer ends at this position of the recording's timeline. */
  handleQuestion(endPosition: number): void {
    for (const stream of this.#streams.values()) {
      const { answer } = stream
      const asked = Math.round((endPosition - stream.startPosition) / POSITIONS_PER_SAMPLE)
      if (answer !== undefined && (asked <= answer.from || answer.spokenFrom !== undefined)) {
        // As when both sides play it; or somebody answers the one before.
        if (asked > answer.from + HEARING_RATE) this.#isUnheard = true
        continue
      }
      stream.questions += 1
      if (stream.questions > QUESTIONS_MAX) this.#isUnheard = true
      else this.#listenFrom(stream, asked)
    }
  }

  /** From here to there an announcement was played in this stream: it is nobody's answer to the one before. */
  handleAnnouncement(streamId: string, fromPosition: number, endPosition: number): void {
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return
    for (const order of stream.waiting) {
      if (overlap(order.span, [fromPosition, endPosition])) this.#takeBack(stream, order)
    }
    const { answer } = stream
    if (answer === undefined) return
    const span = spanOf(stream, answer)
    if (!overlap(span, [fromPosition, endPosition])) return
    stream.answer = undefined
    // An echo of the one that asks: the answer is behind it.
    if (fromPosition <= span[0])
      this.#listenFrom(stream, Math.round((endPosition - stream.startPosition) / POSITIONS_PER_SAMPLE))
    else if (answer.spokenFrom !== undefined && positionOf(stream, answer.from + answer.spokenFrom) < fromPosition)
      this.#isUnheard = true
  }

  /** The party of this stream answered here in another way: what it said before is not its answer. */
  dismiss(streamId: string, atPosition: number): void {
    const stream = this.#streams.get(streamId)
    if (stream !== undefined) stream.answeredAt = Math.max(stream.answeredAt, atPosition)
  }

  /** Has an answer that is whole transcribed, once it is known that it is none of the announcements. */
  settle(streamId: string): void {
    const stream = this.#streams.get(streamId)
    if (stream?.answer?.isWhole !== true) return
    const { answer } = stream
    if (stream.heard < answer.from + answer.filled + SETTLE_SAMPLES) return
    stream.answer = undefined
    if (answer.spokenFrom !== undefined)
      this.#transcribe(streamId, stream, { ...answer, spokenFrom: answer.spokenFrom })
  }

  /**
   * The recording is over: what has been said of an answer by now is all of it, and is given to the transcriber. To be called when no announcement will be found any more.
   *
   * @param heard called once, when nothing is waited for; perhaps at once, and not if {@link finish} comes first
   */
  handleEnd(heard: () => void): void {
    for (const [streamId, stream] of this.#streams) {
      const { answer } = stream
      stream.answer = undefined
      if (answer?.spokenFrom !== undefined)
        this.#transcribe(streamId, stream, { ...answer, spokenFrom: answer.spokenFrom })
    }
    this.#heard = heard
    this.#tellHeard()
  }

  /** Nothing more is told, and nobody hears any more of it. */
  finish(): readonly Incident[] {
    this.#heard = undefined
    for (const stream of this.#streams.values()) {
      if (stream.waiting.size > 0 || stream.answer?.spokenFrom !== undefined) this.#isUnheard = true
      for (const order of stream.waiting) this.#takeBack(stream, order)
    }
    this.#streams.clear()
    return [
      ...(this.#isTranscribed ? [TRANSCRIBED] : []),
      ...(this.#hasFailed ? [FAILED] : []),
      ...(this.#isUnheard ? [UNHEARD] : []),
    ]
  }

  /** @param asked the sample behind the announcement */
  #listenFrom(stream: Stream, asked: number): void {
    const from = Math.max(0, asked, stream.heard - stream.remembered.length)
    if (from > Math.max(0, asked)) this.#isUnheard = true
    const samples = new Int16Array(Math.ceil((this.#listening.listenMs * HEARING_RATE) / 1_000))
    const answer: Answer = { ...{ samples, from, filled: 0, quietBlocks: 0 }, spokenFrom: undefined, isWhole: false }
    stream.answer = answer
    for (let index = from; index < stream.heard; index += 1) collect(stream, answer, index)
  }

  #transcribe(streamId: string, stream: Stream, answer: Answer & { readonly spokenFrom: number }): void {
    const atSample = Math.round(positionOf(stream, answer.from + answer.spokenFrom))
    if (atSample < stream.answeredAt) return
    this.#isTranscribed = true
    const order: Order = { span: spanOf(stream, answer), takeBack: () => {} }
    stream.waiting.add(order)
    order.takeBack = this.#transcriber.transcribe(answer.samples.slice(0, answer.filled), (words) => {
      stream.waiting.delete(order)
      if (words === undefined) this.#hasFailed = true
      const counts = words !== undefined && atSample >= stream.answeredAt
      const meant = counts ? spokenAnswer(words, this.#listening.words) : undefined
      if (meant !== undefined) this.#told(streamId, meant, atSample)
      this.#tellHeard()
    })
  }

  #tellHeard(): void {
    const heard = this.#heard
    if (heard === undefined || [...this.#streams.values()].some(({ waiting }) => waiting.size > 0)) return
    this.#heard = undefined
    heard()
  }

  #takeBack({ waiting }: Stream, order: Order): void {
    order.takeBack()
    waiting.delete(order)
  }
}

function positionOf({ startPosition }: Stream, sample: number): number {
  return startPosition + sample * POSITIONS_PER_SAMPLE
}

function spanOf(stream: Stream, { from, filled }: Answer): Span {
  return [positionOf(stream, from), positionOf(stream, from + filled)]
}

const overlap = (one: Span, other: Span): boolean => one[0] < other[1] && other[0] < one[1]

/** Takes the sample of this number, if it is part of the answer. */
function collect({ remembered }: Stream, answer: Answer, index: number): void {
  if (answer.isWhole || index < answer.from) return
  answer.samples[answer.filled] = remembered[index % remembered.length] ?? 0
  answer.filled += 1
  if (answer.filled % BLOCK === 0) listenToBlock(answer)
  if (answer.filled === answer.samples.length) answer.isWhole = true
}

function listenToBlock(answer: Answer): void {
  const begin = answer.filled - BLOCK
  let energy = 0
  for (let index = begin; index < answer.filled; index += 1) energy += (answer.samples[index] ?? 0) ** 2
  const isLoud = energy > BLOCK * QUIET_RMS ** 2
  if (isLoud) answer.spokenFrom ??= begin
  answer.quietBlocks = isLoud ? 0 : answer.quietBlocks + 1
  if (answer.spokenFrom !== undefined && answer.quietBlocks >= PAUSE_BLOCKS) answer.isWhole = true
}
