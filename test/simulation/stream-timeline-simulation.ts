import { ReorderBuffer } from '../../src/media/reorder-buffer.ts'
import { StreamTimeline } from '../../src/media/stream-timeline.ts'
import type { RtpPacket } from '../../src/protocol/rtp/packet.ts'
import { mulberry32 } from '../support/random.ts'

/** Streams on their way through a bad network into timelines, in virtual time: hours in seconds, the same for the same seed. */

export const CLOCK_RATE = 8_000
/** Loud, short and once a second of true time: where it is found is where the timeline put that instant. */
export const MARK_LEVEL = 30_000
const MARK_SAMPLES = 8
const WAKE_US = 200_000
const HORIZON_US = 500_000
const ANCHOR_US = 400_000
/** An arbitrary uptime, so that nothing relies on time beginning at zero. */
export const BASE_US = 5_000_000_000

/** What the SRC does from a point of true time on. */
export interface Phase {
  readonly fromUs: number
  readonly toUs: number
  /** Default 20. */
  readonly packetMs?: number
  /** Added to the RTP timestamp against the sender's clock, from this phase on. Default: none. */
  readonly timestampJump?: number
  /** Added to the sequence number. */
  readonly sequenceJump?: number
  readonly ssrc?: number
}

export interface SimulatedStream {
  readonly seed: number
  readonly phases: readonly Phase[]
  readonly lossFraction?: number
  readonly jitterUs?: number
  readonly duplicateFraction?: number
  /** Of the sender's sample clock against true time, parts per million. */
  readonly driftPpm?: number
  /** Least time in the network; may change with true time. */
  readonly transitUs?: (trueUs: number) => number
  /** Never quiet: no pause in which drift could be corrected unheard. */
  readonly continuous?: boolean
  readonly firstTimestamp?: number
  readonly firstSequenceNumber?: number
  readonly held?: readonly { readonly atUs: number; readonly held: boolean }[]
}

export interface SimulatedResult {
  readonly timeline: StreamTimeline
  readonly samples: Int16Array
  readonly originUs: number
  /** Packets that were sent between the first and the last that arrived, and did not arrive. */
  readonly missing: number
  readonly missingSamples: number
  readonly lostByBuffer: number
  readonly late: number
  readonly duplicate: number
  /** Samples of all packets that arrived. */
  readonly deliveredSamples: number
  readonly marks: readonly { readonly trueUs: number; readonly errorUs: number }[]
  readonly marksDelivered: number
}

interface Arrival {
  readonly arrivalUs: number
  readonly order: number
  readonly packet: RtpPacket
  readonly samples: Int16Array
}

/** A packet on the wire, and what of it matters for checking. */
interface Sent {
  readonly arrivals: readonly Arrival[]
  readonly length: number
  readonly markUs: readonly number[]
}

export function simulate(streams: readonly SimulatedStream[], endUs: number): readonly SimulatedResult[] {
  const lanes = streams.map((stream) => new Lane(stream))
  let originUs: number | undefined
  for (let nowUs = BASE_US; nowUs <= BASE_US + endUs + WAKE_US; nowUs += WAKE_US) {
    for (const lane of lanes) lane.receive(nowUs)
    if (originUs === undefined && lanes.some((lane) => lane.firstArrivalUs + ANCHOR_US <= nowUs)) {
      originUs = Math.min(...lanes.map((lane) => lane.timeline.firstSampleUs ?? Infinity))
      for (const lane of lanes) lane.timeline.setOrigin(originUs)
    }
    if (originUs === undefined) continue
    const horizon = Math.floor(((nowUs - HORIZON_US - originUs) * CLOCK_RATE) / 1_000_000)
    for (const lane of lanes) lane.readTo(horizon)
  }
  for (const lane of lanes) lane.receive(Infinity)
  const end = Math.max(...lanes.map((lane) => lane.timeline.writePosition))
  for (const lane of lanes) lane.readTo(end)
  return lanes.map((lane) => lane.result(originUs ?? 0))
}

class Lane {
  readonly timeline = new StreamTimeline({ clockRate: CLOCK_RATE })
  firstArrivalUs = Infinity
  #reorder = new ReorderBuffer()
  #ssrc: number | undefined
  readonly #sent: readonly Sent[]
  readonly #arrivals: readonly Arrival[]
  readonly #samplesOf = new Map<RtpPacket, Int16Array>()
  readonly #frames: Int16Array[] = []
  #next = 0
  #late = 0
  #duplicate = 0
  #lost = 0

  constructor(stream: SimulatedStream) {
    this.#sent = send(stream)
    this.#arrivals = this.#sent
      .flatMap(({ arrivals }) => arrivals)
      .toSorted((a, b) => a.arrivalUs - b.arrivalUs || a.order - b.order)
    for (const { atUs, held } of stream.held ?? []) this.timeline.setHeld(held, BASE_US + atUs)
  }

  receive(nowUs: number): void {
    for (let arrival = this.#arrivals[this.#next]; arrival !== undefined; arrival = this.#arrivals[this.#next]) {
      if (arrival.arrivalUs > nowUs) break
      this.#next += 1
      this.#accept(arrival)
    }
    this.#drain(nowUs)
  }

  #accept({ packet, arrivalUs, samples }: Arrival): void {
    if (this.#ssrc !== undefined && this.#ssrc !== packet.ssrc) {
      this.#drain(Infinity)
      this.#reorder = new ReorderBuffer()
      this.timeline.restart()
    }
    this.#ssrc = packet.ssrc
    this.firstArrivalUs = Math.min(this.firstArrivalUs, arrivalUs)
    const outcome = this.#reorder.push(packet, arrivalUs)
    if (outcome === 'late') this.#late += 1
    if (outcome === 'duplicate') this.#duplicate += 1
    if (outcome === 'restarted') this.timeline.restart()
    if (outcome !== 'queued' && outcome !== 'restarted') return
    this.#samplesOf.set(packet, samples)
    this.timeline.observe(packet.timestamp, arrivalUs)
  }

  #drain(nowUs: number): void {
    for (let next = this.#reorder.pop(nowUs); next !== undefined; next = this.#reorder.pop(nowUs)) {
      this.#lost += next.lostBefore
      const samples = this.#samplesOf.get(next.packet) ?? new Int16Array(0)
      this.#samplesOf.delete(next.packet)
      this.timeline.write(samples, next.packet.timestamp, next.arrivalUs, next.lostBefore)
    }
  }

  readTo(position: number): void {
    while (this.timeline.readPosition < position) {
      this.#frames.push(this.timeline.read(Math.min(position, this.timeline.readPosition + 160)).slice())
    }
    const { audioSamples, gapSamples } = this.timeline.ledger
    const gaps = gapSamples.lost + gapSamples.silence + gapSamples.held + gapSamples.noMedia
    if (audioSamples + gaps !== this.timeline.readPosition) throw new Error('the ledger does not add up')
  }

  result(originUs: number): SimulatedResult {
    const samples = concat(this.#frames)
    const between = this.#sent.slice(
      this.#sent.findIndex(({ arrivals }) => arrivals.length > 0),
      this.#sent.findLastIndex(({ arrivals }) => arrivals.length > 0),
    )
    const missing = between.filter(({ arrivals }) => arrivals.length === 0)
    const delivered = this.#sent.filter(({ arrivals }) => arrivals.length > 0)
    const marksSent = delivered.flatMap(({ markUs }) => markUs)
    return {
      timeline: this.timeline,
      samples,
      originUs,
      missing: missing.length,
      missingSamples: missing.reduce((sum, { length }) => sum + length, 0),
      lostByBuffer: this.#lost,
      late: this.#late,
      duplicate: this.#duplicate,
      deliveredSamples: delivered.reduce((sum, { length }) => sum + length, 0),
      marks: findMarks(samples, originUs, marksSent),
      marksDelivered: marksSent.length,
    }
  }
}

/** The packets of a stream with their arrivals, in order of sending. */
function send(stream: SimulatedStream): readonly Sent[] {
  const network = mulberry32(stream.seed)
  const voice = mulberry32(stream.seed + 1_000_003)
  const rate = CLOCK_RATE * (1 + (stream.driftPpm ?? 0) / 1_000_000)
  const sent: Sent[] = []
  let sequenceNumber = stream.firstSequenceNumber ?? Math.floor(network() * 65_536)
  let timestampOffset = stream.firstTimestamp ?? Math.floor(network() * 0x1_0000_0000)
  for (const phase of stream.phases) {
    sequenceNumber += phase.sequenceJump ?? 0
    timestampOffset += phase.timestampJump ?? 0
    const length = ((phase.packetMs ?? 20) * CLOCK_RATE) / 1_000
    let sample = Math.round((phase.fromUs * rate) / 1_000_000)
    // A packet leaves when its last sample has been spoken.
    for (; ((sample + length) / rate) * 1_000_000 <= phase.toUs; sample += length) {
      const markUs: number[] = []
      const samples = speak({ from: sample, length, rate, voice, markUs, continuous: stream.continuous ?? false })
      const packet: RtpPacket = {
        payloadType: 0,
        marker: false,
        sequenceNumber: sequenceNumber & 0xffff,
        timestamp: (sample + timestampOffset) >>> 0,
        ssrc: phase.ssrc ?? 1,
        payload: new Uint8Array(0),
      }
      sequenceNumber += 1
      const trueUs = ((sample + length) / rate) * 1_000_000
      sent.push({ arrivals: carry({ stream, network, packet, samples, trueUs, order: sent.length }), length, markUs })
    }
  }
  return sent
}

function carry(options: {
  readonly stream: SimulatedStream
  readonly network: () => number
  readonly packet: RtpPacket
  readonly samples: Int16Array
  readonly trueUs: number
  readonly order: number
}): Arrival[] {
  const { stream, network, trueUs } = options
  const lost = network() < (stream.lossFraction ?? 0)
  const copies = network() < (stream.duplicateFraction ?? 0) ? 2 : 1
  const arrivals: Arrival[] = []
  for (let copy = 0; copy < copies; copy++) {
    const transitUs = (stream.transitUs?.(trueUs) ?? 10_000) + network() * (stream.jitterUs ?? 0)
    if (!lost) arrivals.push({ ...options, packet: { ...options.packet }, arrivalUs: BASE_US + trueUs + transitUs })
  }
  return arrivals
}

/** Talk of 1.2 s and quiet of 0.8 s in turn, with a mark at each whole second of true time. */
function speak(options: {
  readonly from: number
  readonly length: number
  readonly rate: number
  readonly voice: () => number
  readonly markUs: number[]
  readonly continuous: boolean
}): Int16Array {
  const { from, length, rate, voice, markUs, continuous } = options
  const talking = continuous || (from / rate) % 2 < 1.2
  const amplitude = talking ? 6_000 : 60
  const samples = new Int16Array(length)
  for (let i = 0; i < length; i++) samples[i] = (voice() - 0.5) * amplitude
  const second = Math.ceil(from / rate)
  const mark = Math.round(second * rate) - from
  if (mark >= 0 && mark + MARK_SAMPLES <= length) {
    samples.fill(MARK_LEVEL, mark, mark + MARK_SAMPLES)
    markUs.push(second * 1_000_000)
  }
  return samples
}

/** Each mark sent with the error of its place: found minus true, after the packet time and least transit that all share. */
function findMarks(samples: Int16Array, originUs: number, marksSent: readonly number[]): SimulatedResult['marks'] {
  const found: number[] = []
  for (let at = 0; at < samples.length; at++) {
    if ((samples[at] ?? 0) < MARK_LEVEL * 0.6) continue
    found.push(originUs - BASE_US + (at * 1_000_000) / CLOCK_RATE)
    at += 400
  }
  return found.map((us) => {
    let trueUs = Infinity
    for (const sent of marksSent) if (Math.abs(sent - us) < Math.abs(trueUs - us)) trueUs = sent
    return { trueUs, errorUs: us - trueUs }
  })
}

function concat(frames: readonly Int16Array[]): Int16Array {
  const samples = new Int16Array(frames.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const frame of frames) {
    samples.set(frame, at)
    at += frame.length
  }
  return samples
}
