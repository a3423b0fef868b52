import type { ConsentSettings } from '../../../../src/server/consent/consent-desk.ts'
import { asDialogId, type DialogId, type RecordingId } from '../../../../src/ids.ts'
import type { MediaStreamPlan, RecordingFacts, SealedObject } from '../../../../src/recorder/recording-types.ts'
import type { ReceivedMetadata } from '../../../../src/recorder/snapshot-keeper.ts'
import type { OpenResult } from '../../../../src/server/media/media-plane.ts'
import type { ConsentNote } from '../../../../src/server/recording/consent-keeper.ts'
import { RecordingControl } from '../../../../src/server/recording/recording-control.ts'
import { RecordingEvents } from '../../../../src/server/recording/recording-events.ts'
import type { StoryEvent } from '../../../../src/server/recording/session-story.ts'
import type { LostFrames } from '../../../../src/server/recording/recording-end.ts'
import { SegmentKeeper } from '../../../../src/server/spool/segment-keeper.ts'
import { SourceTable } from '../../../../src/server/recording/source-table.ts'
import type { InDialogRequest, OfferRequest, OwnRequest, OwnResponse } from '../../../../src/server/signalling/port.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'
import { createMetrics, createRegistry } from '../../../../src/server/telemetry/metrics.ts'
import { OPENED_AT_UNIX_MS, seededBytes, vault } from '../../../support/recording-rig.ts'
import { bytesOf } from './live-recordings.ts'

/** A `RecordingControl` between a signalling port and media workers that do as they are told. One dialog at a time. */

export const NOW_US = 7_000_000
export const DIALOG = asDialogId('dialog-1')
/** Its profile has `tellPause`. */
export const TOLD_SOURCE = '192.0.2.2'
const FIRST_PORT = 20_000
const KEY: SealedObject = { kind: 'key', name: 'key.age', bytes: bytesOf('wrapped'), recipient: vault.recipient }
const HELD_KEY: SealedObject = { ...KEY, kind: 'heldKey', name: 'held-key-000.age', recipient: 'age1held' }

export interface Received {
  readonly body?: string
  readonly contentType?: string
  readonly source?: string
  readonly from?: string
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>
}

export function sdp(...media: readonly (readonly string[])[]): string {
  return ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', ...media.flat(), ''].join('\r\n')
}

export function audio(port: number, label: string | undefined, ...lines: readonly string[]): readonly string[] {
  return [`m=audio ${port} RTP/AVP 0`, ...(label === undefined ? [] : [`a=label:${label}`]), ...lines]
}

export const OFFER = sdp(audio(40_000, '1'), audio(40_002, '2'))

export class ControlRig {
  readonly control: RecordingControl
  /** What the media workers were asked, in order. */
  readonly calls: string[] = []
  readonly plans: (readonly MediaStreamPlan[])[] = []
  readonly metadata: ReceivedMetadata[] = []
  readonly custody: string[] = []
  readonly story: StoryEvent[] = []
  /** What INVITEs and re-INVITEs were answered. */
  readonly answers: string[] = []
  /** Reasons of our BYEs. */
  readonly byes: string[] = []
  readonly asked: OwnRequest[] = []
  /** What the SRC makes of our requests, in order; then it has no room for them. */
  readonly responses: OwnResponse[] = []
  /** Called with each request of ours before it is answered. */
  onAsked: () => void = () => {}
  /** Media workers have taken new plans when this is done. */
  onUpdate: () => void | Promise<void> = () => {}
  /** Media workers have no ports left for new plans. */
  hasNoPorts = false
  readonly slept: number[] = []
  readonly registry = createRegistry()
  nowUs = NOW_US
  facts: RecordingFacts | undefined
  /** Recordings begin held until there is consent. */
  holdsAudio = false
  /** Times of the consent events that were to be signed. */
  readonly consentTimes: string[] = []
  /** What a worker that died has left in the spool. */
  lostFrames: () => Promise<LostFrames> = () => Promise.resolve(new Map())
  readonly #ports = new Map<string, number>()

  constructor() {
    this.control = new RecordingControl({
      signalling: {
        bye: (_dialogId, reason) => {
          this.byes.push(`${reason?.cause} ${reason?.text}`)
          this.control.handleEnded(DIALOG, { cause: 'local', receivedUs: this.nowUs })
          return Promise.resolve()
        },
        request: (_dialogId, request) => {
          this.asked.push(request)
          this.onAsked()
          return Promise.resolve(this.responses.shift() ?? { status: 0 })
        },
      },
      media: {
        open: (facts, plans) => {
          this.facts = facts
          return this.#bind('open', plans)
        },
        update: (_id, plans) => this.#bind('update', plans),
        metadata: (_id, received) => void this.metadata.push(received),
        note: (_id, { code }) => void this.calls.push(`note ${code}`),
        pause: (_id, isPaused, { by, atUs }) =>
          void this.calls.push(`${isPaused ? 'pause' : 'resume'} ${by} ${atUs - NOW_US}`),
        release: (_id, atUs) => void this.calls.push(`release ${atUs - NOW_US}`),
        end: (_id, cause) => void this.calls.push(`end ${cause}`),
        abandon: () => void this.calls.push('abandon'),
      },
      custody: {
        opened: () => void this.custody.push('opened'),
        noteFacts: () => {},
        note: (recording, event) => {
          recording.story.push(event)
          this.story.push(event)
        },
        sealed: (_recording, { name }) => void this.custody.push(name),
        sealPending: ({ pendingSnapshots }) => void this.custody.push(...pendingSnapshots.map(() => 'pending')),
        decideHeld: (recording, decision) => {
          recording.heldDecision = decision
          this.custody.push(`${decision.outcome} ${decision.cause}`)
        },
        incident: (_recording, { code }) => void this.custody.push(code),
        close: (_prefix, { endCause }) => {
          this.custody.push(`close ${endCause}`)
          return Promise.resolve()
        },
        interrupted: () => {
          this.custody.push('interrupted')
          return Promise.resolve()
        },
      },
      spool: {
        keeper: new SegmentKeeper({ files: { unlink: () => Promise.resolve() }, onError: () => {} }),
        lostFrames: () => this.lostFrames(),
      },
      consent: consentOf(
        () => this.holdsAudio,
        ({ at }) => void this.consentTimes.push(at),
      ),
      sources: new SourceTable([
        { name: 'told', address: TOLD_SOURCE, tenant: 'acme', forceSiprec: false, tellPause: true },
        { name: 'phones', address: '192.0.2.3', tenant: 'acme', forceSiprec: true },
      ]),
      events: new RecordingEvents({
        publish: () => {},
        log: createLogger({ level: 'error', destination: { write: () => true } }),
        metrics: createMetrics(this.registry, { sources: ['told'], version: '0.0.0' }),
      }),
      settings: {
        layout: 'separate',
        silenceGateDbov: -66,
        dtmf: 'discard',
        chunkUs: 15_000_000,
        conceals: true,
        mediaTimeoutMs: 5_000,
        mediaAddress: undefined,
        sendsRtcp: true,
        vaultRecipients: [vault.recipient],
        software: { name: 'earwitness', version: '0.0.0' },
      },
      refusal: () => undefined,
      isOverfull: () => false,
      nowUs: () => this.nowUs,
      nowUnixMs: () => OPENED_AT_UNIX_MS,
      sleep: (ms) => {
        this.slept.push(ms)
        return Promise.resolve()
      },
      randomBytes: seededBytes(3),
    })
  }

  get id(): RecordingId {
    if (this.facts === undefined) throw new Error('nothing was opened')
    return this.facts.recordingId
  }

  get rsId(): string {
    return this.facts?.rsId ?? ''
  }

  async invite(received: Received = {}): Promise<void> {
    this.control.handleInvite(this.#offer(DIALOG, received))
    await settled()
  }

  async reinvite(received: Received = {}): Promise<void> {
    this.control.handleReinvite(this.#offer(DIALOG, received))
    await settled()
  }

  /** INVITE, 200, ACK. */
  async establish(received: Received = {}): Promise<void> {
    await this.invite(received)
    this.control.handleConfirmed(DIALOG, this.nowUs)
    await settled()
  }

  /** A request inside the dialog that is no offer. */
  async send(method: string, received: Received = {}): Promise<void> {
    const headers = new Map(Object.entries(received.headers ?? {}))
    if (received.contentType !== undefined) headers.set('content-type', received.contentType)
    const request: InDialogRequest = {
      method,
      header: (name) => headers.get(name.toLowerCase()),
      headers: (name) => [headers.get(name.toLowerCase()) ?? []].flat(),
      body: bytesOf(received.body ?? ''),
      receivedUs: this.nowUs,
    }
    this.control.handleInDialog(DIALOG, request)
    await settled()
  }

  /** A 200 that was answered to an INVITE, or to a re-INVITE. */
  ok(index = -1): string {
    const answer = this.answers.at(index) ?? ''
    if (!answer.startsWith('200 ')) throw new Error(`answered ${answer}`)
    return answer.slice(4)
  }

  #offer(dialogId: DialogId, received: Received): OfferRequest {
    const { body = OFFER, contentType = 'application/sdp', source = '192.0.2.1', from = '' } = received
    const headers = new Map([
      ...(body === '' ? [] : [['content-type', contentType] as const]),
      ['require', 'siprec'],
      ['cseq', '1 INVITE'],
      ...Object.entries(received.headers ?? {}),
    ])
    return {
      ...{ dialogId, from, sipCallId: `${dialogId}@192.0.2.1`, to: '', requestUri: 'sip:srs@198.51.100.1' },
      header: (name) => headers.get(name.toLowerCase()),
      headers: (name) => [headers.get(name.toLowerCase()) ?? []].flat(),
      body: bytesOf(body),
      source: { transport: 'udp', address: source, port: 5060, tlsNames: [], user: undefined },
      localAddress: '198.51.100.1',
      receivedUs: this.nowUs,
      progress: () => {},
      answer: (answer) => this.answers.push(`200 ${new TextDecoder().decode(answer)}`),
      refuse: (status) => this.answers.push(String(status)),
    }
  }

  async #bind(call: string, plans: readonly MediaStreamPlan[]): Promise<OpenResult> {
    this.calls.push(call)
    this.plans.push(plans)
    if (call === 'open') this.control.handleSealed(this.id, KEY)
    if (call === 'open' && this.facts?.heldUntilConsent === true) this.control.handleSealed(this.id, HELD_KEY)
    for (const { streamId } of plans) {
      if (!this.#ports.has(streamId)) this.#ports.set(streamId, FIRST_PORT + 2 * this.#ports.size)
    }
    if (call === 'update') await this.onUpdate()
    if (call === 'update' && this.hasNoPorts) return { ok: false, reason: 'portsExhausted', detail: 'no ports' }
    return { ok: true, ports: plans.map(({ streamId }) => this.#ports.get(streamId) ?? 0) }
  }
}

/** Everything that was promised has been kept, and what waits for the next turn has run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Nothing is decided about consent, unless audio is to be held until there is some. */
function consentOf(holds: () => boolean, noted: (note: ConsentNote) => void): ConsentSettings {
  const policy = { deadlineMs: 3_600_000, onMissing: 'flag', onRefused: 'flag', onWithdrawn: 'flag' } as const
  const rest = { heardShareMin: 1, mixedAnnouncement: 'ignored', apiAnswers: false } as const
  return {
    sources: new Map(),
    get byDefault() {
      const require = holds() ? 'agreement' : 'none'
      return { policy: { ...policy, ...rest, require, holdUntilConsent: holds() } as const, own: [] }
    },
    data: { packs: new Map(), regions: new Map() },
    keep: (_recording, note) => {
      noted(note)
      return undefined
    },
    announced: () => Promise.resolve([]),
    shred: () => Promise.resolve(),
  }
}
