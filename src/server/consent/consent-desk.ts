import type { SourceConsentConfig } from '../../config/config.ts'
import { chooseRule, type ChosenRule, type RuleData } from '../../consent/choose-rule.ts'
import { CONSENT_FACTS_MAX, ConsentCase } from '../../consent/consent-case.ts'
import { isObjection } from '../../consent/standing.ts'
import type { ConsentAction, ConsentFactAt, ConsentOutput, ConsentState } from '../../consent/words.ts'
import type { ConsentEventBody } from '../../evidence/consent-event.ts'
import type { ConsentListening } from '../../recorder/consent-listener.ts'
import { POSITIONS_PER_SECOND } from '../../recorder/receiver-set.ts'
import type { ConsentNote } from '../recording/consent-keeper.ts'
import type { TakenConsentEvent } from '../recording/consent-trail.ts'
import { monotonicOf, wallClock, type LiveRecording } from '../recording/live-recording.ts'
import { streamsOfVoices } from '../recording/local-description.ts'
import { eventOfFact, eventOfRule, eventOfState, rulePeople, type RulePeople } from './consent-events.ts'
import { ConsentParties } from './consent-parties.ts'
import { ConsentReasons } from './consent-reasons.ts'

/** What is heard is told so much later: audio waits for its place and is written in steps. Deadlines pass so much later too. */
export const HEARD_LATE_US = 1_500_000

/** What consent is decided by. */
export interface ConsentSettings {
  /** By the names of their profiles. */
  readonly sources: ReadonlyMap<string, SourceConsentConfig>
  /** What holds for sources that have no profile. */
  readonly byDefault: SourceConsentConfig
  /** Destroys a recording once it is over. */
  readonly shred: (recording: LiveRecording) => Promise<void>
  /** What was announced to the parties before, in order; the same object for the same announcement. */
  readonly announced: (recording: LiveRecording, changed: () => void) => Promise<readonly ConsentFactAt[]>
  readonly data: RuleData
  /** Signs an event and keeps it; undefined when the recording has as many as it may, or is over. */
  readonly keep: (recording: LiveRecording, note: ConsentNote) => TakenConsentEvent | undefined
}

/** What is done to recordings; none of it waits, and none throws. */
export interface ConsentActions {
  setPaused(recording: LiveRecording, isPaused: boolean): void
  stop(recording: LiveRecording): void
  /** What is said from now on is not held any more; what was held is kept, or can never be opened. `cause`: a word for the manifest. */
  settleHeld(recording: LiveRecording, outcome: 'kept' | 'destroyed', cause: string): void
  note(recording: LiveRecording, incident: { readonly code: string; readonly detail: string }): void
  /** Whoever watches is told. */
  notify(recording: LiveRecording, state: ConsentState): void
  /** The recording is over in this state. */
  over(recording: LiveRecording, state: ConsentState): void
}

interface OpenCase {
  readonly recording: LiveRecording
  readonly source: SourceConsentConfig
  readonly consentCase: ConsentCase
  readonly parties: ConsentParties
  /** What was announced before, as far as it is known here. */
  readonly announced: Set<ConsentFactAt>
  /** What is allowed, and waits for its event to be kept. */
  readonly pending: Promise<void>[]
  /** Announcements that are being looked up. */
  readonly lookups: Set<Promise<void>>
  readonly reasons: ConsentReasons
  rule: ChosenRule
  people: RulePeople
  /** The decision that holds. */
  decided: TakenConsentEvent | undefined
  /** The last event. */
  noted: TakenConsentEvent | undefined
  timer: NodeJS.Timeout | undefined
}

const DETAILS: Readonly<Partial<Record<ConsentState, string>>> = {
  missing: 'The consent that the rule for this call asks for did not come.',
  refused: 'A party did not agree to being recorded.',
  withdrawn: 'A party withdrew its consent to being recorded.',
}

const NOT_KEPT = { code: 'consent-not-kept', detail: 'A consent event could not be signed.' } as const
const TOO_MANY_FACTS = {
  code: 'consent-facts-unweighed',
  detail: `More was said about consent than is weighed (${CONSENT_FACTS_MAX} facts): it is signed, and only a first objection still counts.`,
} as const
const NOT_LOOKED_UP = {
  code: 'consent-not-looked-up',
  detail: 'What was announced to the parties before could not be looked up.',
} as const
const SHRED_WANTED = {
  code: 'consent-shred-wanted',
  detail:
    'The policy of the source wants this recording destroyed, which is done when it is over; if it is not, run "earwitness shred".',
} as const

/**
 * Decides about the consent of every recording under way: chooses the rule, keeps what happened and what was decided as signed events, and has done what the
 * policy of its source wants. What a decision allows is done only once the decision is in the journal; what it forbids is done at once.
 */
export class ConsentDesk {
  readonly #settings: ConsentSettings
  readonly #actions: ConsentActions
  readonly #nowUs: () => number
  readonly #open = new Map<string, OpenCase>()
  /** Which exist, whether or not they have a case. */
  readonly #committed = new WeakSet<LiveRecording>()

  constructor(options: {
    readonly settings: ConsentSettings
    readonly actions: ConsentActions
    readonly nowUs: () => number
  }) {
    this.#settings = options.settings
    this.#actions = options.actions
    this.#nowUs = options.nowUs
  }

  /** What is listened for in recordings of this source. */
  listeningFor(src: string): ConsentListening | undefined {
    return this.#sourceOf(src).listening
  }

  /** Whether what is recorded of this source before consent is sealed under a key of its own. */
  holds(src: string): boolean {
    const { require, holdUntilConsent } = this.#sourceOf(src).policy
    return require !== 'none' && holdUntilConsent
  }

  /** The recording exists from now on. */
  opened(recording: LiveRecording): void {
    const source = this.#sourceOf(recording.facts.src)
    this.#committed.add(recording)
    if (asksForConsent(source)) this.#begin(recording, source)
    this.#lookUp(recording)
  }

  #lookUp(recording: LiveRecording): void {
    const looking = this.#takeAnnounced(recording).catch(() => this.#actions.note(recording, NOT_LOOKED_UP))
    const lookups = this.#open.get(recording.facts.recordingId)?.lookups
    lookups?.add(looking)
    void looking.then(() => lookups?.delete(looking))
  }

  #begin(recording: LiveRecording, source: SourceConsentConfig): OpenCase {
    const everybody = new ConsentParties(source.own)
    const { parties, ruleParties } = everybody.update(recording.communication.history, streamsOfVoices(recording), 0)
    const rule = this.#choose(source, ruleParties)
    const people = rulePeople(rule, parties)
    const startedUs = recording.facts.openedUs
    const consentCase = new ConsentCase({ policy: source.policy, rule: rule.rule, parties, startedUs })
    const announced = new Set<ConsentFactAt>()
    const open: OpenCase = {
      recording,
      source,
      consentCase,
      parties: everybody,
      announced,
      reasons: new ConsentReasons(),
      pending: [],
      lookups: new Set(),
      rule,
      people,
      decided: undefined,
      noted: undefined,
      timer: undefined,
    }
    this.#open.set(recording.facts.recordingId, open)
    this.#noteRule(open)
    this.#carryOut(open, consentCase.begin(startedUs))
    return open
  }

  /** What was announced before, as far as it is not known yet. Recordings of a source that asks for nothing have a case from then on. */
  async #takeAnnounced(recording: LiveRecording): Promise<void> {
    const facts = await this.#settings.announced(recording, () => this.#lookUp(recording))
    if (facts.length === 0) return
    const { recordingId, src } = recording.facts
    // A case that is open still takes what the metadata of a BYE led to; none begins any more then.
    const begun = this.#open.get(recordingId)
    if (begun === undefined && recording.state === 'closing') return
    const open = begun ?? this.#begin(recording, this.#sourceOf(src))
    for (const fact of facts) {
      if (open.announced.has(fact)) continue
      open.announced.add(fact)
      void this.handleFact(recording, fact)
    }
  }

  /** Metadata or an offer said more of who takes part. */
  peopleChanged(recording: LiveRecording): void {
    const open = this.#open.get(recording.facts.recordingId)
    if (open === undefined) {
      // Nothing is decided about it yet; what was announced may have come to be known.
      if (this.#committed.has(recording)) this.#lookUp(recording)
      return
    }
    const nowUs = this.#nowUs()
    const { parties, ruleParties } = open.parties.update(
      recording.communication.history,
      streamsOfVoices(recording),
      positionAt(recording, nowUs),
    )
    const rule = this.#choose(open.source, ruleParties)
    const people = rulePeople(rule, parties)
    const isOther = JSON.stringify([rule.explanation, people]) !== JSON.stringify([open.rule.explanation, open.people])
    open.rule = rule
    open.people = people
    if (isOther) this.#noteRule(open)
    this.#carryOut(open, caseOf(open).setCall(nowUs - HEARD_LATE_US, parties, rule.rule))
    this.#lookUp(recording)
  }

  /**
   * Something that consent may rest on. Undefined when nothing is decided about this recording; else it resolves when the fact, with all that was decided on it, is in the journal, to
   * whether it is: until then a crash takes it.
   */
  handleFact(recording: LiveRecording, fact: ConsentFactAt): Promise<boolean> | undefined {
    const open = this.#open.get(recording.facts.recordingId)
    if (open === undefined) return undefined
    const noted = this.#noteFact(open, fact)
    // What could not be signed allows nothing; what it forbids, it forbids.
    if (noted === undefined && !isObjection(fact.fact)) return Promise.resolve(false)
    // What was announced before has the time of another clock, which may have been ahead.
    const nowUs = this.#nowUs()
    const happenedUs = Math.min(monotonicOf(recording, fact.at), nowUs)
    // The API says at once what others are still being heard to say.
    const toldUs = Math.min(happenedUs, nowUs - HEARD_LATE_US)
    const { factsDropped } = open.consentCase
    this.#carryOut(open, caseOf(open).handleFact(happenedUs, fact.fact, toldUs))
    if (factsDropped === 0 && open.consentCase.factsDropped > 0) this.#actions.note(recording, TOO_MANY_FACTS)
    return noted === undefined ? Promise.resolve(false) : isThere(noted, open.noted)
  }

  /** Nothing more will be recorded, and its manifest is about to be signed: it must wait for this. Never rejects. */
  async ended(recording: LiveRecording): Promise<void> {
    const open = this.#open.get(recording.facts.recordingId)
    if (open === undefined) return
    await Promise.all(open.lookups)
    open.consentCase.handleOver()
    this.#carryOut(open, open.consentCase.end(this.#nowUs()))
    clearTimeout(open.timer)
    this.#open.delete(recording.facts.recordingId)
    this.#actions.over(recording, open.consentCase.state)
    await Promise.all(open.pending)
  }

  #sourceOf(src: string): SourceConsentConfig {
    return this.#settings.sources.get(src) ?? this.#settings.byDefault
  }

  #choose(
    { jurisdiction, country }: SourceConsentConfig,
    parties: Parameters<typeof chooseRule>[0]['parties'],
  ): ChosenRule {
    return chooseRule({ parties, source: { jurisdiction, country } }, this.#settings.data)
  }

  #noteRule(open: OpenCase): void {
    this.#note(open, { body: eventOfRule(open.rule, open.people) })
  }

  #noteFact(open: OpenCase, { at, fact }: ConsentFactAt): TakenConsentEvent | undefined {
    return this.#note(open, eventOfFact(fact), at)
  }

  #note(
    open: OpenCase,
    event: { readonly body: ConsentEventBody; readonly personal?: ConsentNote['personal'] },
    at = wallClock(open.recording, this.#nowUs()).toISOString(),
  ): TakenConsentEvent | undefined {
    const taken = this.#keep(open.recording, { ...event, at })
    if (taken === undefined) return undefined
    open.noted = taken
    open.reasons.add(taken.number, event.body)
    return taken
  }

  /** What cannot be signed is noted, and nothing is allowed by it. */
  #keep(recording: LiveRecording, note: ConsentNote): TakenConsentEvent | undefined {
    try {
      return this.#settings.keep(recording, note)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      this.#actions.note(recording, NOT_KEPT)
      return undefined
    }
  }

  #carryOut(open: OpenCase, outputs: readonly ConsentOutput[]): void {
    // Several may follow each other: what is done is done because of the last one before it.
    let state = open.recording.consentState ?? open.consentCase.state
    open.recording.consentState = open.consentCase.state
    for (const output of outputs) {
      if (output.kind === 'act') {
        this.#enforce(open, output.action, state)
        continue
      }
      state = output.state
      open.decided = this.#decide(open, output)
    }
    this.#arm(open)
  }

  #decide(open: OpenCase, output: ConsentOutput & { readonly kind: 'state' }): TakenConsentEvent | undefined {
    return this.#note(open, { body: eventOfState(output.state, open.reasons.numbers, output.explanation) })
  }

  #enforce(open: OpenCase, action: ConsentAction, state: ConsentState): void {
    const { recording, decided } = open
    const enforced = this.#note(open, { body: { type: 'enforced', action } })
    if (action !== 'keep' && action !== 'resume') {
      this.#forbid(open, action, state)
      return
    }
    // Without its event nothing is allowed: a crash must not leave what nobody agreed to.
    if (decided === undefined) return
    const allowed = this.#isDecided(decided, enforced).then((isKept) => {
      if (!isKept) return
      if (action === 'keep') this.#actions.settleHeld(recording, 'kept', state)
      // Somebody may have taken consent back while it waited.
      else if (!open.consentCase.isPaused) this.#actions.setPaused(recording, false)
    })
    open.pending.push(allowed)
  }

  async #isDecided(decided: TakenConsentEvent, enforced: TakenConsentEvent | undefined): Promise<boolean> {
    return (await decided.kept) || isThere(decided, enforced)
  }

  #forbid(
    { recording, consentCase }: OpenCase,
    action: Exclude<ConsentAction, 'keep' | 'resume'>,
    state: ConsentState,
  ): void {
    const detail = DETAILS[state]
    if (detail !== undefined) this.#actions.note(recording, { code: `consent-${state}`, detail })
    if (action === 'shred') this.#actions.note(recording, SHRED_WANTED)
    if (action === 'notify') this.#actions.notify(recording, state)
    else if (action === 'pause') this.#actions.setPaused(recording, true)
    else if (action === 'discard') {
      consentCase.handleDiscarded(this.#nowUs())
      this.#actions.settleHeld(recording, 'destroyed', state)
    } else if (action === 'stop') this.#actions.stop(recording)
    else if (action === 'shred') void this.#settings.shred(recording)
  }

  #arm(open: OpenCase): void {
    clearTimeout(open.timer)
    const { nextTimeoutUs } = open.consentCase
    if (nextTimeoutUs === undefined) return
    const waitMs = Math.max(0, Math.ceil((nextTimeoutUs + HEARD_LATE_US - this.#nowUs()) / 1_000))
    open.timer = setTimeout(() => {
      this.#carryOut(open, caseOf(open).handleTimeout(this.#nowUs() - HEARD_LATE_US))
    }, waitMs)
    open.timer.unref()
  }
}

/** A source that asks for nothing and listens for nothing has no cases: its recordings say that nothing is known of consent. */
function asksForConsent({ policy, listening }: SourceConsentConfig): boolean {
  return policy.require !== 'none' || listening !== undefined
}

/** What is signed to be done is what can be done: a session that is over is not paused or stopped. */
function caseOf({ recording, consentCase }: OpenCase): ConsentCase {
  if (recording.state === 'closing') consentCase.handleOver()
  return consentCase
}

/** Whether an event, and the last of what follows from it, is in the journal: a line that the disk did not take at first is written with the next one. */
async function isThere(event: TakenConsentEvent, last: TakenConsentEvent = event): Promise<boolean> {
  return (await event.isSigned) && last.kept
}

/** Where on the timeline: it begins with the first packet, which may come long after the INVITE. Whoever is there before that is there from its beginning. */
function positionAt({ originUs }: LiveRecording, us: number): number {
  return Math.max(0, Math.round(((us - (originUs ?? us)) * POSITIONS_PER_SECOND) / 1_000_000))
}
