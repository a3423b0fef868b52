import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { encodePcmu } from '../../src/media/g711.ts'
import { inspectOpusPacket } from '../../src/media/opus-packet.ts'
import { readRtpdump } from '../../src/media/rtpdump.ts'
import { parseRtp } from '../../src/protocol/rtp/packet.ts'
import { matchAudio, tone, toneAmplitude } from '../support/audio.ts'
import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { convertAudio, decodeAudio } from '../support/ffmpeg.ts'
import { oggPackets } from '../support/ogg-packets.ts'
import { payloadsOf, PayloadSession, type Payload } from '../support/payload-session.ts'
import { allClosed, liveRecordingSessions } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'

/** Opus as FFmpeg's libopus makes it, through the real daemon, exported, and decoded by FFmpeg. */
const SECONDS = 3
const RTPMAP = 'a=rtpmap:111 opus/48000/2'

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-opus-'))
  daemon = await startDaemon(dataDir)
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

async function opus(samples: Int16Array, options: readonly string[], sampleRate = 8_000): Promise<Payload[]> {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength)
  const from = ['-f', 's16le', '-ac', '1', '-ar', String(sampleRate)]
  const file = await convertAudio(bytes, from, ['-ar', '48000', '-c:a', 'libopus', ...options, '-f', 'ogg'])
  return oggPackets(file).map((data) => {
    const info = inspectOpusPacket(data)
    const ticks = info.ok ? info.value.samples : 0
    return { payloadType: 111, bytes: data, ticks, durationMs: ticks / 48 }
  })
}

test('speech in SILK, CELT and stereo is heard by everybody, and given back bit for bit', async () => {
  const speech = (await shippedSpeech())[0].slice(0, 8_000 * SECONDS)
  const lines = [
    await opus(speech, ['-application', 'voip', '-b:a', '16000', '-frame_duration', '60']),
    await opus(speech, ['-application', 'lowdelay', '-b:a', '48000', '-frame_duration', '10']),
    await opus(speech, ['-application', 'audio', '-b:a', '64000', '-ac', '2']),
  ]
  const session = await PayloadSession.place(src, [
    ['111', RTPMAP],
    ['111', RTPMAP, 'a=fmtp:111 sprop-maxcapturerate=16000'],
    ['111', RTPMAP, 'a=fmtp:111 stereo=1;sprop-stereo=1'],
  ])
  const [live] = await liveRecordingSessions(daemon)
  const recordingId = live?.recordingId ?? ''
  await Promise.all(lines.map((payloads, stream) => session.send(stream, payloads)))
  await session.hangUp()
  await allClosed(daemon)

  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  const { streams, kept } = await manifestOf(daemon, recordingId)
  expect(streams.map(({ codecs, packets }) => [codecs, packets.lost])).toEqual(lines.map(() => [['OPUS'], 0]))
  expect(kept?.every(({ formats }) => formats.every(({ decoded }) => decoded === true))).toBe(true)

  const wav = join(folder, 'all.wav')
  expect(await daemon.command('export', recordingId, '-o', wav)).toMatchObject({ code: 0 })
  const channels = await decodeAudio(wav, 8_000)
  expect(channels).toHaveLength(3)
  for (const channel of channels) {
    const { correlation, lag } = matchAudio(speech, channel, { lagMax: 400 })
    expect(correlation).toBeGreaterThan(0.7)
    expect(Math.abs(lag) / 8).toBeLessThan(40)
  }

  const dumps = join(folder, 'packets')
  expect(await daemon.command('export', recordingId, '-o', dumps, '--format', 'rtpdump')).toMatchObject({ code: 0 })
  const files = (await readdir(dumps)).filter((name) => name.endsWith('.rtpdump')).toSorted()
  for (const [index, name] of files.entries()) {
    const dump = readRtpdump(await readFile(join(dumps, name)))
    const payloads = (dump.ok ? dump.value.records : []).map(({ packet }) => parseRtp(packet))
    const given = payloads.map((parsed) => (parsed.ok ? Buffer.from(parsed.value.payload).toString('hex') : ''))
    expect(given).toEqual(lines[index]?.map(({ bytes }) => Buffer.from(bytes).toString('hex')))
  }
  expect(files).toHaveLength(3)
})

test('fullband Opus in stereo that follows PCMU without a new offer is recorded with all that it has', async () => {
  const [low, high] = [1_000, 12_000]
  const narrow = payloadsOf(
    encodePcmu(tone({ frequency: low, sampleRate: 8_000, samples: 8_000 * SECONDS, amplitude: 0.2 })),
    { payloadType: 0, octets: 160, ticks: 160, durationMs: 20 },
  )
  const full = tone({ frequency: high, sampleRate: 48_000, samples: 48_000 * SECONDS, amplitude: 0.2 })
  const wide = await opus(full, ['-application', 'audio', '-b:a', '96000', '-ac', '2'], 48_000)
  const session = await PayloadSession.place(src, [['0 111', RTPMAP, 'a=fmtp:111 stereo=1;sprop-stereo=1']])
  const [live] = await liveRecordingSessions(daemon)
  const recordingId = live?.recordingId ?? ''
  await session.send(0, [...narrow, ...wide])
  await session.hangUp()
  await allClosed(daemon)

  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  const { streams, incidents } = await manifestOf(daemon, recordingId)
  expect(incidents).toEqual([])
  expect(streams).toMatchObject([{ codecs: ['PCMU', 'OPUS'], sampleRate: 48_000, packets: { lost: 0 } }])
  const ogg = join(folder, 'risen.ogg')
  expect(await daemon.command('export', recordingId, '-o', ogg)).toMatchObject({ code: 0 })
  const [heard = new Int16Array(0)] = await decodeAudio(ogg, 48_000)
  const before = heard.subarray(48_000 / 2, 48_000 * (SECONDS - 0.5))
  const after = heard.subarray(48_000 * (SECONDS + 0.5), 48_000 * (2 * SECONDS - 0.5))
  expect([toneAmplitude(before, low, 48_000), toneAmplitude(after, low, 48_000)]).toEqual([
    expect.closeTo(0.2, 1),
    expect.closeTo(0, 2),
  ])
  expect(toneAmplitude(before, high, 48_000)).toBeLessThan(0.002)
  // At 16 kbit/s little is spent on so high a tone, and a correction of drift in it shifts its phase.
  expect(toneAmplitude(after, high, 48_000)).toBeGreaterThan(0.03)
})

test('an SRC that leaves the offer to us may choose Opus, whatever else it can', async () => {
  const speech = (await shippedSpeech())[1].slice(0, 8_000 * SECONDS)
  const session = await PayloadSession.placeWithoutOffer(src, [
    ['111', RTPMAP, 'a=fmtp:111 useinbandfec=1'],
    ['0 8 9 111 101', RTPMAP, 'a=rtpmap:101 telephone-event/8000'],
  ])
  expect(session.description).toContain('\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n')
  const [live] = await liveRecordingSessions(daemon)
  const recordingId = live?.recordingId ?? ''
  const payloads = await opus(speech, ['-application', 'voip', '-b:a', '24000', '-fec', '1', '-packet_loss', '10'])
  await Promise.all([session.send(0, payloads), session.send(1, payloads)])
  await session.hangUp()
  await allClosed(daemon)

  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  const { streams, incidents } = await manifestOf(daemon, recordingId)
  expect(incidents).toEqual([])
  expect(streams.map(({ codecs, packets }) => [codecs, packets.received, packets.lost])).toEqual(
    streams.map(() => [['OPUS'], payloads.length, 0]),
  )
  const ogg = join(folder, 'offered.ogg')
  expect(await daemon.command('export', recordingId, '-o', ogg)).toMatchObject({ code: 0 })
  const channels = await decodeAudio(ogg, 8_000)
  expect(channels).toHaveLength(2)
  for (const channel of channels) {
    expect(matchAudio(speech, channel, { lagMax: 400 }).correlation).toBeGreaterThan(0.7)
  }
})
