import type { ConsentFact, ConsentFactAt, PromptRef } from '../consent/words.ts'
import { isObjection } from '../consent/standing.ts'
import { Resampler } from '../media/resampler.ts'
import { AnswerKeys, type ConsentKeys } from './answer-keys.ts'
import type { KeyPress } from './dtmf-watch.ts'
import type { Incident } from './incident-notes.ts'
import type { RecordingClock } from './recording-clock.ts'
import { POSITIONS_PER_SECOND } from './receiver-set.ts'
import { HEARING_RATE, SpokenAnswers, type SpokenListening, type Transcriber } from './spoken-answers.ts'
import type { RecordingFacts, RecordingSink } from './recording-types.ts'
import type { StreamReceiver } from './stream-receiver.ts'

/** What is listened for in the audio of a recording. */
export interface ConsentListening {
  readonly keys: ConsentKeys
  /** A yes or no counts from the beginning of an announcement that was heard on until so long after its end; see {@link ConsentListener}. */
  readonly answerWithinMs: number
  /** Announcements are looked for until so long after position 0. */
  readonly windowMs: number
  /** Absent: spoken answers are not listened for. */
  readonly spoken?: SpokenListening
}

/** A prompt that was found in one media stream; samples of {@link HEARING_RATE}, counted from the first that was pushed. */
export interface HeardPrompt {
  readonly prompt: PromptRef
  /** It asks for a key. */
  readonly asks: boolean
  readonly fromSample: number
  readonly heardSamples: number
  /** Where all of it ends, or would have ended. */
  readonly endSample: number
  readonly share: number
  readonly confidence: number
  readonly verdict: 'heardInFull' | 'heardInPart' | 'uncertain'
}

/** Looks for prompts in one media stream; lent by the shell, which knows them. */
export interface PromptEar {
  push(samples: Int16Array): void
  /** Nothing more will be found: its window has ended, and with it what began in it. */
  readonly isOver: boolean
  /** Something that may be a prompt is sounding: its finding is to come. */
  readonly isHearing: boolean
  /** Found since this was last asked. */
  takeFindings(): readonly HeardPrompt[]
  /** Nothing more will be pushed. */
  finish(): void
}

/** Facts of one recording that are told; whoever holds a key down must not fill a ledger. */
export const HEARD_FACTS_MAX = 200
/** Answers of one stream that came before the announcement they answer was known to have been one. */
const EARLY_ANSWERS_MAX = 16
const UNTOLD = {
  code: 'consent-facts-dropped',
  detail: 'More announcements and answers were heard than are told.',
} as const

/** What hears for a recording; lent by the shell. */
export interface ConsentHearing {
  /** Absent: there are no prompts to look for. */
  readonly createEar?: (() => PromptEar) | undefined
  /** Absent: nobody makes words of what is spoken. */
  readonly transcriber?: Transcriber | undefined
}

interface Ear {
  readonly ear: PromptEar
  resampler: Resampler | undefined
  sampleRate: number
  /** Given to the resampler. */
  samplesIn: number
  /** Position on the recording's timeline of the first sample that was pushed. */
  readonly startPosition: number
}

interface EarlyAnswer {
  readonly fact: ConsentFact & { readonly type: 'answered' }
  readonly atSample: number
}

/** What listens in a recording with these facts, and tells the sink; undefined when nothing is listened for, or nobody is told. */
export function createConsentListener(options: {
  readonly facts: Pick<RecordingFacts, 'consent'>
  readonly sink: Pick<RecordingSink, 'handleConsent'>
  readonly clock: Pick<RecordingClock, 'wallClock' | 'originUs'>
  readonly hearing: ConsentHearing | undefined
}): ConsentListener | undefined {
  const { sink, clock, hearing } = options
  const listening = options.facts.consent
  if (listening === undefined || sink.handleConsent === undefined) return undefined
  return new ConsentListener({ listening, clock, hearing, told: (fact) => sink.handleConsent?.(fact) })
}

/**
 * Listens in the streams of one recording for announcements that were made, and for keys that answer them. Only what they mean leaves it, never which keys. A yes or
 * no counts when it answers an announcement that was heard in this recording: a yes one that asks for it, and was certain; a no any. A withdrawal counts always.
 */
export class ConsentListener {
  readonly #listening: ConsentListening
  readonly #createEar: (() => PromptEar) | undefined
  readonly #spoken: SpokenAnswers | undefined
  readonly #clock: Pick<RecordingClock, 'wallClock' | 'originUs'>
  readonly #told: (fact: ConsentFactAt) => void
  readonly #ears = new Map<string, Ear>()
  readonly #keys = new Map<string, AnswerKeys>()
  readonly #announcements: { readonly fromSample: number; readonly toSample: number; readonly takesYes: boolean }[] = []
  #early: EarlyAnswer[] = []
  #facts = 0
  #untold = 0
  /** Streams whose first objection was told although there were many facts before it. */
  readonly #objected = new Set<string>()
  #isOver = false

  constructor(options: {
    readonly listening: ConsentListening
    readonly hearing?: ConsentHearing | undefined
    readonly clock: Pick<RecordingClock, 'wallClock' | 'originUs'>
    readonly told: (fact: ConsentFactAt) => void
  }) {
    this.#listening = options.listening
    this.#createEar = options.hearing?.createEar
    this.#spoken = this.#listenFor(options.listening.spoken, options.hearing?.transcriber)
    this.#clock = options.clock
    this.#told = options.told
  }

  /** Facts that found the list full. */
  get untold(): number {
    return this.#untold
  }

  /** A key was pressed on a stream, at samples of its rate. */
  handleKey(stream: Pick<StreamReceiver, 'plan' | 'timeline'>, press: KeyPress): void {
    const { streamId } = stream.plan
    const factor = POSITIONS_PER_SECOND / stream.timeline.sampleRate
    const answer = this.#keysOf(streamId).press({
      digit: press.digit,
      fromSample: Math.round(press.fromSample * factor),
      toSample: Math.round(press.toSample * factor),
    })
    if (answer === undefined) return
    const { meaning, fromSample: atSample } = answer
    if (meaning === 'withdraw') {
      this.#tell({ type: 'withdrawn', by: 'dtmf', streamId, atSample }, atSample)
      return
    }
    const fact = { type: 'answered', answer: meaning, by: 'dtmf', streamId, atSample } as const
    if (this.#isAnswer(fact, atSample)) this.#tell(fact, atSample)
    else this.#keepEarly({ fact, atSample })
  }

  /** The frames of all streams from this 48 kHz position on, in their order, as they are recorded. */
  addFrame(streams: readonly StreamReceiver[], frames: readonly Int16Array[], position: number): void {
    if (this.#isOver || this.#createEar === undefined) return
    for (let index = 0; index < streams.length; index++) {
      const stream = streams[index]
      const frame = frames[index]
      if (stream !== undefined && frame !== undefined) this.#listen(stream, frame, position)
    }
  }

  /**
   * All audio was added: looks for no announcements any more, and has transcribed what was being answered.
   *
   * @param heard called when all answers are known; not if {@link finish} comes first
   */
  handleEnd(heard: () => void): void {
    this.#finishEars()
    if (this.#spoken === undefined) heard()
    else this.#spoken.handleEnd(heard)
  }

  /** Looks for no announcements and answers any more. What is to be noted of it. */
  finish(): readonly Incident[] {
    if (this.#isOver) return []
    this.#isOver = true
    this.#finishEars()
    return [...(this.#spoken?.finish() ?? []), ...(this.#untold === 0 ? [] : [UNTOLD])]
  }

  #finishEars(): void {
    for (const [streamId, ear] of this.#ears) {
      ear.ear.finish()
      this.#takeFindings(streamId, ear)
    }
    this.#ears.clear()
  }

  #listenFor(listening: SpokenListening | undefined, transcriber: Transcriber | undefined): SpokenAnswers | undefined {
    if (listening === undefined || transcriber === undefined) return undefined
    const told = (streamId: string, answer: 'yes' | 'no', atSample: number): void =>
      this.#tell({ type: 'answered', answer, by: 'speech', streamId, atSample }, atSample)
    return new SpokenAnswers({ listening, transcriber, told })
  }

  /** Somebody may be answering, or an announcement may still be found whose answer is being spoken. */
  get #hearsAnswers(): boolean {
    if (this.#spoken === undefined) return false
    return this.#spoken.isListening || [...this.#ears.values()].some(({ ear }) => !ear.isOver)
  }

  #listen(stream: StreamReceiver, frame: Int16Array, position: number): void {
    const { streamId } = stream.plan
    const { sampleRate } = stream.timeline
    let ear = this.#ears.get(streamId)
    if (ear === undefined) {
      if (position >= (this.#listening.windowMs * POSITIONS_PER_SECOND) / 1_000) return
      const created = this.#createEar?.()
      if (created === undefined) return
      ear = { ear: created, resampler: undefined, sampleRate: HEARING_RATE, samplesIn: 0, startPosition: position }
      this.#ears.set(streamId, ear)
    }
    const { isOver } = ear.ear
    if (isOver && !this.#hearsAnswers) return
    if (ear.sampleRate !== sampleRate) {
      ear.sampleRate = sampleRate
      ear.samplesIn = 0
      ear.resampler = sampleRate === HEARING_RATE ? undefined : new Resampler(sampleRate, HEARING_RATE)
    }
    const samples = ear.resampler?.resample(frame, ear.samplesIn) ?? frame
    ear.samplesIn += frame.length
    this.#spoken?.push(streamId, samples, ear.startPosition)
    if (!isOver) {
      ear.ear.push(samples)
      this.#takeFindings(streamId, ear)
    }
    if (!ear.ear.isHearing) this.#spoken?.settle(streamId)
  }

  #takeFindings(streamId: string, { ear, startPosition, resampler, sampleRate }: Ear): void {
    const delay = ((resampler?.delaySamples ?? 0) * POSITIONS_PER_SECOND) / sampleRate
    const factor = POSITIONS_PER_SECOND / HEARING_RATE
    for (const heard of ear.takeFindings()) {
      const fromSample = Math.max(0, Math.round(startPosition + heard.fromSample * factor - delay))
      const heardSamples = Math.round(heard.heardSamples * factor)
      const { prompt, asks, share, confidence, verdict } = heard
      const takesYes = asks && verdict !== 'uncertain'
      this.#announcements.push({ fromSample, toSample: fromSample + heardSamples, takesYes })
      const endPosition = Math.round(startPosition + heard.endSample * factor - delay)
      this.#spoken?.handleAnnouncement(streamId, fromSample, endPosition)
      if (takesYes) this.#spoken?.handleQuestion(endPosition)
      this.#tell(
        { type: 'announcementHeard', prompt, streamId, fromSample, heardSamples, share, confidence, verdict },
        fromSample + heardSamples,
      )
      this.#answerEarly()
    }
  }

  /** No party's flood of answers keeps a no of another out; nor does its own of yes, which fewer announcements take than a no. */
  #keepEarly(answer: EarlyAnswer): void {
    this.#early = [...this.#early, answer]
    const ofStream = this.#early.filter(({ fact }) => fact.streamId === answer.fact.streamId)
    if (ofStream.length <= EARLY_ANSWERS_MAX) return
    const dropped = ofStream.find(({ fact }) => fact.answer === 'yes') ?? ofStream[0]
    this.#early = this.#early.filter((known) => known !== dropped)
  }

  #answerEarly(): void {
    const answers = this.#early.filter(({ fact, atSample }) => this.#isAnswer(fact, atSample))
    this.#early = this.#early.filter((answer) => !answers.includes(answer))
    for (const { fact, atSample } of answers) this.#tell(fact, atSample)
  }

  #isAnswer({ answer }: EarlyAnswer['fact'], atSample: number): boolean {
    const within = (this.#listening.answerWithinMs * POSITIONS_PER_SECOND) / 1_000
    return this.#announcements.some(
      ({ fromSample, toSample, takesYes }) =>
        (takesYes || answer !== 'yes') && atSample >= fromSample && atSample <= toSample + within,
    )
  }

  /** A flood of answers must not keep a withdrawal out. */
  #isFirstObjection(fact: ConsentFact): boolean {
    if (!isObjection(fact) || !('streamId' in fact) || fact.streamId === undefined) return false
    const isFirst = !this.#objected.has(fact.streamId)
    this.#objected.add(fact.streamId)
    return isFirst
  }

  #keysOf(streamId: string): AnswerKeys {
    const known = this.#keys.get(streamId) ?? new AnswerKeys(this.#listening.keys)
    this.#keys.set(streamId, known)
    return known
  }

  #tell(fact: ConsentFact, atSample: number): void {
    if (this.#facts >= HEARD_FACTS_MAX && !this.#isFirstObjection(fact)) {
      this.#untold += 1
      return
    }
    this.#facts += 1
    if (fact.type === 'answered' && fact.by === 'dtmf' && fact.streamId !== undefined)
      this.#spoken?.dismiss(fact.streamId, atSample)
    const us = (this.#clock.originUs ?? 0) + (atSample * 1_000_000) / POSITIONS_PER_SECOND
    this.#told({ at: this.#clock.wallClock(us), fact })
  }
}
