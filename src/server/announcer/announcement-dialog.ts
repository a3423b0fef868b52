import {
  Announcement,
  type AnnouncementAct,
  type AnnouncementOutcome,
  type AnnouncementPlan,
  type KeyWay,
} from '../../consent/announcement/announcement.ts'
import type { DialogId } from '../../ids.ts'
import type { PromptCodec } from '../../media/prompt-audio.ts'
import type { DtmfDigit } from '../../protocol/rtp/telephone-event.ts'
import { buildAnswer } from '../../protocol/sdp/answer.ts'
import type { ConversationLine } from '../../protocol/sdp/conversation-line.ts'
import type { SessionDescription } from '../../protocol/sdp/session-description.ts'
import { readInfoKey } from '../../protocol/sip/info-key.ts'
import { sipfragStatus } from '../../protocol/sip/sipfrag.ts'
import type { CorrelationId } from '../../protocol/siprec/correlation-values.ts'
import type { DialogEnd, InDialogRequest, OfferRequest, SignallingPort } from '../signalling/port.ts'
import type { AnnouncementMedia } from './announcement-media.ts'
import { AnnouncementRecord } from './announcement-record.ts'
import type { AnnouncementSource, AnnouncementTable } from './announcement-table.ts'
import type { AnnouncementProtection } from './announcement-protection.ts'
import { type AnnouncementTokens, TOKEN_HEADER } from './announcement-tokens.ts'
import type { Paced, PaceTimer } from './pace-timer.ts'
import type { Prompt, PromptLibrary } from './prompt-library.ts'

/** By what the PBX learns how it went. RFC 3326; below 200 the causes are those of Q.850 */
const BYE_REASONS: Readonly<Record<AnnouncementOutcome, { readonly cause: number; readonly text: string }>> = {
  played: { cause: 16, text: 'Announcement played' },
  agreed: { cause: 16, text: 'Consent given' },
  refused: { cause: 21, text: 'Consent refused' },
  noAnswer: { cause: 19, text: 'No answer to the announcement' },
  hangUp: { cause: 16, text: 'Hung up' },
  cancelled: { cause: 16, text: 'Cancelled' },
  noAck: { cause: 16, text: 'No ACK' },
  failed: { cause: 41, text: 'Announcement failed' },
  transferFailed: { cause: 31, text: 'Transfer failed' },
}
/** How often a 183 is repeated in early mode, so that proxies do not take the call for dead. RFC 3261 13.3.1.1 */
const PROGRESS_US = 45_000_000
/** How long the last reports of the listener are awaited: most come with the end of his media, after our BYE. RFC 3550 6.6 */
const LINGER_MS = 1_500

/** An offer, and the line of it on which we speak. */
interface SpokenOffer {
  readonly description: SessionDescription
  readonly line: ConversationLine<PromptCodec>
}

export interface AnnouncementDialogOptions {
  readonly offer: OfferRequest
  readonly plan: AnnouncementPlan
  readonly prompts: readonly Prompt[]
  readonly codec: PromptCodec
  readonly media: AnnouncementMedia
  /** Undefined: RTP in clear. */
  readonly protection: AnnouncementProtection | undefined
  /** Where the call goes on; allowed already. */
  readonly target: string | undefined
  readonly library: PromptLibrary
  /** Names it in the table, and in a token. */
  readonly announcementId: string
  /** Who sent the call. */
  readonly source: AnnouncementSource
  /** Where we are heard and hear. */
  readonly address: string
  readonly port: number
  readonly ids: readonly CorrelationId[]
  readonly table: Pick<AnnouncementTable, 'put'>
  readonly tokens: Pick<AnnouncementTokens, 'issue'>
  readonly signalling: Pick<SignallingPort, 'bye' | 'request'>
  readonly pace: PaceTimer
  /** The call has gone on, or is over. */
  readonly over: (outcome: AnnouncementOutcome) => void
  /** Its ports are given back, and nothing more is kept of it. */
  readonly closed: () => void
  readonly failed: (error: unknown) => void
  readonly nowUs: () => number
  readonly nowUnixMs: () => number
}

/** One call to the announcer, from its answer to its end: does what {@link Announcement} asks for. */
export class AnnouncementDialog {
  readonly dialogId: DialogId
  readonly media: AnnouncementMedia
  readonly #options: AnnouncementDialogOptions
  readonly #announcement: Announcement
  readonly #paced: Paced
  readonly #record: AnnouncementRecord
  #payloads: readonly (readonly Uint8Array[])[] = []
  #playing = 0
  readonly #sessionId: string
  #descriptions = 0
  #token: string | undefined
  #timer: NodeJS.Timeout | undefined
  #lingering: NodeJS.Timeout | undefined
  #isHurried = false
  #isKeeping = false
  #progressAtUs = Infinity

  constructor(options: AnnouncementDialogOptions) {
    this.#options = options
    this.dialogId = options.offer.dialogId
    this.media = options.media
    // Decimal digits. RFC 8866 5.2
    this.#sessionId = String(Number.parseInt(options.announcementId.slice(0, 12), 16))
    this.#paced = { tick: () => this.#guard(() => options.media.tick()) }
    this.#announcement = new Announcement(options.plan, {
      act: (act) => this.#act(act),
      playedMs: () => Math.min(options.media.playedMs, options.prompts[this.#playing]?.totalMs ?? 0),
      nowUs: options.nowUs(),
    })
    const { announcementId, source, ids, table, media, nowUnixMs } = options
    const record = { announcement: this.#announcement, announcementId, source, ids, table, nowUnixMs }
    this.#record = new AnnouncementRecord({ ...record, news: () => media.news }, options.nowUs())
  }

  /** Encodes the prompts and answers; in early mode with a 183, and the prompt begins. */
  async open({ description, line }: SpokenOffer): Promise<void> {
    const { library, prompts, codec, offer, plan, pace, nowUs } = this.#options
    this.#payloads = await Promise.all(prompts.map((prompt) => library.encoded(prompt, codec)))
    if (this.#announcement.isOver) return
    const sdp = this.#describe(description, line)
    // A call may arrive on hold, as one does that is being transferred.
    this.#announcement.handleHeld(!line.isListening, nowUs())
    pace.add(this.#paced)
    if (plan.mode === 'early') {
      offer.progress(183, sdp)
      this.#progressAtUs = nowUs() + PROGRESS_US
      this.handleConfirmed()
    } else offer.answer(sdp)
    this.#arm()
  }

  /** Another offer within the dialog; our answer, or undefined when it cannot be taken: another codec, or another kind of protection. */
  change(spoken: SpokenOffer): Uint8Array | undefined {
    const { codec, protection, nowUs } = this.#options
    const { line, description } = spoken
    if (line.codec !== codec || (line.crypto === undefined) !== (protection === undefined)) return undefined
    if (line.crypto !== undefined) protection?.renew(line.crypto, nowUs())
    this.media.setLine(line)
    this.handleHeld(!line.isListening)
    return this.#describe(description, line)
  }

  /** Our answer to an offer. The session id is the same for all of a dialog, its version goes up. RFC 3264 8 */
  #describe(offer: SessionDescription, line: ConversationLine<PromptCodec>): Uint8Array {
    this.#descriptions += 1
    const { port, address, protection } = this.#options
    const events = line.events === undefined ? [] : [line.events.payloadType]
    const keys = protection === undefined ? {} : { masterKey: protection.masterKey }
    const spoken = {
      port,
      payloadTypes: [line.payloadType, ...events],
      direction: 'sendrecv',
      record: 'off',
      ...keys,
    } as const
    return buildAnswer({
      offer,
      lines: offer.media.map((_, index) =>
        index === line.index ? spoken : { port: 0, payloadTypes: [], direction: 'inactive' },
      ),
      address,
      sessionId: this.#sessionId,
      sessionVersion: this.#descriptions,
    })
  }

  handleConfirmed(): void {
    this.#enter(() => this.#announcement.handleConfirmed())
  }

  handleHeld(isHeld: boolean): void {
    this.#enter(() => this.#announcement.handleHeld(isHeld, this.#options.nowUs()))
  }

  /** What became of a REFER of ours. A subscription that ends without a final status has nothing more to tell: the call is on its way. RFC 3515 2.4.5 */
  handleNotify(request: InDialogRequest): void {
    const status = sipfragStatus(request.body)
    const isTerminated = /^\s*terminated/i.test(request.header('subscription-state') ?? '')
    const isFinal = status !== undefined && status >= 200
    if (isFinal || isTerminated) this.#enter(() => this.#announcement.handleTransferred(!isFinal || status < 300))
  }

  handleBroken(): void {
    this.#enter(() => this.#announcement.handleBroken(this.#options.nowUs()))
  }

  handlePlayed(): void {
    const range = this.media.lastRange
    if (range !== undefined) this.#record.handleSent(this.#playing, range)
    this.#enter(() => this.#announcement.handlePlayed(this.#options.nowUs()))
  }

  handleKey(digit: DtmfDigit, way: KeyWay): void {
    this.#enter(() => this.#announcement.handleKey(digit, way, this.#options.nowUs()))
  }

  /** Where keys come by the signalling; whatever else it tells is not for us. */
  handleInfo(request: InDialogRequest): void {
    const digit = readInfoKey(request.header('content-type'), request.body)
    if (digit.ok) this.handleKey(digit.value, 'info')
  }

  handleEnded({ cause }: DialogEnd): void {
    const ends = {
      bye: 'hangUp',
      cancelled: 'cancelled',
      noAck: 'noAck',
      refused: 'failed',
      sessionExpired: 'failed',
      local: undefined,
    } as const
    const end = ends[cause]
    if (end !== undefined) this.#enter(() => this.#announcement.handleEnded(end, this.#options.nowUs()))
  }

  /** It could not be opened: gives back what it has. The call is refused by whoever opened it. */
  abandon(): void {
    clearTimeout(this.#timer)
    this.#options.pace.remove(this.#paced)
    this.media.close()
  }

  /** The recorder goes down: whoever still listens is let go. */
  hangUp(): void {
    this.#isHurried = true
    if (this.#lingering !== undefined) this.#close()
    if (this.#announcement.isOver) return
    this.#enter(() => this.#announcement.handleEnded('failed', this.#options.nowUs()))
    this.#bye('failed')
  }

  /** The listener told how far he has heard us. */
  handleReported(): void {
    this.#record.handleReported()
    if (this.#lingering !== undefined && !this.#record.awaitsReport) this.#close()
  }

  #act(act: AnnouncementAct): void {
    const { offer } = this.#options
    switch (act.kind) {
      case 'play': {
        this.#playing = act.index
        const payloads = this.#payloads[act.index]
        if (payloads !== undefined) this.media.play(payloads)
        return
      }
      case 'stopPlaying':
        return this.media.stop()
      case 'settle':
        return this.#settle()
      case 'bye':
        return this.#bye(act.outcome)
      case 'redirect':
        return this.#redirect()
      case 'refer':
        return this.#refer()
      case 'decline':
        return offer.refuse(603, 'Decline')
      case 'over':
        return this.#over(act.outcome)
    }
  }

  #bye(outcome: AnnouncementOutcome): void {
    this.#options.signalling.bye(this.dialogId, BYE_REASONS[outcome]).catch(this.#options.failed)
  }

  /** The facts are on disk before the call goes on: the recording that follows must find them, whatever happens to this process. */
  #settle(): void {
    this.#isKeeping = true
    this.#keep()
      .finally(() => {
        this.#isKeeping = false
      })
      .then(() => this.#enter(() => this.#announcement.handleSettled(this.#options.nowUs())))
      .catch((error: unknown) => {
        this.#options.failed(error)
        this.#enter(() => this.#announcement.handleUnsettled())
      })
  }

  async #keep(): Promise<void> {
    const { tokens, announcementId, target } = this.#options
    await this.#record.keep()
    if (target !== undefined) this.#token = await tokens.issue(announcementId)
  }

  /** The call goes on from the PBX itself, with the token in the header that its INVITE then bears. RFC 3261 8.1.3.4, 19.1.1 */
  #redirect(): void {
    const { offer } = this.#options
    const token = this.#token ?? ''
    offer.refuse(302, 'Moved Temporarily', [
      ['Contact', `<${this.#targetWith(token)}>`],
      [TOKEN_HEADER, token],
    ])
  }

  /** RFC 3515 2.4.1 */
  #refer(): void {
    const { signalling, offer, address } = this.#options
    const token = this.#token ?? ''
    const by = `<sip:${address.includes(':') ? `[${address}]` : address}>`
    const headers = [
      ['Refer-To', `<${this.#targetWith(token)}>`],
      ['Referred-By', by],
      [TOKEN_HEADER, token],
    ] as const
    signalling
      .request(offer.dialogId, { method: 'REFER', headers })
      .then(({ status }) => {
        if (status < 200 || status >= 300) this.#enter(() => this.#announcement.handleTransferred(false))
      })
      .catch(this.#options.failed)
  }

  /** The characters of a token are those that need no escape there. */
  #targetWith(token: string): string {
    return `${this.#options.target ?? ''}?${TOKEN_HEADER}=${token}`
  }

  #over(outcome: AnnouncementOutcome): void {
    clearTimeout(this.#timer)
    this.#options.pace.remove(this.#paced)
    if (this.#isKeeping)
      this.#options.failed(new Error('what was announced is not on the disk yet, and was not waited for'))
    try {
      this.#options.over(outcome)
    } finally {
      if (this.#record.awaitsReport && !this.#isHurried) this.#linger()
      else this.#close()
    }
  }

  /** Listens for a last report of the other side; one of ours lets it know how much there was to hear. */
  #linger(): void {
    this.#lingering = setTimeout(() => this.#close(), LINGER_MS)
    this.#guard(() => this.media.report({ isLeaving: false, sent: () => {} }))
  }

  /** Gives the ports back, and keeps the facts once more where a report has changed them; nobody waits for the disk. */
  #close(): void {
    clearTimeout(this.#lingering)
    this.#lingering = undefined
    this.#guard(() => this.media.close())
    this.#record.keepAgain().catch(this.#options.failed)
    this.#options.closed()
  }

  #enter(action: () => void): void {
    this.#guard(action)
    this.#arm()
  }

  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#options.failed(error)
    }
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const { nowUs } = this.#options
    const nextUs = Math.min(this.#announcement.nextTimeoutUs, this.#announcement.isOver ? Infinity : this.#progressAtUs)
    if (nextUs === Infinity) return
    this.#timer = setTimeout(
      () => this.#enter(() => this.#timeout()),
      Math.max(0, Math.ceil((nextUs - nowUs()) / 1_000)),
    )
  }

  #timeout(): void {
    const { offer, nowUs } = this.#options
    if (nowUs() >= this.#progressAtUs) {
      this.#progressAtUs = nowUs() + PROGRESS_US
      offer.progress(183)
    }
    this.#announcement.handleTimeout(nowUs())
  }
}
