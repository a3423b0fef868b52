import { type ConsentFindings, evaluateConsent } from './evaluate.ts'
import type { ConsentRule } from './jurisdiction.ts'
import { type ConsentNeeds, type ConsentParty, type ConsentPolicy, needsOf, type OnObjection } from './policy.ts'
import { beganAtUs, isObjection, placeFact, type TimedFact } from './standing.ts'
import type { ConsentAction, ConsentFact, ConsentOutput, ConsentState } from './words.ts'

/** Facts kept of one recording; of those beyond, only a first objection counts. */
export const CONSENT_FACTS_MAX = 1000

const US_PER_MS = 1000

/** What has become of the audio from before consent: `keptMissing` is kept although consent did not come. */
type Held = 'nothing' | 'holding' | 'kept' | 'keptMissing' | 'discarded'

/**
 * Consent of one recording: facts and time in; states, and what is to be done, out. Pure; times are microseconds of
 * any one clock, and one that lies before the last one counts as the last one.
 *
 * Every method says what changed: a state only when it differs from the last one said, an action only when it is to be
 * done now. The same calls, made again in order to a new case, say the same.
 */
export class ConsentCase {
  readonly #policy: ConsentPolicy
  #facts: readonly TimedFact[] = []
  #parties: readonly ConsentParty[]
  #needs: ConsentNeeds
  #findings: ConsentFindings
  #nowUs: number
  #deadlineUs: number | undefined
  /** The deadline that has passed; or when the recording ended without one. */
  #overdueSinceUs: number | undefined
  #held: Held = 'nothing'
  /** What was recorded until then was destroyed. */
  #discardedUs: number | undefined
  /** Whose beginning was destroyed while the recording went on: told now, they were told in time for what there is of them. */
  #startedAfresh: ReadonlySet<string> = new Set()
  #isPaused = false
  #isStopped = false
  #isShredded = false
  #isOver = false
  #hasEnded = false
  #saidState: ConsentState | undefined
  #factsDropped = 0
  #hasLateObjection = false

  constructor(options: {
    readonly policy: ConsentPolicy
    readonly rule: ConsentRule
    readonly parties: readonly ConsentParty[]
    /** When recording starts; the deadline counts from here. Facts of an announcer may be older. */
    readonly startedUs: number
  }) {
    this.#policy = options.policy
    this.#parties = options.parties
    this.#needs = needsOf(options.policy, options.rule)
    this.#nowUs = options.startedUs
    this.#findings = this.#evaluate()
    if (options.policy.holdUntilConsent) this.#held = 'holding'
    if (!this.#findings.isSatisfied) this.#arm(options.startedUs)
  }

  get state(): ConsentState {
    return this.#findings.state
  }

  get explanation(): string {
    return this.#findings.explanation
  }

  /**
   * Audio is sealed under the key of its own: from the start, when the policy holds, until `keep` or `discard`. Where
   * nothing is needed {@link begin} says `keep` at once. A rule that becomes stricter later holds nothing again.
   */
  get isHolding(): boolean {
    return this.#held === 'holding'
  }

  /** The recording is to be paused, as far as consent goes. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Facts beyond {@link CONSENT_FACTS_MAX} that were not kept. */
  get factsDropped(): number {
    return this.#factsDropped
  }

  /** When {@link handleTimeout} wants to be called, or undefined. */
  get nextTimeoutUs(): number | undefined {
    return this.#deadlineUs
  }

  /** The first state. Facts from before the recording are best handled first. */
  begin(nowUs: number): readonly ConsentOutput[] {
    return this.#change(nowUs, () => {})
  }

  /**
   * @param atUs when it happened, which may be before what was handled last
   * @param toldUs all that happened until then has been told, so that a deadline there may pass: before `atUs` where others tell more slowly
   */
  handleFact(atUs: number, fact: ConsentFact, toldUs = atUs): readonly ConsentOutput[] {
    return this.#change(toldUs, () => this.#keepFact(fact, atUs), atUs)
  }

  /**
   * Metadata said more of who takes part, and so perhaps of the rule: both at once, since neither is judged by what the other was.
   *
   * @param parties all who are and were in the recording. Whoever is new must be told or agree as the others had to
   */
  setCall(nowUs: number, parties: readonly ConsentParty[], rule: ConsentRule): readonly ConsentOutput[] {
    return this.#change(nowUs, () => {
      this.#parties = parties
      this.#needs = needsOf(this.#policy, rule)
    })
  }

  /** A `discard` was carried out: what was recorded until then is destroyed. That may be later than it was due, and what is heard is told later still. */
  handleDiscarded(nowUs: number): void {
    if (this.#discardedUs !== undefined) this.#discardedUs = Math.max(this.#discardedUs, nowUs)
  }

  handleTimeout(nowUs: number): readonly ConsentOutput[] {
    return this.#change(nowUs, () => {})
  }

  /** Nothing is recorded any more, and not all that was has been heard: nothing is paused, resumed or stopped from now on. */
  handleOver(): void {
    this.#isOver = true
  }

  /**
   * The recording is over: what is missing now is missing. Facts may still follow (a person listens to a spoken yes);
   * they change the state, and can discard or shred, but no longer pause, resume or stop.
   */
  end(nowUs: number): readonly ConsentOutput[] {
    return this.#change(nowUs, (outputs) => {
      if (this.#hasEnded) return
      this.#hasEnded = true
      if (!this.#findings.isSatisfied && !this.#isOverdue) this.#pass(outputs)
      if (this.#held === 'holding') this.#settleHeld(outputs)
    })
  }

  get #isOverdue(): boolean {
    return this.#overdueSinceUs !== undefined
  }

  /** @param atUs when that happened which changes something: what comes to be needed by it has until the deadline from then on */
  #change(nowUs: number, apply: (outputs: ConsentOutput[]) => void, atUs = nowUs): readonly ConsentOutput[] {
    const outputs: ConsentOutput[] = []
    this.#nowUs = Math.max(this.#nowUs, nowUs)
    if (this.#deadlineUs !== undefined && this.#nowUs >= this.#deadlineUs) this.#pass(outputs)
    apply(outputs)
    const awaitedUs = this.#deadlineUs
    this.#weigh(outputs, atUs)
    // What came after a deadline that is gone now.
    if (awaitedUs !== undefined && this.#deadlineUs === undefined) this.#weigh(outputs, atUs)
    return outputs
  }

  #weigh(outputs: ConsentOutput[], atUs: number): void {
    const before = this.#findings
    this.#findings = this.#evaluate()
    // Something came to be missing; or an objection is gone, and what else is needed has not come yet.
    const isNew = before.isSatisfied || (!this.#isOverdue && this.#deadlineUs === undefined)
    if (isLacking(this.#findings) && isNew) this.#arm(Math.max(this.#nowUs, atUs))
    this.#say(outputs)
    this.#act(before, outputs)
  }

  /** What is needed has until the deadline to come. */
  #arm(fromUs: number): void {
    this.#overdueSinceUs = this.#hasEnded ? fromUs : undefined
    this.#deadlineUs = this.#hasEnded ? undefined : fromUs + this.#policy.deadlineMs * US_PER_MS
    this.#findings = this.#evaluate()
  }

  /** The deadline passes, with all that it entails. */
  #pass(outputs: ConsentOutput[]): void {
    const passedUs = this.#deadlineUs ?? this.#nowUs
    if (isLacking(this.#findings)) this.#lapse(outputs, passedUs)
    this.#deadlineUs = undefined
  }

  #lapse(outputs: ConsentOutput[], passedUs: number): void {
    this.#overdueSinceUs = passedUs
    this.#findings = this.#evaluate()
    this.#say(outputs)
    const { onMissing } = this.#policy
    if (this.#held === 'holding' && (onMissing === 'discard' || onMissing === 'stop')) this.#discard(outputs, passedUs)
    this.#do(outputs, onMissing === 'discard' ? 'pause' : onMissing)
  }

  #act(before: ConsentFindings, outputs: ConsentOutput[]): void {
    const { state, isSatisfied } = this.#findings
    if (state === 'refused' || state === 'withdrawn') {
      if (before.state !== state)
        this.#object(outputs, state === 'refused' ? this.#policy.onRefused : this.#policy.onWithdrawn)
      return
    }
    if (!isSatisfied) return
    this.#deadlineUs = undefined
    if (this.#held === 'holding') {
      this.#held = 'kept'
      this.#do(outputs, 'keep')
    } else if (this.#held === 'keptMissing') this.#held = 'kept'
    if (this.#isPaused) this.#do(outputs, 'resume')
  }

  /** What was held came before any consent, so a no destroys it, whatever else is to be done. */
  #object(outputs: ConsentOutput[], action: OnObjection): void {
    this.#deadlineUs = undefined
    // Before all else: whoever finds, after a crash, that something was done about it knows whether this is to be.
    if (action === 'shred' && !this.#isShredded) outputs.push({ kind: 'act', action })
    const discards = this.#held === 'holding' || this.#held === 'keptMissing'
    if (discards) this.#discard(outputs, this.#nowUs)
    // What would follow a discarded beginning has nobody's consent either.
    if (action === 'pause' || (action === 'flag' && discards)) this.#do(outputs, 'pause')
    if (action === 'flag') this.#do(outputs, 'flag')
    if (action === 'stop' || action === 'shred') this.#do(outputs, 'stop')
    this.#isShredded ||= action === 'shred'
  }

  #settleHeld(outputs: ConsentOutput[]): void {
    const { onMissing } = this.#policy
    if (onMissing !== 'flag' && onMissing !== 'notify') return this.#discard(outputs, this.#nowUs)
    this.#held = 'keptMissing'
    this.#do(outputs, 'keep')
  }

  #discard(outputs: ConsentOutput[], untilUs: number): void {
    this.#held = 'discarded'
    this.#discardedUs = untilUs
    if (!this.#hasEnded) this.#startedAfresh = new Set(this.#parties.map(({ id }) => id))
    this.#facts = this.#facts.map((timed) => ({ ...timed, isGone: true }))
    this.#do(outputs, 'discard')
  }

  #do(outputs: ConsentOutput[], action: ConsentAction): void {
    if (this.#isShredded) return
    const isOver = this.#isOver || this.#hasEnded || this.#isStopped
    if (action === 'pause' || action === 'resume') {
      if (isOver || this.#isPaused === (action === 'pause')) return
      this.#isPaused = action === 'pause'
    }
    if (action === 'stop') {
      if (isOver) return
      this.#isStopped = true
    }
    outputs.push({ kind: 'act', action })
  }

  #say(outputs: ConsentOutput[]): void {
    const { state, explanation } = this.#findings
    if (state === this.#saidState) return
    this.#saidState = state
    outputs.push({ kind: 'state', state, explanation })
  }

  #keepFact(fact: ConsentFact, atUs: number): void {
    if (this.#facts.length >= CONSENT_FACTS_MAX && (!isObjection(fact) || this.#hasLateObjection)) {
      this.#factsDropped += 1
      return
    }
    if (this.#facts.length >= CONSENT_FACTS_MAX) this.#hasLateObjection = true
    const isGone = this.#discardedUs !== undefined && beganAtUs(fact, atUs) < this.#discardedUs
    // By when it was: some of it is told later than it happened, and some before all of what came before it.
    const isLate = atUs >= (this.#deadlineUs ?? this.#overdueSinceUs ?? Number.POSITIVE_INFINITY)
    this.#facts = placeFact(this.#facts, { fact, atUs, isLate, isGone })
  }

  /** What happened after a deadline that has yet to pass does not keep it from passing; an objection counts at once. */
  get #weighed(): readonly TimedFact[] {
    const deadlineUs = this.#deadlineUs
    if (deadlineUs === undefined) return this.#facts
    return this.#facts.filter(({ fact, atUs }) => atUs < deadlineUs || isObjection(fact))
  }

  #evaluate(): ConsentFindings {
    return evaluateConsent({
      parties: this.#parties,
      needs: this.#needs,
      policy: this.#policy,
      facts: this.#weighed,
      startedAfresh: this.#startedAfresh,
      isOverdue: this.#isOverdue,
    })
  }
}

/** Something is needed that has not come; other than an objection, which is no lack. */
const isLacking = ({ isSatisfied, state }: ConsentFindings): boolean =>
  !isSatisfied && state !== 'refused' && state !== 'withdrawn'
