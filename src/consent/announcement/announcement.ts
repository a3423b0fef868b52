import type { DtmfDigit } from '../../protocol/rtp/telephone-event.ts'
import type { ConsentFact, PromptRef } from '../words.ts'

/** How often a prompt is begun anew after a hold before the announcement is given up. */
export const RESTARTS_MAX = 3
/** How long the whole of it may last. */
export const ANNOUNCEMENT_US_MAX = 300_000_000
/** How long the outcome of a transfer is awaited. RFC 3515 2.4.4 leaves it open */
export const TRANSFER_US_MAX = 60_000_000
/** How long the caller waits for facts to be kept: a disk may hang. */
export const SETTLE_US_MAX = 5_000_000

export type AnnouncementMode = 'answer' | 'early' | 'refer'

/** What becomes of the call. */
export type Onward = 'continue' | 'hangUp'

/** What is played, to whom, and what may be answered. */
export interface AnnouncementPlan {
  readonly mode: AnnouncementMode
  /** At least one. `asks`: a key is awaited after it. */
  readonly prompts: readonly { readonly ref: PromptRef; readonly totalMs: number; readonly asks: boolean }[]
  readonly answer: {
    readonly yes: DtmfDigit
    readonly no: DtmfDigit
    /** How long after the prompt. */
    readonly windowUs: number
    readonly onNo: Onward
    readonly onNone: Onward
  }
}

/** How it went, seen from the caller; each is a metric label. */
export type AnnouncementOutcome =
  | 'played'
  | 'agreed'
  | 'refused'
  | 'noAnswer'
  | 'hangUp'
  | 'cancelled'
  | 'noAck'
  | 'failed'
  | 'transferFailed'

/**
 * What is to be done. `play` a prompt from its beginning · `stopPlaying` · `settle`: the facts are complete, keep them and call
 * {@link Announcement.handleSettled} · `bye`, `redirect`, `decline`, `refer`: how the dialog is left · `over`: nothing more will come.
 */
export type AnnouncementAct =
  | { readonly kind: 'play'; readonly index: number }
  | { readonly kind: 'stopPlaying' | 'settle' | 'redirect' | 'decline' | 'refer' }
  | { readonly kind: 'bye' | 'over'; readonly outcome: AnnouncementOutcome }

/** By what a key was told: telephone-event (RFC 4733), a tone in the audio, or SIP INFO. */
export type KeyWay = 'event' | 'tone' | 'info'

/** Why the other side, or the signalling, ended it. */
export type AnnouncementEnd = 'hangUp' | 'cancelled' | 'noAck' | 'failed'

/** A prompt that was begun, and how it ended. */
interface Play {
  readonly index: number
  endCause: 'played' | AnnouncementEnd | undefined
  playedMs: number
  endUs: number
  /** To the question that it asks, or `none` for those that came to be asked no more; final when it has ended and nobody is waited for any more. */
  answer: { readonly value: Answer; readonly atUs: number } | undefined
}

/** One fact, and the monotonic instant at which it came true. */
export interface DatedFact {
  readonly atUs: number
  readonly fact: ConsentFact
}

type Answer = 'yes' | 'no' | 'none'
type State = 'opening' | 'playing' | 'asking' | 'settling' | 'transferring' | 'left' | 'over'

/**
 * One announcement: its prompts one after the other, the key that is pressed, and how the call goes on. Time is monotonic microseconds.
 *
 * A prompt is played to its end whatever key is pressed meanwhile, so that nobody agrees to half a sentence: of the keys that mean something the last
 * one before its end counts, after it the first. Each prompt that asks has an answer of its own; the strictest of them says how the call goes on, and is
 * the one that is told. Who has said no is not asked anything more. A hold stops a prompt, and the end of the hold begins it anew. In `answer` and `refer` mode nothing is
 * played before the ACK: without it nobody is known to listen.
 */
export class Announcement {
  readonly #plan: AnnouncementPlan
  readonly #act: (act: AnnouncementAct) => void
  readonly #playedMs: () => number
  readonly #giveUpUs: number
  readonly #plays: Play[] = []
  #state: State = 'opening'
  #isHeld = false
  /** Something of the prompt at hand was sent. */
  #hasPlayed = false
  #restarts = 0
  #askingUntilUs = Infinity
  #transferUntilUs = Infinity
  #settleUntilUs = Infinity
  /** That of the first key which meant something. */
  #way: KeyWay | undefined
  #end: AnnouncementEnd | 'transferFailed' | undefined

  /** @param options.playedMs how much of the prompt that plays, or played last, has been sent */
  constructor(
    plan: AnnouncementPlan,
    options: { readonly act: (act: AnnouncementAct) => void; readonly playedMs: () => number; readonly nowUs: number },
  ) {
    this.#plan = plan
    this.#act = options.act
    this.#playedMs = options.playedMs
    this.#giveUpUs = options.nowUs + ANNOUNCEMENT_US_MAX
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Infinity for never. */
  get nextTimeoutUs(): number {
    if (this.#state === 'over' || this.#state === 'left') return Infinity
    if (this.#state === 'settling') return this.#settleUntilUs
    return Math.min(this.#giveUpUs, this.#askingUntilUs, this.#transferUntilUs)
  }

  /** The way to the caller is open: ACK, or early media from the start. */
  handleConfirmed(): void {
    if (this.#state !== 'opening') return
    this.#begin(0)
  }

  /** The prompt that played has been sent to its end. */
  handlePlayed(nowUs: number): void {
    const play = this.#plays.at(-1)
    if (this.#state !== 'playing' || play === undefined || this.#isHeld) return
    this.#endPlay('played', nowUs)
    const prompt = this.#plan.prompts[play.index]
    if (prompt?.asks === true && play.answer === undefined) {
      this.#state = 'asking'
      this.#askingUntilUs = nowUs + this.#plan.answer.windowUs
    } else this.#goOn(nowUs)
  }

  /**
   * A key was pressed. One without a meaning changes nothing; nor does one while nothing asks, or by another way than the first: gateways send tones beside
   * telephone-events, some PBXs an INFO too, when the key is let go, and what answers one question must not answer the next one as well.
   */
  handleKey(digit: DtmfDigit, way: KeyWay, nowUs: number): void {
    const { yes, no } = this.#plan.answer
    if (digit !== yes && digit !== no) return
    this.#way ??= way
    if (way !== this.#way) return
    const value = digit === yes ? 'yes' : 'no'
    const play = this.#plays.at(-1)
    if (this.#state === 'playing' && play !== undefined && this.#plan.prompts[play.index]?.asks === true) {
      play.answer = { value, atUs: nowUs }
    } else if (this.#state === 'asking') this.#answered(value, nowUs)
  }

  /** The caller is, or is no longer, on hold: does not listen. RFC 3264 8.4 */
  handleHeld(isHeld: boolean, nowUs: number): void {
    const wasHeld = this.#isHeld
    this.#isHeld = isHeld
    const play = this.#plays.at(-1)
    if (this.#state !== 'playing' || play === undefined || wasHeld === isHeld) return
    if (isHeld) {
      this.#act({ kind: 'stopPlaying' })
      return
    }
    if (this.#hasPlayed) this.#restarts += 1
    if (this.#restarts > RESTARTS_MAX) this.#breakOff('failed', nowUs)
    else this.#play(play.index)
  }

  /** The facts that `settle` asked to keep are kept. */
  handleSettled(nowUs: number): void {
    if (this.#state !== 'settling') return
    if (this.#end !== undefined) return this.#over()
    const isOnward = this.#isOnward
    if (this.#plan.mode === 'refer' && isOnward) {
      this.#state = 'transferring'
      this.#transferUntilUs = nowUs + TRANSFER_US_MAX
      this.#act({ kind: 'refer' })
      return
    }
    this.#state = 'left'
    if (this.#plan.mode === 'early') this.#act({ kind: isOnward ? 'redirect' : 'decline' })
    else this.#act({ kind: 'bye', outcome: this.#outcome })
    this.#over()
  }

  /** What became of the transfer. RFC 3515 2.4.4: the final one of the NOTIFYs, or a REFER that was refused */
  handleTransferred(isDone: boolean): void {
    if (this.#state !== 'transferring') return
    if (!isDone) this.#end = 'transferFailed'
    this.#state = 'left'
    this.#act({ kind: 'bye', outcome: this.#outcome })
    this.#over()
  }

  /** The dialog is over, and not by us. */
  handleEnded(cause: AnnouncementEnd, nowUs: number): void {
    // Whoever transfers away may hang up before he tells how it went.
    if (this.#state === 'transferring' && cause === 'hangUp') return this.#over()
    if (this.#state === 'over' || this.#state === 'left') return
    this.#close(cause, nowUs)
  }

  /** What is played does not leave us. */
  handleBroken(nowUs: number): void {
    if (this.#state === 'opening' || this.#state === 'playing' || this.#state === 'asking')
      this.#breakOff('failed', nowUs)
  }

  /** The facts that `settle` asked to keep could not be kept, or not in time: the call does not go on as if they were. */
  handleUnsettled(): void {
    if (this.#state !== 'settling') return
    if (this.#end === undefined) {
      this.#end = 'failed'
      this.#letGo()
    }
    this.#over()
  }

  handleTimeout(nowUs: number): void {
    if (nowUs < this.nextTimeoutUs) return
    if (this.#state === 'settling') this.handleUnsettled()
    else if (this.#state === 'asking' && nowUs >= this.#askingUntilUs) this.#answered('none', nowUs)
    else if (this.#state === 'transferring') this.handleTransferred(false)
    else if (nowUs >= this.#giveUpUs) this.#breakOff('failed', nowUs)
  }

  /**
   * The facts so far, in their order. Of several answers the strictest is told, and no other: whoever reads them cannot know which question was answered.
   *
   * @param heard of the prompt at this place, which was sent to its end: whether it arrived
   */
  facts(heard: (index: number) => 'yes' | 'no' | 'unknown'): readonly DatedFact[] {
    const { mode, prompts } = this.#plan
    const answered = this.#strictest
    return this.#plays.flatMap((play): readonly DatedFact[] => {
      const { index, endCause, playedMs, endUs, answer } = play
      const prompt = prompts[index]
      if (prompt === undefined || endCause === undefined) return []
      const { ref, totalMs } = prompt
      const heardToEnd = endCause === 'played' ? heard(index) : 'no'
      const fact = { type: 'announcementPlayed', prompt: ref, mode, playedMs, totalMs, heardToEnd, endCause } as const
      const played = { atUs: endUs, fact }
      if (answer === undefined || play !== answered) return [played]
      return [played, { atUs: answer.atUs, fact: { type: 'answered', answer: answer.value, by: 'dtmf' } }]
    })
  }

  #begin(index: number): void {
    this.#state = 'playing'
    this.#hasPlayed = false
    this.#plays.push({ index, endCause: undefined, playedMs: 0, endUs: 0, answer: undefined })
    if (!this.#isHeld) this.#play(index)
  }

  #play(index: number): void {
    this.#hasPlayed = true
    this.#act({ kind: 'play', index })
  }

  get #isOnward(): boolean {
    const { onNo, onNone } = this.#plan.answer
    const answer = this.#strictestAnswer
    if (answer === 'no') return onNo === 'continue'
    return answer !== 'none' || onNone === 'continue'
  }

  /** What the strictest of all answers was given to; the last one where there are several. */
  get #strictest(): Play | undefined {
    const answeredBy = (value: Answer): Play | undefined =>
      this.#plays.findLast(({ answer }) => answer?.value === value)
    return answeredBy('no') ?? answeredBy('none') ?? answeredBy('yes')
  }

  get #strictestAnswer(): Answer | undefined {
    return this.#strictest?.answer?.value
  }

  #answered(value: Answer, nowUs: number): void {
    this.#answerLast(value, nowUs)
    this.#askingUntilUs = Infinity
    this.#goOn(nowUs)
  }

  #answerLast(value: Answer, nowUs: number): void {
    const play = this.#plays.at(-1)
    if (play !== undefined) play.answer = { value, atUs: nowUs }
  }

  /** The next prompt; none when there is no more, or the answer ends it. Who said no is asked no more: a later yes must not undo it. */
  #goOn(nowUs: number): void {
    const last = this.#plays.at(-1)?.index ?? -1
    const isRefused = this.#strictestAnswer === 'no'
    const next = this.#plan.prompts.findIndex(({ asks }, index) => index > last && !(asks && isRefused))
    if (next >= 0 && this.#isOnward) return this.#begin(next)
    this.#settle(nowUs)
  }

  #settle(nowUs: number): void {
    this.#state = 'settling'
    this.#settleUntilUs = nowUs + SETTLE_US_MAX
    this.#act({ kind: 'settle' })
  }

  /** Something here goes wrong, or lasts too long: what was played counts, and the caller is let go. */
  #breakOff(cause: 'failed', nowUs: number): void {
    this.#close(cause, nowUs)
    this.#letGo()
  }

  #letGo(): void {
    this.#act(this.#plan.mode === 'early' ? { kind: 'decline' } : { kind: 'bye', outcome: 'failed' })
  }

  #close(cause: AnnouncementEnd, nowUs: number): void {
    this.#act({ kind: 'stopPlaying' })
    this.#askingUntilUs = Infinity
    if (this.#state === 'opening') {
      this.#plays.push({ index: 0, endCause: undefined, playedMs: 0, endUs: 0, answer: undefined })
    }
    if (this.#state === 'opening' || this.#state === 'playing') this.#endPlay(cause, nowUs)
    this.#end = cause
    // While facts are being kept already, what is kept stands, and nothing is left to be done.
    if (this.#state === 'settling') return
    if (this.#state === 'asking' || this.#isHalfAgreed) this.#answerLast('none', nowUs)
    this.#settle(nowUs)
  }

  /** Yes was said, but not to all that was to be asked. */
  get #isHalfAgreed(): boolean {
    const last = this.#plays.at(-1)
    const isOpen = ({ asks }: { readonly asks: boolean }, index: number): boolean =>
      asks && index >= (last?.index ?? 0) && !(index === last?.index && last.answer !== undefined)
    return this.#strictestAnswer === 'yes' && this.#plan.prompts.some(isOpen)
  }

  #endPlay(endCause: 'played' | AnnouncementEnd, nowUs: number): void {
    const play = this.#plays.at(-1)
    if (play === undefined) return
    play.endCause = endCause
    play.playedMs = this.#hasPlayed ? this.#playedMs() : 0
    play.endUs = nowUs
    // A key before the end of the prompt would have counted at its end.
    if (endCause !== 'played') play.answer = undefined
  }

  #over(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#act({ kind: 'over', outcome: this.#outcome })
  }

  get #outcome(): AnnouncementOutcome {
    if (this.#end !== undefined) return this.#end
    const answer = this.#strictestAnswer
    if (answer === undefined) return 'played'
    if (answer === 'yes') return 'agreed'
    return answer === 'no' ? 'refused' : 'noAnswer'
  }
}
