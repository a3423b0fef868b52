import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parse } from 'yaml'

import { type IndexedPrompt, readPromptIndex } from '../../consent/announcement/prompt-index.ts'
import type { PromptRef } from '../../consent/words.ts'
import { EarwitnessError } from '../../errors.ts'
import {
  CODEC_RATES,
  frameEncoder,
  frames,
  PROMPT_MS_MAX,
  PROMPT_RATES,
  promptSamples,
  type FrameEncoder,
  type PromptCodec,
} from '../../media/prompt-audio.ts'
import { readWav, type WavAudio } from '../../media/wav.ts'
import { asOpusRate, createOpusEngine, type OpusEngineName } from '../media/opus-engine.ts'

const INDEX_FILE = 'index.yaml'
/** What is shorter cannot be told from other audio, and says nothing. */
const PROMPT_MS_MIN = 1_500
const FILE_BYTES_MAX = 64 * 1024 * 1024
const OPUS_BITS_PER_SECOND = 32_000
const OPUS_COMPLEXITY = 5
/** Frames that are encoded before others get their turn. */
const FRAMES_AT_ONCE = 10

/** A prompt whose file has been read. */
export interface Prompt extends IndexedPrompt {
  readonly ref: PromptRef
  readonly totalMs: number
  readonly audio: WavAudio
}

/** The prompts of a folder, and what they are in each codec: encoded once, and kept. */
export class PromptLibrary {
  readonly prompts: readonly Prompt[]
  readonly #opusEngine: OpusEngineName
  readonly #encoded = new Map<string, Promise<readonly Uint8Array[]>>()

  constructor(prompts: readonly Prompt[], opusEngine: OpusEngineName) {
    this.prompts = prompts
    this.#opusEngine = opusEngine
  }

  /** The payloads of a prompt, one for each 20 ms. */
  async encoded(prompt: Prompt, codec: PromptCodec): Promise<readonly Uint8Array[]> {
    const key = `${prompt.ref.sha256} ${codec}`
    const known = this.#encoded.get(key)
    if (known !== undefined) return known
    const encoding = this.#encode(prompt, codec)
    this.#encoded.set(key, encoding)
    encoding.catch(() => this.#encoded.delete(key))
    return encoding
  }

  async #encode({ audio }: Prompt, codec: PromptCodec): Promise<readonly Uint8Array[]> {
    const rate = CODEC_RATES[codec].audio
    const encoder = await this.#encoderFor(codec)
    const payloads: Uint8Array[] = []
    try {
      for (const frame of frames(promptSamples(audio, rate), rate)) {
        payloads.push(encoder.encode(frame))
        if (payloads.length % FRAMES_AT_ONCE === 0) await nextTurn()
      }
    } finally {
      encoder.free()
    }
    return payloads
  }

  async #encoderFor(codec: PromptCodec): Promise<{ readonly encode: FrameEncoder; readonly free: () => void }> {
    if (codec !== 'OPUS') return { encode: frameEncoder(codec), free: () => {} }
    const engine = createOpusEngine(this.#opusEngine, {
      sampleRate: asOpusRate(CODEC_RATES.OPUS.audio),
      bitsPerSecond: OPUS_BITS_PER_SECOND,
      complexity: OPUS_COMPLEXITY,
    })
    const encoder = await engine.createEncoder()
    // What an encoder gives is lent until its next frame.
    return { encode: (frame) => Uint8Array.from(encoder.encode(frame)), free: () => encoder.free() }
  }
}

/**
 * Reads the index of a folder and every file that it names.
 *
 * @throws EarwitnessError `prompts-unreadable`, `prompt-index`, `prompt-audio`
 */
export async function readPrompts(folder: string): Promise<readonly Prompt[]> {
  const index = await readIndex(folder)
  const prompts: Prompt[] = []
  for (const entry of index) prompts.push(await readPrompt(folder, entry))
  return prompts
}

const INDEX_FAULTS = {
  shape: 'has something that does not belong there',
  tooMany: 'has too many entries',
  value: 'has a value of the wrong form',
  repeated: 'names a prompt and language twice',
} as const

async function readIndex(folder: string): Promise<readonly IndexedPrompt[]> {
  const path = join(folder, INDEX_FILE)
  const bytes = await read(path)
  let value: unknown
  try {
    value = parse(bytes.toString('utf8'), { maxAliasCount: 0 })
  } catch (error) {
    const hint = 'config/prompts/index.yaml of this program shows its form.'
    throw new EarwitnessError('prompt-index', `${path} is not YAML.`, hint, { cause: error })
  }
  const index = readPromptIndex(value)
  if (index.ok) return index.value
  throw new EarwitnessError(
    'prompt-index',
    `${path} ${INDEX_FAULTS[index.reason]}: ${index.detail ?? ''}.`,
    'Each entry has id, version, language, file and text, all of them texts (in quotes where they look like numbers), and perhaps "asks: true".',
  )
}

async function readPrompt(folder: string, entry: IndexedPrompt): Promise<Prompt> {
  const path = join(folder, entry.file)
  const bytes = await read(path)
  const audio = readWav(bytes)
  if (!audio.ok || !PROMPT_RATES.includes(audio.value.sampleRate)) {
    throw new EarwitnessError(
      'prompt-audio',
      `${path} is not a WAV file that can be played.`,
      `Make it 16-bit PCM, A-law or mu-law at one of ${PROMPT_RATES.join(', ')} Hz, as "ffmpeg -i IN -ac 1 -ar 8000 OUT.wav" does.`,
    )
  }
  const { channels, sampleRate } = audio.value
  const totalMs = Math.round(((channels[0]?.length ?? 0) * 1_000) / sampleRate)
  if (totalMs < PROMPT_MS_MIN || totalMs > PROMPT_MS_MAX) {
    throw new EarwitnessError(
      'prompt-audio',
      `${path} lasts ${totalMs} ms.`,
      `A prompt lasts ${PROMPT_MS_MIN} ms at least, or it cannot be told from other audio, and ${PROMPT_MS_MAX} ms at most.`,
    )
  }
  const { id, version, language } = entry
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { ...entry, ref: { promptId: id, version, sha256, language }, totalMs, audio: audio.value }
}

async function read(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path)
    if (size > FILE_BYTES_MAX) throw new RangeError('larger than any prompt')
    return await readFile(path)
  } catch (error) {
    throw new EarwitnessError(
      'prompts-unreadable',
      `${path} cannot be read.`,
      'Point announcements.folder at a folder with index.yaml and the files that it names, readable by the user of the recorder.',
      { cause: error },
    )
  }
}
