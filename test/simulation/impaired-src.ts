import { readFileSync } from 'node:fs'

import { AUDIO_FILES } from '../../src/cli/simulate/audio-source.ts'
import { encodePcma, encodePcmu } from '../../src/media/g711.ts'
import { readWav } from '../../src/media/wav.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { serializeCname, serializeSenderReport } from '../../src/protocol/rtp/rtcp-writer.ts'
import { noise } from '../support/audio.ts'
import { mulberry32 } from '../support/random.ts'
import { OPENED_AT_UNIX_MS, TRANSIT_US } from '../support/recording-rig.ts'

/** One media stream of an SRC, spoken and sent in virtual time, on its way through a network that does what it likes with it. */

const CLOCK_RATE = 8_000
const PACKET_SAMPLES = 160
const SECOND_US = 1_000_000
/** What a late packet of a reordering network and a second copy wait for, beside the jitter. */
const REORDER_US = 60_000
const COPY_US = 40_000
const REPORT_EVERY_SECONDS = 5
/** Noise that is like no other, this often: where it is found is where the recording put that instant. */
export const MARK_EVERY_SECONDS = 5
export const MARK_SAMPLES = 320
/** The first one, so that no mark lies on a whole second, at which scenarios change something. */
const MARK_OFFSET_SECONDS = 2.5

/** What the SRC does from an instant on, seconds after the INVITE. */
export interface Phase {
  readonly fromSeconds: number
  readonly toSeconds: number
  /** 0 PCMU, 8 PCMA. Default 0. */
  readonly payloadType?: 0 | 8
  /** From this phase on: another source, a step of its sequence, a step of its clock. */
  readonly ssrc?: number
  readonly sequenceJump?: number
  readonly timestampJump?: number
}

export interface Network {
  readonly lossFraction: number
  /** Every packet waits a random time up to this, each for itself: they overtake each other. */
  readonly jitterUs: number
  /** Packets that wait up to 60 ms longer still. */
  readonly reorderFraction: number
  readonly duplicateFraction: number
  /** Every packet is longer on its way by this. Default 0. */
  readonly delayUs?: number
}

export const CALM: Network = { lossFraction: 0, jitterUs: 0, reorderFraction: 0, duplicateFraction: 0 }

export interface ImpairedSrcOptions {
  /** 0 or 1: which voice is heard, and which marks. */
  readonly voice: number
  readonly seed: number
  /** Of the sender's sample clock against true time. */
  readonly driftPpm: number
  readonly network: Network
  readonly phases: readonly Phase[]
  /** Sender reports, every five seconds; they take the same way as the packets. Default: none. */
  readonly reports?: ReportHabits
}

export interface ReportHabits {
  readonly cname?: string
  /** What the wall clock says that they tell, unix milliseconds, after so many seconds. Default: {@link wallClockMs}. */
  readonly wallClock?: (seconds: number) => number
  /** By how much the RTP time that they tell is wrong, ms. Default 0. */
  readonly errorMs?: (report: number) => number
}

/** True time as unix milliseconds, by the clock that the SRC has for all of its streams; it differs from ours by what clocks do. */
export function wallClockMs(seconds: number): number {
  return OPENED_AT_UNIX_MS + 1_234_567 + seconds * 1_000
}

export interface SentDatagram {
  readonly datagram: Uint8Array
  /** After the INVITE. */
  readonly arrivalUs: number
  readonly isRtcp?: boolean
}

/** What became of the packets, by what a receiver can know of it: between the first and the last that arrived, for each sequence. */
export interface NetworkTally {
  readonly arrived: number
  readonly lost: number
  readonly copies: number
}

interface Run {
  /** Packets dropped since the last that arrived. */
  lostSince: number
  hasArrived: boolean
}

export class ImpairedSrc {
  readonly #options: ImpairedSrcOptions
  readonly #random: () => number
  readonly #rate: number
  readonly #speech: Speech
  #pending: SentDatagram[] = []
  #phase = -1
  #sample = 0
  #sequenceNumber: number
  #timestampOffset: number
  #ssrc: number
  #run: Run = { lostSince: 0, hasArrived: false }
  readonly #tally = { arrived: 0, lost: 0, copies: 0 }
  readonly #reports: SenderReports | undefined

  constructor(options: ImpairedSrcOptions) {
    this.#options = options
    this.#random = mulberry32(options.seed)
    this.#rate = CLOCK_RATE * (1 + options.driftPpm / 1_000_000)
    this.#speech = new Speech(options.voice)
    // Both wrap within the first seconds: nothing may rely on where they begin.
    this.#sequenceNumber = 0xfff0 - Math.floor(this.#random() * 200)
    this.#timestampOffset = 0xffff_ffff - Math.floor(this.#random() * 10 * CLOCK_RATE)
    this.#ssrc = 1 + Math.floor(this.#random() * 0xffff_0000)
    this.#reports = options.reports === undefined ? undefined : new SenderReports(options.reports, options.seed)
  }

  get tally(): NetworkTally {
    return this.#tally
  }

  /** What arrives before `untilUs`, in order; call it with rising times. */
  arrivals(untilUs: number): readonly SentDatagram[] {
    this.#send(untilUs)
    const due: SentDatagram[] = []
    const later: SentDatagram[] = []
    for (const sent of this.#pending) (sent.arrivalUs < untilUs ? due : later).push(sent)
    this.#pending = later
    return due.sort((left, right) => left.arrivalUs - right.arrivalUs)
  }

  #send(untilUs: number): void {
    for (;;) {
      const phase = this.#options.phases[this.#phase]
      const end = ((this.#sample + PACKET_SAMPLES) / this.#rate) * SECOND_US
      if (phase === undefined || end > phase.toSeconds * SECOND_US) {
        const next = this.#options.phases[this.#phase + 1]
        if (next === undefined || next.fromSeconds * SECOND_US >= untilUs) return
        this.#begin(next)
        continue
      }
      // A packet leaves when its last sample has been spoken.
      if (end >= untilUs) return
      this.#carry(this.#packet(phase.payloadType ?? 0), end)
      this.#report(end)
      this.#sample += PACKET_SAMPLES
      this.#sequenceNumber += 1
    }
  }

  #begin(phase: Phase): void {
    this.#phase += 1
    // The sampling clock goes on between phases, in whole packets where nothing was paused.
    const sample = Math.floor((phase.fromSeconds * this.#rate) / PACKET_SAMPLES) * PACKET_SAMPLES
    this.#sample = Math.max(this.#sample, sample)
    this.#sequenceNumber += phase.sequenceJump ?? 0
    this.#timestampOffset += phase.timestampJump ?? 0
    const isNewSequence = phase.ssrc !== undefined || phase.sequenceJump !== undefined
    if (isNewSequence) this.#run = { lostSince: 0, hasArrived: false }
    this.#ssrc = phase.ssrc ?? this.#ssrc
  }

  #packet(payloadType: 0 | 8): Uint8Array {
    return serializeRtp({
      marker: false,
      payloadType,
      sequenceNumber: this.#sequenceNumber & 0xffff,
      timestamp: (this.#sample + this.#timestampOffset) >>> 0,
      ssrc: this.#ssrc,
      payload: this.#speech.packet(this.#sample, this.#rate, payloadType),
    })
  }

  #report(sentUs: number): void {
    if (this.#reports === undefined) return
    const end = this.#sample + PACKET_SAMPLES + this.#timestampOffset
    const { delayUs = 0, jitterUs } = this.#options.network
    const sent = this.#reports.next({ ssrc: this.#ssrc, sentUs, rtpTimestamp: end })
    if (sent === undefined) return
    const arrivalUs = Math.floor(sentUs + TRANSIT_US + delayUs + sent.chance * jitterUs)
    this.#pending.push({ datagram: sent.datagram, arrivalUs, isRtcp: true })
  }

  #carry(datagram: Uint8Array, sentUs: number): void {
    const { network } = this.#options
    // The same numbers for each packet, used or not: another rate leaves the fate of the rest alone.
    const [loss, jitter, reorder, extra, copy, copyDelay] = Array.from({ length: 6 }, () => this.#random())
    if ((loss ?? 0) < network.lossFraction) {
      if (this.#run.hasArrived) this.#run.lostSince += 1
      return
    }
    this.#run.hasArrived = true
    this.#tally.lost += this.#run.lostSince
    this.#run.lostSince = 0
    this.#tally.arrived += 1
    const late = (reorder ?? 1) < network.reorderFraction ? (extra ?? 0) * REORDER_US : 0
    const arrivalUs = Math.floor(sentUs + TRANSIT_US + (network.delayUs ?? 0) + (jitter ?? 0) * network.jitterUs + late)
    this.#pending.push({ datagram, arrivalUs })
    if ((copy ?? 1) >= network.duplicateFraction) return
    this.#tally.copies += 1
    this.#pending.push({ datagram, arrivalUs: arrivalUs + Math.floor((copyDelay ?? 0) * COPY_US) })
  }
}

/** The reports of a stream: with randomness of their own, so that they leave the fate of the packets alone. */
class SenderReports {
  readonly #habits: ReportHabits
  readonly #random: () => number
  #dueUs: number
  #count = 0

  constructor(habits: ReportHabits, seed: number) {
    this.#habits = habits
    this.#random = mulberry32(seed + 1_000_003)
    this.#dueUs = (0.5 + this.#random() * 2) * SECOND_US
  }

  /** The one that is due when a packet is sent, if one is. @param at.rtpTimestamp of the instant of sending */
  next(at: { readonly ssrc: number; readonly sentUs: number; readonly rtpTimestamp: number }) {
    if (at.sentUs < this.#dueUs) return undefined
    this.#dueUs = at.sentUs + (0.5 + this.#random()) * REPORT_EVERY_SECONDS * SECOND_US
    const { cname = 'src@example.com', wallClock = wallClockMs, errorMs = () => 0 } = this.#habits
    const wrong = Math.round((errorMs(this.#count) * CLOCK_RATE) / 1_000)
    this.#count += 1
    const report = serializeSenderReport({
      type: 'senderReport',
      ssrc: at.ssrc,
      ntpAtUnixMs: wallClock(at.sentUs / SECOND_US),
      rtpTimestamp: (at.rtpTimestamp + wrong) >>> 0,
      packetCount: 0,
      octetCount: 0,
      reports: [],
    })
    const datagram = Uint8Array.from([...report, ...serializeCname(at.ssrc, cname)])
    return { datagram, chance: this.#random() }
  }
}

/** Where the marks of a stream are: seconds of true time after the INVITE, at which each begins. */
export function markSeconds(index: number): number {
  return MARK_OFFSET_SECONDS + index * MARK_EVERY_SECONDS
}

export function markOf(voice: number, index: number): Int16Array {
  return noise({ seed: 100_000 * (voice + 1) + index + 1, samples: MARK_SAMPLES, amplitude: 0.4 })
}

/** The shipped speech over and over, with the marks in it, encoded. */
class Speech {
  readonly #voice: number
  readonly #samples: Int16Array
  readonly #encoded: ReadonlyMap<0 | 8, Uint8Array>

  constructor(voice: number) {
    this.#voice = voice
    const wav = readWav(readFileSync(AUDIO_FILES[voice] ?? ''))
    const samples = (wav.ok ? wav.value.channels[0] : undefined) ?? new Int16Array(PACKET_SAMPLES)
    this.#samples = samples.subarray(0, samples.length - (samples.length % PACKET_SAMPLES))
    this.#encoded = new Map([
      [0, encodePcmu(this.#samples)],
      [8, encodePcma(this.#samples)],
    ])
  }

  packet(sample: number, rate: number, payloadType: 0 | 8): Uint8Array {
    const from = sample % this.#samples.length
    const mark = Math.floor((sample / rate - MARK_OFFSET_SECONDS) / MARK_EVERY_SECONDS + 0.01)
    const markFrom = mark < 0 ? Infinity : Math.round(markSeconds(mark) * rate) - sample
    if (markFrom >= PACKET_SAMPLES || markFrom + MARK_SAMPLES <= 0) {
      return this.#encoded.get(payloadType)?.subarray(from, from + PACKET_SAMPLES) ?? new Uint8Array(0)
    }
    const samples = this.#samples.slice(from, from + PACKET_SAMPLES)
    const marked = markOf(this.#voice, mark)
    for (let i = Math.max(0, markFrom); i < Math.min(PACKET_SAMPLES, markFrom + MARK_SAMPLES); i++) {
      samples[i] = marked[i - markFrom] ?? 0
    }
    return payloadType === 8 ? encodePcma(samples) : encodePcmu(samples)
  }
}
