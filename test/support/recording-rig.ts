import { generateIdentity } from '../../src/evidence/age-keys.ts'
import { openSealed } from '../../src/evidence/age-open.ts'
import type { RandomBytes } from '../../src/evidence/age-seal.ts'
import type { ConsentFactAt } from '../../src/consent/words.ts'
import type { ConsentHearing } from '../../src/recorder/consent-listener.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { openRecordingKey } from '../../src/evidence/recording-key.ts'
import { toWav } from '../../src/cli/export/render.ts'
import { asRecordingId, asRsId, asStreamId, type StreamId } from '../../src/ids.ts'
import { encodePcmu } from '../../src/media/g711.ts'
import { readOggOpus, type OggOpusLink } from '../../src/media/ogg-opus.ts'
import { readWav } from '../../src/media/wav.ts'
import { serializeRtp, type RtpPacket } from '../../src/protocol/rtp/packet.ts'
import type { PayloadFormat } from '../../src/protocol/rtp/payload-format.ts'
import type { TakeOpusDecoder } from '../../src/recorder/opus-decoder.ts'
import type { OpusEncoder, TakeOpusEncoder } from '../../src/recorder/opus-encoder.ts'
import type {
  FlagEvent,
  MediaStreamPlan,
  RecordingFacts,
  RecordingIncident,
  RecordingSink,
  SpoolFrame,
  SealedObject,
} from '../../src/recorder/recording-types.ts'
import type { PacketOrigin } from '../../src/recorder/packet-sources.ts'
import type { OutgoingRtcp } from '../../src/recorder/stream-rtcp.ts'
import { RecordingSession } from '../../src/recorder/recording-session.ts'
import type { AlertThresholds } from '../../src/recorder/stream-watch.ts'
import { createOpusEngine, type OpusRate } from '../../src/server/media/opus-engine.ts'
import { lend } from './lent-memory.ts'
import { mulberry32 } from './random.ts'

/** Drives a whole `RecordingSession` in virtual time with the real encoder, and opens what it seals with the vault's key. */

/** An arbitrary uptime, so that nothing relies on time beginning at zero. */
export const OPENED_US = 5_000_000_000
export const OPENED_AT_UNIX_MS = Date.UTC(2026, 10, 23, 9, 0, 0)
/** No stream is ever flagged: for tests of something else. */
export const NO_ALERTS: AlertThresholds = {
  zeroPacketsUs: 0,
  oneWayUs: 0,
  stoppedUs: 0,
  silentUs: 0,
  silentLevelDbov: -70,
}
export const PACKET_SAMPLES = 160
export const PACKET_US = 20_000
/** Of the virtual network, when nothing disturbs it. */
export const TRANSIT_US = 10_000

export function seededBytes(seed: number): RandomBytes {
  const random = mulberry32(seed)
  return (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256))
}

export const vault = generateIdentity(seededBytes(0xa9e))

const narrowband = { clockRate: 8_000, sampleRate: 8_000, channels: 1 } as const

export const NARROWBAND_FORMATS: ReadonlyMap<number, PayloadFormat> = new Map<number, PayloadFormat>([
  [0, { kind: 'audio', codec: 'PCMU', ...narrowband }],
  [8, { kind: 'audio', codec: 'PCMA', ...narrowband }],
  [13, { kind: 'comfortNoise', clockRate: 8_000 }],
  [101, { kind: 'event', clockRate: 8_000 }],
])

export function planOf(
  index: number,
  options: Partial<Omit<MediaStreamPlan, 'line'>> & {
    readonly label?: string | undefined
    readonly labels?: readonly (string | undefined)[]
  } = {},
): MediaStreamPlan {
  const label = 'label' in options ? options.label : String(index + 1)
  const { labels, ...rest } = options
  return {
    streamId: asStreamId(String(index)),
    streamLabel: label ?? String(index + 1),
    line: { label, index, ...(labels === undefined ? {} : { labels }) },
    payloadTypes: NARROWBAND_FORMATS,
    held: false,
    paused: false,
    keys: undefined,
    ...rest,
  }
}

export function factsOf(options: Partial<RecordingFacts> = {}): RecordingFacts {
  return {
    recordingId: asRecordingId('019aaff1-0680-7abc-8def-0123456789ab'),
    rsId: asRsId('019aaff1-0680-7abc-8def-0123456789ac'),
    tenant: 'default',
    src: 'sbc',
    sipCallIdSha256: '0'.repeat(64),
    layout: 'separate',
    dtmf: 'discard',
    chunkUs: 5_000_000,
    silenceGateDbov: -66,
    conceals: true,
    openedUs: OPENED_US,
    openedAtUnixMs: OPENED_AT_UNIX_MS,
    vaultRecipients: [vault.recipient],
    software: { name: 'earwitness', version: '0.0.0' },
    ...options,
  }
}

export class CapturingSink implements RecordingSink {
  readonly objects: SealedObject[] = []
  readonly incidents: RecordingIncident[] = []
  readonly flags: FlagEvent[] = []
  readonly rtcp: OutgoingRtcp[] = []
  readonly consent: ConsentFactAt[] = []
  /** Set by those who want frames for the spool. */
  handleFrame?: (frame: SpoolFrame) => void

  handleSealed(object: SealedObject): void {
    this.objects.push(object)
  }

  handleIncident(incident: RecordingIncident): void {
    this.incidents.push(incident)
  }

  handleFlag(event: FlagEvent): void {
    this.flags.push(event)
  }

  handleConsent(fact: ConsentFactAt): void {
    this.consent.push(fact)
  }

  handleRtcp(outgoing: OutgoingRtcp): void {
    this.rtcp.push(outgoing)
  }

  of(kind: SealedObject['kind']): readonly SealedObject[] {
    return this.objects.filter((object) => object.kind === kind)
  }

  get incidentCodes(): readonly string[] {
    return this.incidents.map(({ code }) => code)
  }
}

/** Real encoders, made beforehand as the media worker does, and watched: none may be lost or given back twice. */
export class EncoderStock {
  readonly #stock: OpusEncoder[]
  taken = 0
  freed = 0
  /** Throws in place of the encoding that it counts down to. */
  failAfter = Infinity

  private constructor(stock: OpusEncoder[]) {
    this.#stock = stock
  }

  static async of(count: number, ...furtherRates: readonly OpusRate[]): Promise<EncoderStock> {
    const engine = createOpusEngine('libopus-wasm', { sampleRate: 8_000, bitsPerSecond: 16_000, complexity: 5 })
    const rates = [...Array.from({ length: count }, () => 8_000 as const), ...furtherRates]
    return new EncoderStock(await Promise.all(rates.map((rate) => engine.createEncoder(rate))))
  }

  readonly take: TakeOpusEncoder = (sampleRate) => {
    const at = this.#stock.findIndex((encoder) => encoder.sampleRate === sampleRate)
    const [encoder] = at < 0 ? [] : this.#stock.splice(at, 1)
    if (encoder === undefined) throw new RangeError('the stock is empty')
    this.taken += 1
    return {
      sampleRate: encoder.sampleRate,
      preSkip: encoder.preSkip,
      encode: (samples) => {
        this.failAfter -= 1
        if (this.failAfter < 0) throw new TypeError('the encoder broke')
        return encoder.encode(samples)
      },
      free: () => {
        this.freed += 1
        encoder.free()
      },
    }
  }
}

export interface Arrival {
  readonly streamId: StreamId
  readonly datagram: Uint8Array
  readonly arrivalUs: number
  readonly origin?: PacketOrigin
  /** On the RTCP port. */
  readonly isRtcp?: boolean
}

export function rtp(options: Partial<RtpPacket> = {}): Uint8Array {
  return serializeRtp({
    payloadType: 0,
    marker: false,
    sequenceNumber: 0,
    timestamp: 0,
    ssrc: 1,
    payload: new Uint8Array(PACKET_SAMPLES).fill(0xff),
    ...options,
  })
}

/** Packets of 20 ms, spoken from `fromUs` (after the opening) on; each arrives when it has been spoken, plus the transit. */
export function packetsOf(options: {
  readonly plan: MediaStreamPlan
  readonly samples: Int16Array
  readonly fromUs?: number
  readonly ssrc?: number
  readonly sequenceNumber?: number
  readonly timestamp?: number
}): Arrival[] {
  const { plan, samples, fromUs = 0, ssrc = 1, sequenceNumber = 0xfff0, timestamp = 0xffff_ff00 } = options
  return Array.from({ length: Math.floor(samples.length / PACKET_SAMPLES) }, (_, index) => ({
    streamId: plan.streamId,
    datagram: rtp({
      ssrc,
      sequenceNumber: (sequenceNumber + index) & 0xffff,
      timestamp: (timestamp + index * PACKET_SAMPLES) >>> 0,
      payload: encodePcmu(samples.subarray(index * PACKET_SAMPLES, (index + 1) * PACKET_SAMPLES)),
    }),
    arrivalUs: OPENED_US + fromUs + (index + 1) * PACKET_US + TRANSIT_US,
  }))
}

/** The identities in these sealed keys, opened by the vault's. */
export async function identitiesOf(
  objects: readonly SealedObject[],
  ...kinds: readonly SealedObject['kind'][]
): Promise<readonly string[]> {
  const keys = objects.filter((object) => kinds.includes(object.kind))
  return Promise.all(
    keys.map(async ({ bytes }) => {
      const key = await openRecordingKey(bytes, [vault.identity])
      if (!key.ok) throw new Error(`the recording's key does not open: ${key.reason}`)
      return key.value.identity
    }),
  )
}

/** The objects of this kind, opened: by the vault's key, then by the recording's own, or that of what it held. */
export async function openedObjects(
  objects: readonly SealedObject[],
  kind: SealedObject['kind'],
): Promise<readonly Uint8Array[]> {
  const identities = await identitiesOf(objects, 'key', 'heldKey')
  return Promise.all(
    objects
      .filter((object) => object.kind === kind)
      .map(async ({ name, bytes }) => {
        const opened = await openSealed(bytes, identities)
        if (!opened.ok) throw new Error(`${name} does not open: ${opened.reason}`)
        return opened.value
      }),
  )
}

/** What the caller of the recorder sees, and what a listener with the vault's key does. */
export class RecordingRig<Encoders extends { readonly take: TakeOpusEncoder } = EncoderStock> {
  readonly sink = new CapturingSink()
  readonly recordingSession: RecordingSession
  readonly encoders: Encoders

  constructor(options: {
    readonly encoders: Encoders
    readonly plans: readonly MediaStreamPlan[]
    readonly facts?: Partial<RecordingFacts>
    readonly seed?: number
    readonly alerts?: AlertThresholds
    readonly takeDecoder?: TakeOpusDecoder
    readonly hearing?: ConsentHearing
    /** Takes frames for the spool; without it there is none. */
    readonly handleFrame?: (frame: SpoolFrame) => void
  }) {
    this.encoders = options.encoders
    if (options.handleFrame !== undefined) this.sink.handleFrame = options.handleFrame
    this.recordingSession = new RecordingSession({
      facts: factsOf(options.facts),
      streams: options.plans,
      randomBytes: seededBytes(options.seed ?? 1),
      takeEncoder: options.encoders.take,
      sink: this.sink,
      ...(options.takeDecoder === undefined ? {} : { takeDecoder: options.takeDecoder }),
      ...(options.hearing === undefined ? {} : { hearing: options.hearing }),
      alerts: options.alerts ?? NO_ALERTS,
    })
  }

  /** Delivers packets and wakes the recorder, in the order of time, up to `untilUs` after the opening. */
  run(arrivals: readonly Arrival[], untilUs: number): void {
    const end = OPENED_US + untilUs
    const inOrder = arrivals.toSorted((left, right) => left.arrivalUs - right.arrivalUs)
    for (const { streamId, datagram, arrivalUs, origin, isRtcp } of inOrder) {
      if (arrivalUs > end) break
      this.#wakeUntil(arrivalUs)
      lend(datagram, (lent) => {
        if (isRtcp === true) this.recordingSession.handleRtcp(streamId, lent, arrivalUs, origin)
        else this.recordingSession.handleDatagram(streamId, lent, arrivalUs, origin)
      })
    }
    this.#wakeUntil(end)
  }

  end(atUs: number): ManifestBody {
    return this.recordingSession.end(OPENED_US + atUs, 'bye')
  }

  /** Every sealed object of this kind, opened: by the vault's key, then by the recording's own. */
  opened(kind: 'chunk' | 'kept' | 'dtmf' | 'peaks' | 'heldPeaks' | 'metadata'): Promise<readonly Uint8Array[]> {
    return openedObjects(this.sink.objects, kind)
  }

  async links(): Promise<readonly OggOpusLink[]> {
    const links = readOggOpus(Buffer.concat(await this.opened('chunk')))
    if (!links.ok) throw new Error(`the chunks are not an Ogg Opus file: ${links.reason}`)
    return links.value
  }

  /** The recording decoded, a channel each at 8 kHz. */
  async heard(): Promise<readonly Int16Array[]> {
    const wav = readWav(await toWav(await this.links(), 'separate'))
    if (!wav.ok) throw new Error(`the export is not a WAV file: ${wav.reason}`)
    return wav.value.channels
  }

  /** As the media worker does, with what was made beforehand. */
  #raise(): void {
    if (!this.recordingSession.isWider) return
    this.recordingSession.acceptWider()
    this.recordingSession.raiseRates()
  }

  #wakeUntil(us: number): void {
    for (let at = this.recordingSession.nextTimeoutUs(); at <= us; at = this.recordingSession.nextTimeoutUs()) {
      this.recordingSession.handleTimeout(at)
      this.#raise()
      if (this.recordingSession.nextTimeoutUs() <= at) return
    }
  }
}
