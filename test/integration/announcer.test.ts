import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { decodePcma, decodePcmu } from '../../src/media/g711.ts'
import { G722Decoder } from '../../src/media/g722.ts'
import { promptSamples } from '../../src/media/prompt-audio.ts'
import { readWav } from '../../src/media/wav.ts'
import type { RtpPacket } from '../../src/protocol/rtp/packet.ts'
import { createOpusEngine } from '../../src/server/media/opus-engine.ts'
import { AnnouncedCaller } from '../support/announced-caller.ts'
import { matchAudio } from '../support/audio.ts'
import { makeDataDir, removeDataDir, type RunningDaemon, startDaemon } from '../support/daemon.ts'
import { announcerEnvironment, keptFacts, shortPrompts } from '../support/announcer.ts'

let daemon: RunningDaemon
let dataDir: string
let folder: string
const callers: AnnouncedCaller[] = []

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await shortPrompts(join(dataDir, 'prompts'))
  daemon = await startDaemon(dataDir, await announcerEnvironment(folder))
})
afterEach(() => {
  for (const caller of callers.splice(0)) caller.close()
})
afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

async function caller(): Promise<AnnouncedCaller> {
  const opened = await AnnouncedCaller.open(daemon.sipUdpPort)
  callers.push(opened)
  return opened
}

async function promptAudio(rate: number): Promise<Int16Array> {
  const wav = readWav(await readFile(join(folder, 'notice.en.wav')))
  if (!wav.ok) throw new Error(wav.reason)
  return promptSamples(wav.value, rate)
}

describe('answer mode', () => {
  test.each([
    { codec: '0', name: 'PCMU', rate: 8_000, step: 160 },
    { codec: '8', name: 'PCMA', rate: 8_000, step: 160 },
    { codec: '9', name: 'G722', rate: 16_000, step: 160 },
    { codec: '96 opus/48000/2', name: 'OPUS', rate: 16_000, step: 960 },
  ])('$name: 200, the prompt to its last sample, BYE', async ({ codec, name, rate, step }) => {
    const pbx = await caller()
    const line = await pbx.call('sip:announce@127.0.0.1', { codec })
    expect([line.codecs.map((each) => each.name), line.direction]).toEqual([[name, 'TELEPHONE-EVENT'], 'sendrecv'])
    const bye = await pbx.asked('BYE')
    expect(bye).toContain('Reason: Q.850;cause=16;text="Announcement played"')
    const { packets } = pbx
    const [first] = packets
    expect(packets.map(({ marker }) => marker)).toEqual(packets.map((_, index) => index === 0))
    expect(packets.map((packet) => (packet.sequenceNumber - first!.sequenceNumber) & 0xffff)).toEqual(
      packets.map((_, index) => index),
    )
    expect(packets.map((packet) => (packet.timestamp - first!.timestamp) >>> 0)).toEqual(
      packets.map((_, index) => index * step),
    )
    const prompt = await promptAudio(rate)
    expect(packets).toHaveLength(Math.ceil(prompt.length / (rate / 50)))
    const match = matchAudio(prompt, await decoded(name, packets), { lagMax: 400 })
    expect(match.correlation).toBeGreaterThan(0.95)
    expect(Math.abs(match.lag)).toBeLessThanOrEqual(rate / 200)
    expect(await keptFacts(dataDir, pbx.src.sipCallId)).toEqual([
      {
        type: 'announcementPlayed',
        prompt: {
          promptId: 'notice',
          version: '7',
          sha256: createHash('sha256')
            .update(await readFile(join(folder, 'notice.en.wav')))
            .digest('hex'),
          language: 'en',
        },
        mode: 'answer',
        playedMs: Math.round((prompt.length * 1_000) / rate),
        totalMs: Math.round((prompt.length * 1_000) / rate),
        heardToEnd: 'unknown',
        endCause: 'played',
      },
    ])
  })
})

async function decoded(name: string, packets: readonly RtpPacket[]): Promise<Int16Array> {
  const decode = await decoderOf(name)
  return Int16Array.from(packets.flatMap(({ payload }) => Array.from(decode(payload))))
}

async function decoderOf(name: string): Promise<(payload: Uint8Array) => Int16Array> {
  if (name === 'PCMU') return decodePcmu
  if (name === 'PCMA') return decodePcma
  if (name === 'G722') {
    const decoder = new G722Decoder()
    return (payload) => decoder.decode(payload)
  }
  const engine = createOpusEngine('libopus-wasm', { sampleRate: 16_000, bitsPerSecond: 24_000, complexity: 5 })
  const decoder = await engine.createDecoder(16_000)
  return (payload) => decoder.decode(payload)
}
