import { setTimeout as delay } from 'node:timers/promises'
import { DEFAULT_SIP_TIMERS } from '../../protocol/sip/timers.ts'
import { monotonicUs } from '../../server/monotonic.ts'
import { inventConversation, STREAM_LABELS } from './conversation.ts'
import type { DialogTable } from './dialog-table.ts'
import { LineProtection } from './line-protection.ts'
import { MediaLine, readAnswer } from './media-line.ts'
import type { MediaPacer } from './media-pacer.ts'
import { completeMetadata, finalMetadata, METADATA_CONTENT_TYPE } from './metadata.ts'
import type { InventedConversation } from './metadata.ts'
import { buildOffer, multipartBody, sdpBody } from './offer.ts'
import type { OutgoingBody } from './offer.ts'
import type { SimulateOptions } from './options.ts'
import { targetUri } from './options.ts'
import type { FailureReason, RecordingSessionOutcome } from './outcome.ts'
import { randomBytes, randomToken, randomUint32 } from './random.ts'
import type { Random } from './random.ts'
import { SrcDialog } from './src-dialog.ts'
import type { SrcDialogEnd } from './src-dialog.ts'
import { openStreamSocket } from './stream-socket.ts'
import type { SrcAddress } from './src-requests.ts'

/** What all recording sessions of a run share. */
export interface RunContext {
  readonly options: SimulateOptions
  readonly local: SrcAddress
  readonly dialogs: DialogTable
  readonly pacer: MediaPacer
  /** G.711 octets, one per media stream. */
  readonly speech: readonly Uint8Array[]
  /** For identifiers and keys, so never seeded: two runs must not look like one to the recorder. Fit for secrets. */
  readonly freshRandom: Random
  readonly signal: AbortSignal
  handlePhase(phase: 'answered'): void
}

/** For the last report of a recorder that has reported before. */
const FAREWELL_WAIT_MS = 1_000

/** One recording session from INVITE to the answer of its BYE. */
export class PlacedRecordingSession {
  readonly #context: RunContext
  readonly #sequence: number
  readonly #sipCallId: string
  readonly #conversation: InventedConversation
  readonly #sdpSessionId: string
  #sdpSessionVersion = 0
  #dialog: SrcDialog | undefined
  #lines: readonly MediaLine[] = []
  #failure: FailureReason | undefined
  #inviteUs = 0
  #inviteResponseMs: number | undefined
  readonly #answered = Promise.withResolvers<Uint8Array>()
  readonly #ended = Promise.withResolvers<SrcDialogEnd>()
  /** Aborted when nothing is left to wait for: the dialog has ended, or the run is interrupted. */
  readonly #over = new AbortController()

  constructor(context: RunContext, sequence: number) {
    this.#context = context
    this.#sequence = sequence
    this.#sipCallId = `${randomToken(context.freshRandom, 24)}@${context.local.address}`
    this.#conversation = inventConversation(context.freshRandom, sequence, new Date())
    this.#sdpSessionId = String(randomUint32(context.freshRandom))
  }

  async run(): Promise<RecordingSessionOutcome> {
    const interrupt = (): void => {
      this.#dialog?.cancel(monotonicUs())
      this.#over.abort()
    }
    this.#context.signal.addEventListener('abort', interrupt, { once: true })
    try {
      if (!(await this.#openLines())) return this.#outcome('silent')
      this.#invite()
      const first = await Promise.race([this.#answered.promise, this.#ended.promise])
      if (first instanceof Uint8Array) await this.#converse(first)
      const end = await this.#hangUp()
      await this.#hearOut()
      return this.#outcome(end)
    } finally {
      this.#context.signal.removeEventListener('abort', interrupt)
      for (const line of this.#lines) line.close()
    }
  }

  async #openLines(): Promise<boolean> {
    const { options, local, speech, freshRandom } = this.#context
    const { srtp, receivesReports } = options
    const sockets = await Promise.allSettled(
      STREAM_LABELS.map(async () => await openStreamSocket(local.address, receivesReports)),
    )
    this.#lines = sockets.flatMap((socket, index) => {
      if (socket.status === 'rejected') return []
      const line = { streamLabel: STREAM_LABELS[index] ?? '', index, sequence: this.#sequence, socket: socket.value }
      const protection = srtp && new LineProtection(srtp, (length) => randomBytes(freshRandom, length))
      return [new MediaLine({ ...line, encodedAudio: speech[index] ?? new Uint8Array(0), options, protection })]
    })
    if (this.#lines.length === STREAM_LABELS.length) return true
    this.#failure = 'noSocket'
    return false
  }

  #invite(): void {
    const { options, local, dialogs, freshRandom } = this.#context
    this.#dialog = new SrcDialog({
      identity: {
        src: local,
        recorderUri: targetUri(options.target),
        sipCallId: this.#sipCallId,
        fromTag: randomToken(freshRandom),
      },
      timers: DEFAULT_SIP_TIMERS,
      randomToken: () => randomToken(freshRandom),
      sink: {
        send: (bytes, nextHop) => dialogs.send(bytes, nextHop),
        respond: (bytes) => dialogs.respond(bytes),
        handleAnswer: (sdp, nowUs) => {
          this.#inviteResponseMs = (nowUs - this.#inviteUs) / 1_000
          this.#context.handlePhase('answered')
          this.#answered.resolve(sdp)
        },
        handleReinviteAnswer: (status, sdp) => {
          if (status >= 300) this.#failure ??= 'reinviteRefused'
          else this.#switchKeys(sdp)
        },
        handleEnded: (end) => {
          this.#ended.resolve(end)
          this.#over.abort()
        },
      },
    })
    dialogs.add(this.#sipCallId, this.#dialog)
    this.#inviteUs = monotonicUs()
    const metadata = metadataBody(completeMetadata(this.#conversation))
    const boundary = `part-${randomToken(freshRandom)}`
    this.#dialog.invite(multipartBody([sdpBody(this.#offer('sendonly')), metadata], boundary), this.#inviteUs)
    if (this.#context.signal.aborted) this.#dialog.cancel(this.#inviteUs)
  }

  /** Packets are under the offered keys from now on, and those of the recorder under its own of the same answer. */
  #switchKeys(sdp: Uint8Array | undefined): void {
    const protections = this.#lines.map(({ protection }) => protection)
    for (const protection of protections) protection?.switchToOffered()
    if (this.#context.options.renewsKeys && sdp !== undefined) readAnswer(sdp, protections)
  }

  #offer(direction: 'sendonly' | 'inactive'): Uint8Array {
    this.#sdpSessionVersion++
    const { local, options } = this.#context
    return buildOffer({
      address: local.address,
      sdpSessionId: this.#sdpSessionId,
      sdpSessionVersion: this.#sdpSessionVersion,
      codec: options.codec,
      streams: this.#lines.map(({ streamLabel, port, protection }) => {
        return { streamLabel, port, direction, crypto: protection?.crypto }
      }),
    })
  }

  /** From the answer to the moment of hanging up. */
  async #converse(sdp: Uint8Array): Promise<void> {
    const { options, pacer } = this.#context
    const answer = readAnswer(
      sdp,
      this.#lines.map(({ protection }) => protection),
    )
    if (answer === undefined) {
      this.#failure = 'badAnswer'
      return
    }
    const startUs = monotonicUs()
    const playing = this.#lines.map(async (line, index) => {
      const destination = answer[index] ?? 'streamRefused'
      if (typeof destination === 'string') this.#failure ??= destination
      else if (options.sendRtp) await line.play(destination, startUs, pacer)
    })
    const whole = this.#wait(options.durationMs)
    const stop = (): void => this.#lines.forEach((line) => line.stop())
    this.#over.signal.addEventListener('abort', stop, { once: true })
    if (this.#over.signal.aborted) stop()
    await this.#hold()
    // The last packets may still be on their impaired way when the time is up.
    await Promise.all([whole, ...playing])
    for (const line of this.#lines) line.finish()
  }

  async #hold(): Promise<void> {
    const { hold, durationMs } = this.#context.options
    if (hold === undefined || hold.afterMs >= durationMs) return
    await this.#wait(hold.afterMs)
    this.#reinvite('inactive')
    await this.#wait(Math.min(hold.durationMs, durationMs - hold.afterMs))
    if (hold.afterMs + hold.durationMs < durationMs) this.#reinvite('sendonly')
  }

  #reinvite(direction: 'sendonly' | 'inactive'): void {
    if (this.#over.signal.aborted) return
    const held = direction === 'inactive'
    if (this.#context.options.renewsKeys) for (const line of this.#lines) line.protection?.renew()
    if (this.#dialog?.reinvite(sdpBody(this.#offer(direction)), monotonicUs()) !== true)
      this.#failure ??= 'reinviteRefused'
    for (const line of this.#lines) line.setHeld(held)
  }

  // An end of the dialog or an interruption ends every wait at once.
  async #wait(durationMs: number): Promise<void> {
    await delay(durationMs, undefined, { signal: this.#over.signal }).catch(() => undefined)
  }

  async #hangUp(): Promise<SrcDialogEnd | 'silent'> {
    if (this.#dialog?.isConfirmed === true && !this.#context.options.sendBye) return 'silent'
    this.#dialog?.bye(metadataBody(finalMetadata(this.#conversation, new Date().toISOString())), monotonicUs())
    return await this.#ended.promise
  }

  /** The recorder's last reports, which may come after its 200. */
  async #hearOut(): Promise<void> {
    const hasReported = this.#lines.some(({ outcome }) => (outcome.heard?.reports ?? 0) > 0)
    if (!hasReported || this.#context.signal.aborted) return
    const farewells = Promise.all(this.#lines.map(({ farewell }) => farewell))
    const cut = new AbortController()
    const waited = delay(FAREWELL_WAIT_MS, undefined, { signal: cut.signal }).catch(() => undefined)
    await Promise.race([farewells, waited])
    cut.abort()
  }

  #outcome(end: SrcDialogEnd | 'silent'): RecordingSessionOutcome {
    const failure = this.#failure ?? failureOf(end)
    const interrupted = this.#context.signal.aborted && failure === undefined
    return {
      sequence: this.#sequence,
      sipCallId: this.#sipCallId,
      result: interrupted ? 'cancelled' : failure === undefined ? 'completed' : 'failed',
      reason: failure,
      inviteResponseMs: this.#inviteResponseMs,
      streams: this.#lines.map((line) => line.outcome),
    }
  }
}

function failureOf(end: SrcDialogEnd | 'silent'): FailureReason | undefined {
  if (end === 'silent' || end.cause === 'cancelled') return undefined
  if (end.cause === 'refused') return `${end.status}`
  if (end.cause === 'bye') return end.status < 300 ? undefined : `${end.status}`
  return end.cause
}

function metadataBody(bytes: Uint8Array): OutgoingBody {
  return { contentType: METADATA_CONTENT_TYPE, contentDisposition: 'recording-session', bytes }
}
