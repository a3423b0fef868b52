import { isIPv6 } from 'node:net'

import type { AnnouncementMode, AnnouncementOutcome } from '../../consent/announcement/announcement.ts'
import type { AnnouncementsConfig } from '../../config/config.ts'
import type { DialogId } from '../../ids.ts'
import { parseTargetPattern, type TargetPattern } from '../../protocol/sip/target-pattern.ts'
import { parseSipUri } from '../../protocol/sip/uri.ts'
import { PortPool } from '../media/port-pool.ts'
import type { SourceTable } from '../recording/source-table.ts'
import type { DialogEnd, InDialogRequest, OfferRequest, SignallingPort } from '../signalling/port.ts'
import { AnnouncementDialog } from './announcement-dialog.ts'
import { AnnouncementMedia, type PacketDiscard } from './announcement-media.ts'
import {
  readAnnouncementRequest,
  readOffer,
  type AnnouncementRefusal,
  type AnnouncementRequest,
} from './announcement-request.ts'
import { isReachable, openSockets, type AnnouncementSockets } from './announcement-sockets.ts'
import type { AnnouncementSource, AnnouncementTable } from './announcement-table.ts'
import { AnnouncementProtection } from './announcement-protection.ts'
import type { AnnouncementTokens } from './announcement-tokens.ts'
import { PaceTimer } from './pace-timer.ts'
import type { PromptLibrary } from './prompt-library.ts'

const RETRY_AFTER_SECONDS = 5
const ANNOUNCEMENT_ID_BYTES = 16

/** What is told of an announcement, by whom it was asked for. */
export interface AnnouncerEvents {
  refused(reason: AnnouncementRefusal, src: string): void
  over(announcement: {
    readonly src: string
    readonly sipCallId: string
    readonly mode: AnnouncementMode
    readonly outcome: AnnouncementOutcome
    readonly promptIds: readonly string[]
    readonly packets: number
  }): void
  live(count: number): void
  late(ticks: number): void
  discarded(reason: PacketDiscard): void
  unsent(): void
  failed(error: unknown): void
}

export interface AnnouncerOptions {
  readonly announcements: AnnouncementsConfig
  readonly library: PromptLibrary
  readonly table: Pick<AnnouncementTable, 'put'>
  readonly tokens: Pick<AnnouncementTokens, 'issue'>
  readonly sources: Pick<SourceTable, 'lookup'>
  readonly signalling: Pick<SignallingPort, 'bye' | 'request'>
  readonly events: AnnouncerEvents
  readonly bindAddress: string
  /** What answers name; undefined: the address by which the PBX reaches us. */
  readonly mediaAddress: string | undefined
  readonly nowUs: () => number
  readonly nowUnixMs: () => number
  readonly randomBytes: (length: number) => Uint8Array
}

/** What is answered to each refusal. `Warning` is for whoever looks at a trace. RFC 3261 20.43 */
const REFUSALS: Readonly<
  Record<AnnouncementRefusal, { readonly status: number; readonly phrase: string; readonly warning: string }>
> = {
  source: {
    status: 403,
    phrase: 'Forbidden',
    warning: 'Only an entry of sources that is not refused may use the announcer',
  },
  full: { status: 503, phrase: 'Service Unavailable', warning: 'announcements.simultaneousMax is reached' },
  draining: { status: 503, phrase: 'Service Unavailable', warning: 'The recorder is shutting down' },
  ports: {
    status: 503,
    phrase: 'Service Unavailable',
    warning: 'No pair of ports is free between announcements.portMin and portMax',
  },
  uri: { status: 400, phrase: 'Bad Request', warning: 'The parameters of the Request-URI cannot be read' },
  prompt: { status: 404, phrase: 'Not Found', warning: 'There is no such prompt' },
  noTarget: { status: 400, phrase: 'Bad Request', warning: 'This mode needs a target' },
  target: { status: 403, phrase: 'Forbidden', warning: 'announcements.targets does not allow this target' },
  noOffer: { status: 488, phrase: 'Not Acceptable Here', warning: 'The announcer needs an SDP offer in the INVITE' },
  noCodec: {
    status: 488,
    phrase: 'Not Acceptable Here',
    warning: 'No audio line with PCMU, PCMA, G722 or opus and an IP address that can be reached',
  },
}

/**
 * The announcer: takes calls to `sip:announce@…` from configured sources, plays prompts, hears keys, lets the call go on, and keeps what was told and
 * answered for the recording that follows.
 */
export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #ports: PortPool
  readonly #pace: PaceTimer
  readonly #targets: readonly TargetPattern[]
  /** Undefined while an announcement is being opened. */
  readonly #dialogs = new Map<DialogId, AnnouncementDialog | undefined>()
  #isClosed = false
  readonly #idle: (() => void)[] = []

  constructor(options: AnnouncerOptions) {
    this.#options = options
    const { portMin, portMax, targets } = options.announcements
    this.#ports = new PortPool(portMin, portMax)
    this.#pace = new PaceTimer({ nowUs: options.nowUs, late: (ticks) => options.events.late(ticks) })
    this.#targets = targets.flatMap((text) => {
      const pattern = parseTargetPattern(text)
      return pattern.ok ? [pattern.value] : []
    })
  }

  /** A call to the announcer, not an SRC's. */
  isMeant({ requestUri }: Pick<OfferRequest, 'requestUri'>): boolean {
    const uri = parseSipUri(requestUri)
    return uri.ok && uri.value.user === this.#options.announcements.user
  }

  has(dialogId: DialogId): boolean {
    return this.#dialogs.has(dialogId)
  }

  handleInvite(offer: OfferRequest): void {
    const { sources, announcements, library } = this.#options
    const source = sources.lookup(offer.source)
    // Whoever matches no entry is `other`: he may be recorded, but not have calls made.
    if (source.refusal !== undefined || source.name === 'other') return this.#refuse(offer, 'source', source.name)
    if (this.#isClosed) return this.#refuse(offer, 'draining', source.name)
    if (this.#dialogs.size >= announcements.simultaneousMax) return this.#refuse(offer, 'full', source.name)
    const request = readAnnouncementRequest(offer, { announcements, targets: this.#targets, prompts: library.prompts })
    if (!request.ok) return this.#refuse(offer, request.reason, source.name)
    if (!this.#isReachable(request.value)) return this.#refuse(offer, 'noCodec', source.name)
    this.#dialogs.set(offer.dialogId, undefined)
    this.#count()
    this.#open(offer, request.value, source).catch((error: unknown) => {
      this.#options.events.failed(error)
      this.#forget(offer.dialogId)
      offer.refuse(500, 'Server Internal Error')
    })
  }

  handleReinvite(offer: OfferRequest): void {
    const dialog = this.#dialogs.get(offer.dialogId)
    const spoken = readOffer(offer)
    const isRefused = dialog === undefined || !spoken.ok || !this.#isReachable(spoken.value)
    const answer = isRefused ? undefined : dialog.change(spoken.value)
    if (answer === undefined) offer.refuse(488, 'Not Acceptable Here')
    else offer.answer(answer)
  }

  handleInDialog(dialogId: DialogId, request: InDialogRequest): void {
    const dialog = this.#dialogs.get(dialogId)
    if (request.method === 'NOTIFY') dialog?.handleNotify(request)
    if (request.method === 'INFO') dialog?.handleInfo(request)
  }

  handleConfirmed(dialogId: DialogId): void {
    this.#dialogs.get(dialogId)?.handleConfirmed()
  }

  handleEnded(dialogId: DialogId, end: DialogEnd): void {
    const dialog = this.#dialogs.get(dialogId)
    if (dialog === undefined) this.#forget(dialogId)
    else dialog.handleEnded(end)
  }

  /** Takes no more, and resolves when none is left. */
  async drain(): Promise<void> {
    this.#isClosed = true
    if (this.#dialogs.size === 0) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Ends what is left. */
  hangUpAll(): void {
    this.#isClosed = true
    for (const dialog of this.#dialogs.values()) dialog?.hangUp()
  }

  #isReachable({ line: { address } }: Pick<AnnouncementRequest, 'line'>): boolean {
    return address === undefined || isReachable(address, this.#options.bindAddress)
  }

  async #open(offer: OfferRequest, request: AnnouncementRequest, { name, tenant }: AnnouncementSource): Promise<void> {
    const sockets = await openSockets(this.#ports, this.#options.bindAddress)
    if (!this.#dialogs.has(offer.dialogId)) {
      // CANCEL won.
      sockets?.close()
      return
    }
    if (sockets === undefined) {
      this.#forget(offer.dialogId)
      this.#refuse(offer, 'ports', name)
      return
    }
    let dialog: AnnouncementDialog | undefined
    try {
      dialog = this.#create(offer, { request, source: { name, tenant }, sockets })
      this.#dialogs.set(offer.dialogId, dialog)
      await dialog.open(request)
    } catch (error) {
      dialog?.abandon()
      sockets.close()
      throw error
    }
  }

  #create(
    offer: OfferRequest,
    parts: {
      readonly request: AnnouncementRequest
      readonly source: AnnouncementSource
      readonly sockets: AnnouncementSockets
    },
  ): AnnouncementDialog {
    const { request, source, sockets } = parts
    const {
      library,
      table,
      tokens,
      signalling,
      events,
      nowUs,
      nowUnixMs,
      announcements,
      mediaAddress,
      bindAddress,
      randomBytes,
    } = this.#options
    const { plan, prompts, line, ids } = request
    const protection = line.crypto === undefined ? undefined : new AnnouncementProtection(line.crypto, randomBytes)
    const media = new AnnouncementMedia({
      ...{ sockets, line, protection, isIpv6: isIPv6(bindAddress) },
      start: startFrom(randomBytes(10)),
      cname: hex(randomBytes(8)),
      symmetricWith: announcements.symmetricRtp ? offer.source.address : undefined,
      pressed: (digit, way) => dialog.handleKey(digit, way),
      finished: () => dialog.handlePlayed(),
      discarded: (reason) => events.discarded(reason),
      reported: () => dialog.handleReported(),
      unsent: () => events.unsent(),
      broken: () => dialog.handleBroken(),
      ...{ nowUs, nowUnixMs },
    })
    const dialog: AnnouncementDialog = new AnnouncementDialog({
      ...{ offer, source, plan, prompts, media, library, table, tokens, signalling, ids, nowUs, nowUnixMs },
      ...{ codec: line.codec, protection, target: request.target },
      announcementId: hex(randomBytes(ANNOUNCEMENT_ID_BYTES)),
      address: mediaAddress ?? offer.localAddress,
      port: sockets.port,
      pace: this.#pace,
      failed: (error) => events.failed(error),
      closed: () => this.#forget(offer.dialogId),
      over: (outcome) => {
        const { sipCallId } = offer
        const promptIds = prompts.map(({ id }) => id)
        events.over({ src: source.name, sipCallId, mode: plan.mode, outcome, promptIds, packets: media.packetCount })
      },
    })
    return dialog
  }

  #refuse(offer: OfferRequest, reason: AnnouncementRefusal, src: string): void {
    const { status, phrase, warning } = REFUSALS[reason]
    this.#options.events.refused(reason, src)
    offer.refuse(status, phrase, [
      ...(status === 503 ? [['Retry-After', String(RETRY_AFTER_SECONDS)] as const] : []),
      ['Warning', `399 earwitness "${warning}"`],
    ])
  }

  #forget(dialogId: DialogId): void {
    if (!this.#dialogs.delete(dialogId)) return
    this.#count()
    if (this.#dialogs.size > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #count(): void {
    this.#options.events.live(this.#dialogs.size)
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** RFC 3550 5.1: SSRC, first sequence number and first timestamp are random. */
function startFrom(random: Uint8Array): {
  readonly ssrc: number
  readonly sequenceNumber: number
  readonly timestamp: number
} {
  const view = new DataView(random.buffer, random.byteOffset, random.length)
  return { ssrc: view.getUint32(0), timestamp: view.getUint32(4), sequenceNumber: view.getUint16(8) }
}
