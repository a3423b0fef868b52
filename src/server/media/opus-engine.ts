import { createRequire } from 'node:module'
import { createDecoder, createEncoder, type Application } from 'libopus-wasm'

import { OPUS_FRAME_LENGTH_MAX, opusPacketSamples, splitOpusFrames } from '../../media/opus-packet.ts'
import type { OpusDecoder } from '../../recorder/opus-decoder.ts'
import type { OpusEncoder } from '../../recorder/opus-encoder.ts'

export type OpusEngineName = 'libopus-wasm' | 'opusscript'

/** Samples per second that Opus takes and gives. RFC 6716 2 */
export type OpusRate = 8_000 | 12_000 | 16_000 | 24_000 | 48_000

export interface OpusSettings {
  readonly sampleRate: OpusRate
  readonly bitsPerSecond: number
  /** 0 (cheapest) to 10. */
  readonly complexity: number
}

export const OPUS_RATES: readonly OpusRate[] = [8_000, 12_000, 16_000, 24_000, 48_000]

/** Makes mono Opus encoders and decoders. Loading WebAssembly waits, encoding does not. */
export interface OpusEngine {
  readonly name: OpusEngineName
  /** @param sampleRate that of the settings when left out */
  createEncoder(sampleRate?: OpusRate): Promise<OpusEncoder>
  createDecoder(sampleRate: OpusRate): Promise<OpusDecoder>
  /** Encoders handed out and not given back yet. */
  readonly inUse: number
  /** Of all encoders, those in use included, from their next frame on. @param complexity 0 to 10 */
  setComplexity(complexity: number): void
}

/**
 * OPUS_APPLICATION_RESTRICTED_LOWDELAY: CELT only. It codes the waveform, where SILK models a voice; so what is decoded is
 * closer to what was received (correlation with the source 0.97 instead of 0.90 at 16 kbit/s), and it costs half the CPU.
 */
const APPLICATION_RESTRICTED_LOW_DELAY = 2051
/**
 * OPUS_APPLICATION_RESTRICTED_CELT of libopus 1.6: the same packets, octet for octet, of an encoder that has no room for SILK beside it: 26 kB instead of 41. The types of the library do not know it.
 */
const APPLICATION_RESTRICTED_CELT = 2053 as number as Application
/** No packet of 20 ms is longer (RFC 6716 3.2.1): without saying so, each encoder has room for 4,000 octets. */
const ENCODING = { maxPacketBytes: 1 + OPUS_FRAME_LENGTH_MAX }
/**
 * OPUS_GET_LOOKAHEAD of that application is 2.5 ms at every rate: 120 samples at the 48 kHz in which RFC 7845 counts.
 * libopus-wasm is asked; opusscript has no such call.
 */
const LOOKAHEAD_48K = 120
const SAMPLE_RATE_48K = 48_000
const FRAMES_PER_SECOND = 50
/** One loaded opusscript module has a fixed heap that its 80th mono encoder overflows; a further one is loaded before. */
export const OPUSSCRIPT_ENCODERS_PER_MODULE = 64
/** 48 kHz samples that it decodes at once. */
const OPUSSCRIPT_PACKET_SAMPLES_MAX = 2_880
const OPUS_SET_COMPLEXITY = 4010

/** As a rate of Opus; throws a RangeError when it is none. */
export function asOpusRate(sampleRate: number): OpusRate {
  const found = OPUS_RATES.find((rate) => rate === sampleRate)
  if (found === undefined) throw new RangeError('Opus has no such sample rate')
  return found
}

export function createOpusEngine(name: OpusEngineName, settings: OpusSettings): OpusEngine {
  return name === 'opusscript' ? new OpusscriptEngine(settings) : new LibopusWasmEngine(settings)
}

class LibopusWasmEngine implements OpusEngine {
  readonly name = 'libopus-wasm'
  readonly #settings: OpusSettings
  readonly #live: LiveEncoders

  constructor(settings: OpusSettings) {
    this.#settings = settings
    this.#live = new LiveEncoders(settings.complexity)
  }

  get inUse(): number {
    return this.#live.count
  }

  setComplexity(complexity: number): void {
    this.#live.setComplexity(complexity)
  }

  async createDecoder(sampleRate: OpusRate): Promise<OpusDecoder> {
    const decoder = await createDecoder({ channels: 1, sampleRate })
    return {
      sampleRate,
      decode: (packet) => decoder.decode(packet),
      decodeRedundancy: (packet, samples) => decoder.decode(packet, { decodeFec: true, frameSize: samples }),
      free: once(() => decoder.free()),
    }
  }

  async createEncoder(sampleRate: OpusRate = this.#settings.sampleRate): Promise<OpusEncoder> {
    const { bitsPerSecond } = this.#settings
    const handle = await createEncoder({
      sampleRate,
      channels: 1,
      application: APPLICATION_RESTRICTED_CELT,
      bitrate: bitsPerSecond,
      complexity: this.#live.complexity,
      frameSize: sampleRate / FRAMES_PER_SECOND,
    })
    const setComplexity = (complexity: number): void => handle.setComplexity(complexity)
    this.#live.add(setComplexity)
    return {
      sampleRate,
      preSkip: (handle.getLookahead() * SAMPLE_RATE_48K) / sampleRate,
      encode: (samples) => handle.encode(samples, ENCODING),
      free: once(() => {
        this.#live.remove(setComplexity)
        handle.free()
      }),
    }
  }
}

/** The encoders handed out, and the complexity of all of them. */
class LiveEncoders {
  readonly #setters = new Set<(complexity: number) => void>()
  #complexity: number

  constructor(complexity: number) {
    this.#complexity = complexity
  }

  get complexity(): number {
    return this.#complexity
  }

  get count(): number {
    return this.#setters.size
  }

  setComplexity(complexity: number): void {
    if (complexity === this.#complexity) return
    this.#complexity = complexity
    for (const set of this.#setters) set(complexity)
  }

  add(set: (complexity: number) => void): void {
    this.#setters.add(set)
  }

  remove(set: (complexity: number) => void): void {
    this.#setters.delete(set)
  }
}

type OpusscriptConstructor = typeof import('opusscript')

interface OpusscriptModule {
  readonly construct: OpusscriptConstructor
  /** Encoders and decoders: each takes as much of the heap. */
  handles: number
}

class OpusscriptEngine implements OpusEngine {
  readonly name = 'opusscript'
  readonly #settings: OpusSettings
  readonly #modules: OpusscriptModule[] = []
  readonly #live: LiveEncoders

  constructor(settings: OpusSettings) {
    this.#settings = settings
    this.#live = new LiveEncoders(settings.complexity)
  }

  get inUse(): number {
    return this.#live.count
  }

  setComplexity(complexity: number): void {
    this.#live.setComplexity(complexity)
  }

  createEncoder(sampleRate: OpusRate = this.#settings.sampleRate): Promise<OpusEncoder> {
    return Promise.resolve(this.#create(sampleRate))
  }

  createDecoder(sampleRate: OpusRate): Promise<OpusDecoder> {
    const module = this.#moduleWithRoom()
    const handle = new module.construct(sampleRate, 1, APPLICATION_RESTRICTED_LOW_DELAY)
    module.handles += 1
    return Promise.resolve({
      sampleRate,
      decodeRedundancy: () => undefined,
      decode: (packet) => joined(piecesOf(packet).map((piece) => samplesOf(handle.decode(asBuffer(piece))))),
      free: once(() => {
        module.handles -= 1
        handle.delete()
      }),
    })
  }

  #create(sampleRate: OpusRate): OpusEncoder {
    const { bitsPerSecond } = this.#settings
    const module = this.#moduleWithRoom()
    const handle = new module.construct(sampleRate, 1, APPLICATION_RESTRICTED_LOW_DELAY)
    handle.setBitrate(bitsPerSecond)
    const setComplexity = (complexity: number): void => handle.encoderCTL(OPUS_SET_COMPLEXITY, complexity)
    setComplexity(this.#live.complexity)
    module.handles += 1
    this.#live.add(setComplexity)
    return {
      sampleRate,
      preSkip: LOOKAHEAD_48K,
      encode: (samples) => handle.encode(asBuffer(samples), samples.length),
      free: once(() => {
        module.handles -= 1
        this.#live.remove(setComplexity)
        handle.delete()
      }),
    }
  }

  #moduleWithRoom(): OpusscriptModule {
    const found = this.#modules.find((module) => module.handles < OPUSSCRIPT_ENCODERS_PER_MODULE)
    if (found !== undefined) return found
    const loaded = { construct: loadOpusscript(), handles: 0 }
    this.#modules.push(loaded)
    return loaded
  }
}

/** Evaluates opusscript anew: the package keeps one WebAssembly instance per evaluation of its entry file. */
function loadOpusscript(): OpusscriptConstructor {
  const require = createRequire(import.meta.url)
  const path = require.resolve('opusscript')
  const loaded = require.cache[path]
  delete require.cache[path]
  const construct = require(path) as OpusscriptConstructor
  if (loaded !== undefined) require.cache[path] = loaded
  return construct
}

/** What opusscript has room for at once: it takes 60 ms, where a packet may have 120. */
function piecesOf(packet: Uint8Array): readonly Uint8Array[] {
  if (opusPacketSamples(packet) <= OPUSSCRIPT_PACKET_SAMPLES_MAX) return [packet]
  const frames = splitOpusFrames(packet)
  return frames.ok ? frames.value : [packet]
}

function samplesOf({ buffer, byteOffset, byteLength }: Buffer): Int16Array {
  return new Int16Array(buffer.slice(byteOffset, byteOffset + byteLength))
}

function joined(parts: readonly Int16Array[]): Int16Array {
  const [first = new Int16Array(0)] = parts
  if (parts.length === 1) return first
  const all = new Int16Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Freed twice, WebAssembly memory would be somebody else's. */
function once(free: () => void): () => void {
  let isFree = false
  return () => {
    if (isFree) return
    isFree = true
    free()
  }
}

function asBuffer(bytes: Uint8Array | Int16Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
