import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { encodePcma } from '../../src/media/g711.ts'
import { G722Decoder } from '../../src/media/g722.ts'
import { matchAudio, tone, toneAmplitude } from '../support/audio.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { convertAudio, decodeAudio, probeAudio } from '../support/ffmpeg.ts'
import { payloadsOf, PayloadSession, type Payload } from '../support/payload-session.ts'
import { allClosed, liveRecordingSessions } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { redundantPayload } from '../support/redundant-audio.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'

/** Codecs that are decoded while they arrive, encoded by FFmpeg, through the real daemon, decoded by FFmpeg again. */
const WIDEBAND = 16_000
const SECONDS = 4

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc
/** 8 kHz and the same at 16 kHz. */
let narrowband: Int16Array
let speech: Int16Array

beforeAll(async () => {
  const [caller] = await shippedSpeech()
  narrowband = caller.subarray(0, 8_000 * SECONDS)
  speech = samplesOf(await convert(narrowband, 8_000, ['-f', 's16le', '-ar', String(WIDEBAND)]))
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-codecs-'))
  daemon = await startDaemon(dataDir)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterEach(() => src.close())

/** 16-bit samples to anything that FFmpeg writes. */
function convert(samples: Int16Array, sampleRate: number, to: readonly string[]): Promise<Buffer> {
  return convertAudio(bytesOf(samples), ['-f', 's16le', '-ac', '1', '-ar', String(sampleRate)], to)
}

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
}

function samplesOf(bytes: Buffer): Int16Array {
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

const g722 = async (samples: Int16Array): Promise<Payload[]> =>
  payloadsOf(await convert(samples, WIDEBAND, ['-f', 'g722']), {
    payloadType: 9,
    octets: 160,
    ticks: 160,
    durationMs: 20,
  })

const pcma = (samples: Int16Array): Payload[] =>
  payloadsOf(encodePcma(samples), { payloadType: 8, octets: 160, ticks: 160, durationMs: 20 })

async function recorded(
  lines: readonly (readonly string[])[],
  send: (session: PayloadSession) => Promise<unknown>,
): Promise<{ readonly recordingId: string; readonly channels: readonly Int16Array[]; readonly sampleRate: number }> {
  const session = await PayloadSession.place(src, lines)
  const [live] = await liveRecordingSessions(daemon)
  const recordingId = live?.recordingId ?? ''
  await send(session)
  await session.hangUp()
  await allClosed(daemon)
  const file = join(folder, `${recordingId}.wav`)
  expect(await daemon.command('export', recordingId, '-o', file)).toMatchObject({ code: 0 })
  const { sampleRate } = await probeAudio(file)
  return { recordingId, channels: await decodeAudio(file, sampleRate), sampleRate }
}

test('what FFmpeg encodes as G.722 is decoded as FFmpeg decodes it, to the bit', async () => {
  const encoded = await convert(speech, WIDEBAND, ['-f', 'g722'])
  const reference = samplesOf(await convertAudio(encoded, ['-f', 'g722'], ['-f', 's16le']))
  const decoded = new G722Decoder().decode(encoded)
  expect(decoded).toEqual(reference)
  const { correlation, lag } = matchAudio(speech, decoded, { lagMax: 60 })
  expect(correlation).toBeGreaterThan(0.99)
  // The delay of the two filters of G.722: 22 samples.
  expect(lag).toBe(22)
})

describe('through the recorder', () => {
  test('G.722 and L16 of 16 and 44.1 kHz stereo keep pitch, place and length', async () => {
    const l16 = payloadsOf(await convert(speech, WIDEBAND, ['-f', 's16be']), {
      payloadType: 96,
      octets: 640,
      ticks: 320,
      durationMs: 20,
    })
    const stereo = payloadsOf(await convert(speech, WIDEBAND, ['-f', 's16be', '-ar', '44100', '-ac', '2']), {
      payloadType: 10,
      octets: 882 * 4,
      ticks: 882,
      durationMs: 20,
    })
    const { recordingId, channels, sampleRate } = await recorded(
      [['9'], ['96', 'a=rtpmap:96 L16/16000'], ['10']],
      async (session) =>
        Promise.all([session.send(0, await g722(speech)), session.send(1, l16), session.send(2, stereo)]),
    )
    expect(sampleRate).toBe(48_000)
    const expected = samplesOf(await convert(speech, WIDEBAND, ['-f', 's16le', '-ar', '48000']))
    for (const channel of channels) {
      const { correlation, lag } = matchAudio(expected, channel, { lagMax: 2_400 })
      expect(correlation).toBeGreaterThan(0.9)
      expect(Math.abs(lag) / 48).toBeLessThan(20)
    }
    const { streams } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ codecs }) => codecs)).toEqual([['G722'], ['L16'], ['L16']])
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })

  test('G.722 that a re-INVITE brings is recorded with all that it has, and the audio before and after stays in its place', async () => {
    const low = tone({ frequency: 1_000, sampleRate: 8_000, samples: 16_000, amplitude: 0.2 })
    const high = tone({ frequency: 5_000, sampleRate: WIDEBAND, samples: 2 * WIDEBAND, amplitude: 0.2 })
    const { recordingId, channels, sampleRate } = await recorded([['8']], async (session) => {
      await session.send(0, pcma(low))
      await session.offer([['9 8']])
      await session.send(0, await g722(high))
      await session.offer([['8']])
      await session.send(0, pcma(low))
    })
    expect(sampleRate).toBe(WIDEBAND)
    const { streams } = await manifestOf(daemon, recordingId)
    expect(streams[0]).toMatchObject({ codecs: ['PCMA', 'G722'], sampleRate: WIDEBAND, packets: { received: 300 } })
    expect(streams[0]?.ledger.audioSamples).toBe(6 * 48_000)
    const [heard = new Int16Array(0)] = channels
    // Between the stretches the SRC was as long silent as its re-INVITE took.
    const gaps = streams[0]?.gaps.map(({ toSample, fromSample }) => toSample - fromSample) ?? []
    const end = Math.max(heard.length, 6 * WIDEBAND)
    const [first, middle, last] = [
      heard.subarray(WIDEBAND / 2, 1.5 * WIDEBAND),
      heard.subarray(2 * WIDEBAND, end - 2 * WIDEBAND),
      heard.subarray(end - 1.5 * WIDEBAND, end - WIDEBAND / 2),
    ]
    const share = (2 * WIDEBAND) / (2 * WIDEBAND + gaps.reduce((sum, gap) => sum + gap / 3, 0))
    expect(toneAmplitude(middle, 5_000, WIDEBAND)).toBeGreaterThan(0.1 * share)
    for (const narrow of [first, last]) {
      expect(toneAmplitude(narrow, 1_000, WIDEBAND)).toBeGreaterThan(0.1)
      expect(toneAmplitude(narrow, 5_000, WIDEBAND)).toBeLessThan(0.002)
    }
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })

  test('a change from PCMA to G.722 and back without a new offer keeps pitch and place', async () => {
    const half = SECONDS / 2
    const { recordingId, channels } = await recorded([['8 9']], async (session) => {
      await session.send(0, [
        ...pcma(narrowband.subarray(0, 8_000)),
        ...(await g722(speech.subarray(WIDEBAND, WIDEBAND * (half + 1)))),
        ...pcma(narrowband.subarray(8_000 * (half + 1))),
      ])
    })
    // The filters of G.722 and of the change of rate differ in delay, by less than 2 ms.
    for (let second = 0; second < SECONDS; second++) {
      const [from, to] = [second * WIDEBAND, (second + 1) * WIDEBAND]
      const { correlation, lag } = matchAudio(
        speech.subarray(from, to),
        (channels[0] ?? new Int16Array(0)).subarray(from, to),
        { lagMax: 800 },
      )
      // A busy machine encodes with less work.
      expect(correlation).toBeGreaterThan(0.85)
      expect(Math.abs(lag)).toBeLessThan(WIDEBAND / 50)
    }
    const { streams } = await manifestOf(daemon, recordingId)
    expect(streams[0]).toMatchObject({ codecs: ['PCMA', 'G722'], packets: { received: 50 * SECONDS, lost: 0 } })
    expect(streams[0]?.gaps.filter(({ cause }) => cause !== 'noMedia')).toEqual([])
  })

  test('redundant audio is unwrapped, and every third packet may be lost: beside PCMA, and on a line with nothing else', async () => {
    const single = pcma(narrowband)
    const wrapped = single.map((sent, index): Payload => {
      const before = single[index - 1]
      const copy = before === undefined ? [] : [{ payloadType: 8, timestampOffset: 160, payload: before.bytes }]
      const bytes = redundantPayload([...copy, { payloadType: 8, timestampOffset: 0, payload: sent.bytes }])
      return { ...sent, payloadType: 121, bytes, isLost: index % 3 === 2 }
    })
    const red = ['a=rtpmap:121 red/8000', 'a=fmtp:121 8/8']
    const { recordingId, channels } = await recorded(
      [
        ['121 8', ...red],
        ['121', ...red],
      ],
      async (session) => {
        // It is answered with what it wraps, where that can be had.
        expect(session.description.match(/m=audio \d+ RTP\/AVP .*/g)?.map((line) => line.split('AVP ')[1])).toEqual([
          '8',
          '121',
        ])
        await Promise.all([session.send(0, wrapped), session.send(1, wrapped)])
      },
    )
    const { streams } = await manifestOf(daemon, recordingId)
    for (const [index, stream] of streams.entries()) {
      expect(stream).toMatchObject({ codecs: ['PCMA'], packets: { received: 50 * SECONDS, lost: 0, discarded: 0 } })
      const heard = channels[index] ?? new Int16Array(0)
      expect(matchAudio(narrowband, heard, { lagMax: 400 }).correlation).toBeGreaterThan(0.9)
    }
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })
})
