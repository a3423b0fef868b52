import type { IncidentNotes } from './incident-notes.ts'
import type { PauseList } from './pause-list.ts'
import type { ReceiverSet } from './receiver-set.ts'
import type { MediaStreamPlan, RecordingFacts } from './recording-types.ts'
import type { RecordingWriter } from './recording-writer.ts'
import { isSameList } from './stream-rates.ts'
import { wishIncident } from './wish-incident.ts'

/** What is asked of the writer here. */
type LinkedWriter = Pick<RecordingWriter, 'endLink' | 'hasLink' | 'isCutAhead'>

/**
 * Which media streams a recording has and at what rates they are recorded, as offers and better audio change that; and what of it the
 * manifest is told. The owner asks only while the recording runs.
 */
export class StreamChanges {
  readonly #layout: RecordingFacts['layout']
  readonly #receivers: ReceiverSet
  readonly #writer: LinkedWriter
  readonly #incidents: IncidentNotes
  readonly #pauses: PauseList

  constructor(options: {
    readonly layout: RecordingFacts['layout']
    readonly receivers: ReceiverSet
    readonly writer: LinkedWriter
    readonly incidents: IncidentNotes
    readonly pauses: PauseList
  }) {
    this.#layout = options.layout
    this.#receivers = options.receivers
    this.#writer = options.writer
    this.#incidents = options.incidents
    this.#pauses = options.pauses
  }

  /** The first offer. */
  begin(plans: readonly MediaStreamPlan[], nowUs: number): void {
    this.#add(plans, nowUs)
  }

  /** What is to be noted of the first offer, once the key of the recording has been handed over. */
  noteFirst(plans: readonly MediaStreamPlan[], nowUs: number): void {
    this.#incidents.noteIf(wishIncident([], plans), nowUs)
    this.#notePaused(nowUs)
  }

  /** See `RecordingSession.encodersNeeded`. */
  encodersNeeded(plans: readonly MediaStreamPlan[]): readonly number[] {
    const rates = this.#receivers.ratesWith(plans)
    if (isSameList(rates, this.#receivers.rates)) return []
    const ofLink = this.#encoderRates(rates)
    return this.#writer.isCutAhead ? [...ofLink, ...ofLink] : ofLink
  }

  /** See `RecordingSession.encodersForRelease`: of the link behind the cut, and of the one before it while that has still to begin. */
  encodersForRelease(): readonly number[] {
    const ofLink = this.#encoderRates()
    return this.#writer.hasLink ? ofLink : [...ofLink, ...ofLink]
  }

  /** Of the encoders of one link, as it is now or with streams of these rates. */
  #encoderRates(rates: readonly number[] = this.#receivers.rates): readonly number[] {
    return this.#layout === 'mixed' ? rates.slice(0, 1) : rates
  }

  /** Goes on at the rates that `acceptWider` asked for, in a new link. */
  raiseRates(): void {
    const before = this.#receivers.rates
    this.#receivers.raiseRates([])
    if (!isSameList(before, this.#receivers.rates)) this.#writer.endLink()
  }

  /** A re-INVITE was answered: directions, payload types or the number of streams changed. */
  update(plans: readonly MediaStreamPlan[], nowUs: number): void {
    const added = plans.filter((plan) => !this.#receivers.byId.has(plan.streamId))
    const planned = new Map(plans.map((plan) => [plan.streamId, plan]))
    const before = this.#receivers.all.map(({ plan }) => plan)
    const ratesBefore = this.#receivers.rates
    this.#incidents.noteIf(wishIncident(before, plans), nowUs)
    for (const [streamId, receiver] of this.#receivers.byId) {
      const plan = planned.get(streamId)
      if (plan !== undefined) receiver.replan(plan, nowUs)
      else if (receiver.refuse(nowUs)) {
        const detail = 'A media stream went over to formats that cannot be recorded.'
        this.#incidents.note({ code: 'stream-refused', detail }, nowUs)
      }
    }
    this.#receivers.raiseRates(plans)
    const hasNewChannel = added.length > 0 && !this.#receivers.isFull && this.#layout === 'separate'
    if (hasNewChannel || !isSameList(ratesBefore, this.#receivers.rates)) this.#writer.endLink()
    this.#add(added, nowUs)
    this.#notePaused(nowUs)
  }

  #add(plans: readonly MediaStreamPlan[], nowUs: number): void {
    for (const plan of plans) {
      if (this.#receivers.isFull) {
        const detail = 'More media streams were offered than a recording holds.'
        this.#incidents.note({ code: 'streams-too-many', detail }, nowUs)
        return
      }
      this.#receivers.add(plan, nowUs)
    }
  }

  #notePaused(nowUs: number): void {
    this.#incidents.noteIf(this.#pauses.setStreams(this.#receivers.pausedByPlan, nowUs), nowUs)
  }
}
