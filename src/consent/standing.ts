import type { ConsentNeeds, ConsentParty, ConsentPolicy } from './policy.ts'
import type { ConsentFact } from './words.ts'

/** Samples of the recording's timeline in a millisecond. */
const SAMPLES_PER_MS = 48

/** A fact, and whether it came after the deadline. */
export interface TimedFact {
  readonly fact: ConsentFact
  /** When it happened, by one clock for all facts of a recording; what is heard is told later than that. */
  readonly atUs: number
  readonly isLate: boolean
  /** What was recorded until then has been destroyed, and with it what was heard there. */
  readonly isGone?: boolean | undefined
}

type Answer = 'none' | 'yes' | 'no' | 'withdrawn'

/** What is known of one party. */
export interface PartyStanding {
  readonly party: ConsentParty
  /** By the operator's word this party need not be told, where the rule takes such a word. */
  readonly isExempt: boolean
  told: boolean
  /** Its last explicit answer. A spoken yes that nobody has reviewed is none. */
  answer: Answer
  awaitsReview: boolean
}

/** What is known of all parties. */
export interface Standing {
  readonly parties: readonly PartyStanding[]
  /** Why facts that one might count did not count; for people. */
  readonly notes: ReadonlySet<string>
  /** An objection that nobody in particular made stands against all. */
  readonly objection: 'no' | 'withdrawn' | undefined
  /** An announcement is in what there is of the recording, from its beginning to its end; in whose stream is all the same. */
  readonly hasAnnouncement: boolean
}

export interface StandingQuestion {
  readonly parties: readonly ConsentParty[]
  readonly needs: ConsentNeeds
  readonly policy: ConsentPolicy
  readonly facts: readonly TimedFact[]
  /** Ids of parties of whom nothing from before has been kept, so that notice after the deadline came in time for what is. */
  readonly startedAfresh: ReadonlySet<string>
}

/** Somebody refuses, or takes consent back. */
export function isObjection(fact: ConsentFact): boolean {
  return fact.type === 'withdrawn' || ((fact.type === 'answered' || fact.type === 'reviewed') && fact.answer === 'no')
}

/** When that began which was over at `atUs`: an announcement is told when it is over. */
export function beganAtUs(fact: ConsentFact, atUs: number): number {
  return fact.type === 'announcementHeard' ? atUs - (fact.heardSamples / SAMPLES_PER_MS) * 1_000 : atUs
}

/**
 * The facts with one more, in the order in which they count: that in which they were told. A yes alone goes before the objections that were made after it, so that none is taken back by
 * what was said before it and heard behind it. A person who reviews has heard both.
 */
export function placeFact(facts: readonly TimedFact[], told: TimedFact): readonly TimedFact[] {
  const isYes = told.fact.type === 'answered' && told.fact.answer === 'yes'
  const index = isYes ? facts.findIndex(({ fact, atUs }) => isObjection(fact) && atUs > told.atUs) : -1
  return index < 0 ? [...facts, told] : facts.toSpliced(index, 0, told)
}

/** Folds the facts, in their order. */
export function standingOf(question: StandingQuestion): Standing {
  const folding = new Folding(question)
  for (const timed of question.facts) folding.take(timed)
  return folding.standing
}

class Folding {
  readonly #question: StandingQuestion
  readonly #parties: readonly PartyStanding[]
  readonly #notes = new Set<string>()
  #objection: Standing['objection']
  /** When who took consent back did so; of `undefined`, nobody in particular. */
  readonly #withdrawnUs = new Map<PartyStanding | undefined, number>()
  #hasAnnouncement = false

  constructor(question: StandingQuestion) {
    this.#question = question
    const { notice, require } = question.needs
    const wordCounts = notice.includes('written') || notice.includes('contract')
    this.#parties = question.parties.map((party) => {
      const isExempt = party.own === 'agreed' || (party.own === 'informed' && wordCounts)
      return { party, isExempt, told: isExempt, answer: 'none', awaitsReview: false }
    })
    if (require === 'notice' && !wordCounts && question.parties.some(({ own }) => own === 'informed'))
      this.#notes.add("the rule does not take what the operator's own people know by contract or in writing for notice")
  }

  get standing(): Standing {
    return {
      parties: this.#parties,
      notes: this.#notes,
      objection: this.#objection,
      hasAnnouncement: this.#hasAnnouncement,
    }
  }

  take({ fact, atUs, isLate, isGone = false }: TimedFact): void {
    switch (fact.type) {
      case 'announcementPlayed':
        return this.#takePlayed(fact, isLate)
      case 'announcementHeard':
        return this.#takeHeard(fact, isGone)
      case 'answered':
        return this.#takeAnswer(fact, atUs)
      case 'reviewed':
        return this.#settle(this.#reviewedParty(fact.participantId), fact.answer, atUs)
      case 'withdrawn':
        return this.#settle(this.#partyOf(fact.participantId) ?? this.#soleSender(fact.streamId), 'withdrawn', atUs)
      case 'declared':
        this.#notes.add('what the SRC declares is no evidence')
    }
  }

  /** An announcer plays to the calling party before the call goes on; nobody else is there. */
  #takePlayed(fact: Extract<ConsentFact, { type: 'announcementPlayed' }>, isLate: boolean): void {
    const { needs } = this.#question
    if (!needs.notice.includes('announcement')) return
    if (fact.heardToEnd !== 'yes' || fact.endCause !== 'played') {
      this.#notes.add('an announcement was played and perhaps not heard to its end')
      return
    }
    if (needs.recordAnnouncement) {
      this.#notes.add('an announcement was played before the recording, and the rule wants it in the recording')
      return
    }
    const told = fact.participantId === undefined ? this.#caller() : this.#partyOf(fact.participantId)
    if (told !== undefined) this.#tell([told], isLate)
  }

  /**
   * What a stream carries is what its party's side says: everybody else on the call hears it, and that side itself
   * does not. So an announcement in the callee's stream tells the caller.
   */
  #takeHeard(fact: Extract<ConsentFact, { type: 'announcementHeard' }>, isGone: boolean): void {
    const { needs, policy } = this.#question
    if (!needs.notice.includes('announcement')) return
    const enough =
      fact.verdict === 'heardInFull' ||
      (fact.verdict === 'heardInPart' && policy.heardShareMin < 1 && fact.share >= policy.heardShareMin)
    if (!enough) {
      this.#notes.add('an announcement was heard in part, or not for certain')
      return
    }
    if (isGone && needs.recordAnnouncement) {
      this.#notes.add('an announcement was destroyed with the beginning, and the rule wants it in the recording')
      return
    }
    this.#hasAnnouncement = true
    const senders = this.#parties.filter(({ party }) => party.streamIds.includes(fact.streamId))
    if (senders.length === 0) {
      this.#notes.add('an announcement was heard in a stream of nobody known')
      return
    }
    const isShared = senders.length > 1
    if (isShared && policy.mixedAnnouncement === 'ignored') {
      this.#notes.add('an announcement was heard in a stream that several parties share')
    }
    const alsoSenders = isShared && policy.mixedAnnouncement === 'heardByAll'
    for (const standing of this.#parties) {
      if (senders.includes(standing) && !alsoSenders) continue
      const joinedAt = standing.party.joinedAtSample ?? 0
      if (fact.fromSample < joinedAt) continue
      this.#tell([standing], fact.fromSample > joinedAt + policy.deadlineMs * SAMPLES_PER_MS)
    }
  }

  #tell(parties: readonly PartyStanding[], isLate: boolean): void {
    for (const standing of parties) {
      const counts = !isLate || this.#question.needs.when === 'during'
      if (counts || this.#question.startedAfresh.has(standing.party.id)) standing.told = true
      else this.#notes.add('an announcement came after the deadline')
    }
  }

  #takeAnswer(fact: Extract<ConsentFact, { type: 'answered' }>, atUs: number): void {
    if (fact.answer === 'none') return
    const party = this.#answeringParty(fact)
    if (fact.answer === 'yes' && fact.by === 'api' && this.#question.policy.apiAnswers === false) {
      this.#notes.add('a yes by the API does not count here')
      return
    }
    if (fact.by !== 'speech' || fact.answer === 'no') return this.#settle(party, fact.answer, atUs)
    this.#notes.add('a spoken yes counts once a person has listened to it')
    if (party !== undefined) party.awaitsReview = true
  }

  #answeringParty(fact: Extract<ConsentFact, { type: 'answered' }>): PartyStanding | undefined {
    if (fact.participantId !== undefined) return this.#partyOf(fact.participantId)
    if (fact.streamId !== undefined) return this.#soleSender(fact.streamId)
    // Keys outside any stream were pressed at an announcer, by who called it.
    return fact.by === 'dtmf' ? this.#caller() : only(this.#askable())
  }

  #reviewedParty(participantId: string | undefined): PartyStanding | undefined {
    if (participantId !== undefined) return this.#partyOf(participantId)
    return only(this.#parties.filter(({ awaitsReview }) => awaitsReview)) ?? only(this.#askable())
  }

  /** Whose voice a stream carries, when it is one party's alone. */
  #soleSender(streamId: string | undefined): PartyStanding | undefined {
    return streamId === undefined
      ? undefined
      : only(this.#parties.filter(({ party }) => party.streamIds.includes(streamId)))
  }

  #partyOf(id: string | undefined): PartyStanding | undefined {
    return id === undefined ? undefined : this.#parties.find(({ party }) => party.id === id)
  }

  #caller(): PartyStanding | undefined {
    return only(this.#parties.filter(({ party }) => party.role === 'caller'))
  }

  #askable(): readonly PartyStanding[] {
    return this.#parties.filter(({ party }) => party.own !== 'agreed')
  }

  /** A withdrawal stands that was made after this instant: a no of before, which was heard later, does not make a refusal of it. */
  #isWithdrawnAfter(who: PartyStanding | undefined, atUs: number): boolean {
    const answer = who === undefined ? this.#objection : who.answer
    return answer === 'withdrawn' && (this.#withdrawnUs.get(who) ?? atUs) > atUs
  }

  /** A yes of nobody known counts for nobody; a no, or a withdrawal, of nobody known counts for everybody. */
  #settle(standing: PartyStanding | undefined, answer: 'yes' | 'no' | 'withdrawn', atUs: number): void {
    if (answer === 'withdrawn') this.#withdrawnUs.set(standing, atUs)
    if (standing !== undefined) {
      if (answer === 'no' && this.#isWithdrawnAfter(standing, atUs)) return
      standing.answer = answer
      standing.awaitsReview = false
      if (answer === 'yes') standing.told = true
    } else if (answer === 'yes') this.#notes.add('a yes came of nobody in particular')
    else {
      if (answer === 'withdrawn' || !this.#isWithdrawnAfter(undefined, atUs)) this.#objection = answer
      for (const each of this.#parties) {
        if (answer === 'withdrawn' || !this.#isWithdrawnAfter(each, atUs)) each.answer = 'none'
      }
    }
    // A general objection ends when all who are asked have said yes again since.
    const asked = this.#askable().length === 0 ? this.#parties : this.#askable()
    if (asked.length > 0 && asked.every((each) => each.answer === 'yes')) this.#objection = undefined
  }
}

/** The one item of a list of one. */
function only<Item>(items: readonly Item[]): Item | undefined {
  return items.length === 1 ? items[0] : undefined
}
