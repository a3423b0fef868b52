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
   * @param samples of {@link HEARING_RATE}; they may be kept
   * @param done called once, later: the words, or undefined when it failed
   */
  transcribe(samples: Int16Array, done: (words: string | undefined) => void): void
}

/** An announcement is found out so long after its end at the latest; what was said meanwhile is kept. */
const REMEMBERED_SECONDS = 4
/** Of one media stream: whoever plays announcements again and again must not keep transcribers busy. */
export const TRANSCRIPTIONS_MAX = 4
const POSITIONS_PER_SAMPLE = POSITIONS_PER_SECOND / HEARING_RATE
/** A tenth of a second that is louder, as root mean square of 16-bit samples (some -46 dBFS), may be speech. */
const QUIET_RMS = 160
const BLOCK = HEARING_RATE / 10

const FAILED: Incident = {
  code: 'transcriber-failed',
  detail: 'What was said behind an announcement could not be transcribed; a spoken answer may be missing.',
}
const UNHEARD: Incident = {
  code: 'spoken-answer-unheard',
  detail:
    'The recording ended before it was known what was said behind an announcement; a spoken answer may be missing.',
}

interface Stream {
  /** The newest samples, in a circle. */
  readonly remembered: Int16Array
  /** Position on the recording's timeline of the first sample. */
  readonly startPosition: number
  /** Samples so far. */
  heard: number
  /** What is said behind an announcement, while it is being said. */
  answer: { readonly samples: Int16Array; readonly from: number; filled: number } | undefined
  /** Announcements that were listened behind. */
  asked: number
}

/**
 * Answers that parties speak behind an announcement which asks for one, in the media streams of one recording. What is said in each stream for some seconds from its end on goes to a
 * transcriber, unless nobody spoke; words leave this as `yes` or `no` alone. Memory: 64 kB a stream, and 16 kB a second of an answer.
 */
export class SpokenAnswers {
  readonly #listening: SpokenListening
  readonly #transcriber: Transcriber
  readonly #told: (streamId: string, answer: 'yes' | 'no', atSample: number) => void
  readonly #streams = new Map<string, Stream>()
  #waiting = 0
  #hasFailed = false
  #isOver = false

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
      stream = { ...{ remembered, startPosition }, heard: 0, answer: undefined, asked: 0 }
      this.#streams.set(streamId, stream)
    }
    for (const sample of samples) {
      stream.remembered[stream.heard % stream.remembered.length] = sample
      stream.heard += 1
      if (stream.answer !== undefined) this.#collect(streamId, stream, stream.heard - 1)
    }
  }

  /** An announcement that asks for an answer ended at this position of the recording's timeline. */
  handleQuestion(endPosition: number): void {
    for (const [streamId, stream] of this.#streams) {
      if (stream.answer !== undefined || stream.asked >= TRANSCRIPTIONS_MAX) continue
      stream.asked += 1
      const oldest = Math.max(0, stream.heard - stream.remembered.length)
      const from = Math.max(oldest, Math.round((endPosition - stream.startPosition) / POSITIONS_PER_SAMPLE))
      const samples = new Int16Array(Math.ceil((this.#listening.listenMs * HEARING_RATE) / 1_000))
      stream.answer = { samples, from, filled: 0 }
      for (let index = from; index < stream.heard && this.#collect(streamId, stream, index); index += 1);
    }
  }

  /** Nothing more is told. */
  finish(): readonly Incident[] {
    this.#isOver = true
    const isSpeaking = [...this.#streams.values()].some(
      ({ answer }) => answer !== undefined && firstLoud(answer.samples) !== undefined,
    )
    const isUnheard = this.#waiting > 0 || isSpeaking
    this.#streams.clear()
    return [...(this.#hasFailed ? [FAILED] : []), ...(isUnheard ? [UNHEARD] : [])]
  }

  /** Takes the sample of this number, if it is part of the answer. False when the answer is whole. */
  #collect(streamId: string, stream: Stream, index: number): boolean {
    const { answer, remembered } = stream
    if (answer === undefined) return false
    if (index < answer.from) return true
    answer.samples[answer.filled] = remembered[index % remembered.length] ?? 0
    answer.filled += 1
    if (answer.filled < answer.samples.length) return true
    stream.answer = undefined
    this.#transcribe(streamId, answer.samples, stream.startPosition + answer.from * POSITIONS_PER_SAMPLE)
    return false
  }

  #transcribe(streamId: string, samples: Int16Array, position: number): void {
    const spokenFrom = firstLoud(samples)
    if (spokenFrom === undefined) return
    this.#waiting += 1
    this.#transcriber.transcribe(samples, (words) => {
      this.#waiting -= 1
      if (words === undefined) this.#hasFailed = true
      if (this.#isOver || words === undefined) return
      const answer = spokenAnswer(words, this.#listening.words)
      if (answer !== undefined) this.#told(streamId, answer, Math.round(position + spokenFrom * POSITIONS_PER_SAMPLE))
    })
  }
}

/** Where it first is louder than a line that nobody speaks on; undefined: nowhere. */
function firstLoud(samples: Int16Array): number | undefined {
  for (let from = 0; from < samples.length; from += BLOCK) {
    let energy = 0
    for (let index = from; index < from + BLOCK; index += 1) energy += (samples[index] ?? 0) ** 2
    if (energy > BLOCK * QUIET_RMS ** 2) return from
  }
  return undefined
}
