import { readFileSync } from 'node:fs'

import { AUDIO_FILES } from '../../src/cli/simulate/audio-source.ts'
import { encodePcma, encodePcmu } from '../../src/media/g711.ts'
import { readWav } from '../../src/media/wav.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { noise } from '../support/audio.ts'
import { mulberry32 } from '../support/random.ts'
import { TRANSIT_US } from '../support/recording-rig.ts'

/** One media stream of an SRC, spoken and sent in virtual time, on its way through a network that does what it likes with it. */

const CLOCK_RATE = 8_000
const PACKET_SAMPLES = 160
const SECOND_US = 1_000_000
/** What a late packet of a reordering network and a second copy wait for, beside the jitter. */
const REORDER_US = 60_000
const COPY_US = 40_000
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
}

export interface SentDatagram {
  readonly datagram: Uint8Array
  /** After the INVITE. */
  readonly arrivalUs: number
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

  constructor(options: ImpairedSrcOptions) {
    this.#options = options
    this.#random = mulberry32(options.seed)
    this.#rate = CLOCK_RATE * (1 + options.driftPpm / 1_000_000)
    this.#speech = new Speech(options.voice)
    // Both wrap within the first seconds: nothing may rely on where they begin.
    this.#sequenceNumber = 0xfff0 - Math.floor(this.#random() * 200)
    this.#timestampOffset = 0xffff_ffff - Math.floor(this.#random() * 10 * CLOCK_RATE)
    this.#ssrc = 1 + Math.floor(this.#random() * 0xffff_0000)
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
    const arrivalUs = Math.floor(sentUs + TRANSIT_US + (jitter ?? 0) * network.jitterUs + late)
    this.#pending.push({ datagram, arrivalUs })
    if ((copy ?? 1) >= network.duplicateFraction) return
    this.#tally.copies += 1
    this.#pending.push({ datagram, arrivalUs: arrivalUs + Math.floor((copyDelay ?? 0) * COPY_US) })
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
