import { createSocket } from 'node:dgram'
import { readdir, readFile, rename, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { decodeWithFfmpeg } from '../../src/cli/export/ffmpeg.ts'
import { KeptAudio } from '../../src/cli/export/kept-audio.ts'
import type { KeptStreamPackets } from '../../src/cli/export/kept-packets.ts'
import { toWav } from '../../src/cli/export/render.ts'
import { encodePcmu } from '../../src/media/g711.ts'
import { readOggOpus } from '../../src/media/ogg-opus.ts'
import { readRtpdump } from '../../src/media/rtpdump.ts'
import { readWav } from '../../src/media/wav.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import type { SipResponse } from '../../src/protocol/sip/message.ts'
import { parseNameAddr } from '../../src/protocol/sip/name-addr.ts'
import { matchAudio } from '../support/audio.ts'
import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { amrPayloads, encodeWithFfmpeg, g729Payloads, payloadsOf } from '../support/kept-codecs.ts'
import { oggPackets } from '../support/ogg-packets.ts'
import { RawSrc } from '../support/raw-src.ts'
import { manifestOf, matchWindows, shippedSpeech } from '../support/recorded.ts'

/** Codecs that are not decoded live, through the real daemon and the system's FFmpeg. */

const SECONDS = 4
const RATE = 8_000

/** What is sent on one media line. */
interface Line {
  readonly sdp: readonly string[]
  readonly packets: readonly { readonly payloadType: number; readonly payload: Uint8Array; readonly ms: number }[]
  readonly clockRate: number
}

let folder: string
let dataDir: string
let daemon: RunningDaemon
let speech: Int16Array
let lines: readonly Line[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-kept-'))
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  speech = (await shippedSpeech())[0].slice(0, SECONDS * RATE)
  lines = await linesOf(speech)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true })
})

function line(
  payloadType: number,
  rtpmap: string,
  payloads: readonly Uint8Array[],
  options: { readonly ms?: number; readonly clockRate?: number; readonly fmtp?: string } = {},
): Line {
  const { ms = 20, clockRate = RATE, fmtp } = options
  return {
    sdp: [
      `m=audio 40000 RTP/AVP ${payloadType}`,
      `a=rtpmap:${payloadType} ${rtpmap}`,
      ...(fmtp === undefined ? [] : [`a=fmtp:${payloadType} ${fmtp}`]),
    ],
    packets: payloads.map((payload) => ({ payloadType, payload, ms })),
    clockRate,
  }
}

async function linesOf(samples: Int16Array): Promise<readonly Line[]> {
  const gsm = await encodeWithFfmpeg(samples, ['-c:a', 'libgsm', '-b:a', '13000', '-f', 'gsm'])
  const g726 = await encodeWithFfmpeg(samples, ['-c:a', 'g726le', '-b:a', '32000', '-f', 'g726le'])
  const g723 = await encodeWithFfmpeg(samples, ['-c:a', 'g723_1', '-b:a', '6300', '-f', 's16le'])
  const pcmu = payloadsOf(encodePcmu(samples), 160)
  const g729 = g729Payloads()
  return [
    line(3, 'GSM/8000', payloadsOf(gsm, 33)),
    line(2, 'G726-32/8000', payloadsOf(g726, 80)),
    line(4, 'G723/8000', payloadsOf(g723, 24), { ms: 30 }),
    line(96, 'AMR/8000', amrPayloads('amr', 'octetAligned'), { fmtp: 'octet-align=1' }),
    line(97, 'AMR-WB/16000', amrPayloads('awb', 'bandwidthEfficient'), { clockRate: 16_000 }),
    {
      sdp: ['m=audio 40000 RTP/AVP 0 18', 'a=rtpmap:18 G729/8000'],
      // The same speech, whose second and third quarter are sent as G.729.
      packets: pcmu.map((payload, index) => {
        const isKept = index >= 50 && index < 150
        return { payloadType: isKept ? 18 : 0, payload: isKept ? (g729[index] ?? payload) : payload, ms: 20 }
      }),
      clockRate: RATE,
    },
    line(
      98,
      'X-FOO/8000',
      Array.from({ length: 200 }, (_, index) => Buffer.from(`foo ${index}`)),
    ),
  ]
}

function portsOf(answer: SipResponse): readonly number[] {
  const text = new TextDecoder().decode(answer.body)
  return [...text.matchAll(/^m=audio (\d+)/gm)].map(([, port = '']) => Number(port))
}

/** Sends every line's packets in their time; gives what was sent. */
async function play(ports: readonly number[]): Promise<readonly (readonly Buffer[])[]> {
  const socket = createSocket('udp4')
  const sent = lines.map((): Buffer[] => [])
  const dueMs = lines.map(() => 0)
  const startMs = performance.now()
  for (let nowMs = 0; lines.some(({ packets }, index) => (sent[index]?.length ?? 0) < packets.length);) {
    for (const [index, { packets, clockRate }] of lines.entries()) {
      const own = sent[index] ?? []
      for (let next = packets[own.length]; next !== undefined; next = packets[own.length]) {
        const due = (dueMs[index] ?? 0) + next.ms
        if (due > nowMs) break
        const datagram = serializeRtp({
          ...{ payloadType: next.payloadType, marker: false, ssrc: index + 1, payload: next.payload },
          sequenceNumber: (65_500 + own.length) & 0xffff,
          timestamp: Math.round(((due - next.ms) * clockRate) / 1_000),
        })
        own.push(Buffer.from(datagram))
        dueMs[index] = due
        socket.send(datagram, ports[index] ?? 0, '127.0.0.1')
      }
    }
    await sleep(10)
    nowMs = performance.now() - startMs
  }
  await new Promise<void>((resolve) => socket.close(resolve))
  return sent
}

describe('a recording session of codecs that are not decoded live', () => {
  let recordingId: string
  let sent: readonly (readonly Buffer[])[]

  beforeAll(async () => {
    const src = await RawSrc.open(daemon.sipUdpPort)
    const head = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
    const media = lines.flatMap(({ sdp }, index) => [...sdp, `a=label:${index + 1}`, 'a=sendonly'])
    const request = { sipCallId: 'kept@example.com', contentType: 'application/sdp' }
    const answer = await src.ask('INVITE', { ...request, body: [...head, ...media, ''].join('\r\n') })
    expect(answer.status).toBe(200)
    sent = await play(portsOf(answer))
    const to = parseNameAddr(answer.headers.first('To') ?? '')
    const toTag = to.ok ? (to.value.params.get('tag') ?? '') : ''
    await src.ask('BYE', { sipCallId: 'kept@example.com', sequenceNumber: 2, toTag })
    src.close()
    recordingId = (await closedRecordings(daemon, 1))[0]?.recordingId ?? ''
  })

  test('is verified, and its time is undecoded, not lost', async () => {
    expect((await daemon.command('verify', recordingId)).code).toBe(0)
    const manifest = await manifestOf(daemon, recordingId)
    const undecodedMs = manifest.streams.map(({ ledger }) => Math.round((ledger.gapSamples.undecoded ?? 0) / 48))
    expect(undecodedMs.map((ms) => Math.round(ms / 100))).toEqual([40, 40, 40, 40, 40, 20, 40])
    for (const { ledger, packets } of manifest.streams) {
      expect([packets.lost, ledger.gapSamples.lost]).toEqual([0, 0])
    }
    expect(new Set(manifest.kept?.flatMap(({ formats }) => formats).map(({ encoding }) => encoding))).toEqual(
      new Set(['GSM', 'G726-32', 'G723', 'AMR', 'AMR-WB', 'G729', 'X-FOO']),
    )
  })

  test('is told from others in lists, where its audio says "kept"', async () => {
    const listed = await daemon.command('recordings', 'list')
    expect(listed.stdout).toMatch(/ kept /)
    expect((await daemon.command('recordings', 'show', recordingId)).stdout).toMatch(
      /^audio +some was kept as it came/mu,
    )
  })

  test.each(['wav', 'ogg'] as const)(
    'is exported as %s with everyone on their channel, in their place',
    async (format) => {
      const file = join(folder, `all.${format}`)
      const exported = await daemon.command('export', recordingId, '-o', file)
      expect(exported.code).toBe(4)
      expect(exported.stderr).toMatch(/warning: 200 packets of X-FOO on channel 7 were kept .* no decoder is known/)
      expect(exported.stderr.match(/warning:/g)).toHaveLength(1)
      const channels = await channelsOf(file, format)
      for (const [index, channel] of channels.slice(0, 6).entries()) {
        // Second by second: the sixth changes its codec, and a codec delays by up to a frame and its look-ahead.
        const { correlation, lagsMs } = matchWindows(speech, channel)
        expect({ index, isAlike: correlation > 0.8, seconds: lagsMs.length }).toEqual({
          index,
          isAlike: true,
          seconds: SECONDS,
        })
        expect(lagsMs.filter((lagMs) => Math.abs(lagMs) > 40)).toEqual([])
      }
      expect(channels[6]?.every((sample) => Math.abs(sample) < 4)).toBe(true)
    },
  )

  test('tells whoever exports it before it is over what has to wait for the manifest', async () => {
    const stored = await readdir(join(dataDir, 'recordings'), { recursive: true })
    const manifest = join(dataDir, 'recordings', stored.find((name) => name.endsWith('manifest.jws')) ?? '')
    // A recording that still runs is the same objects without it.
    await rename(manifest, `${manifest}.later`)
    try {
      const audio = await daemon.command('export', recordingId, '-o', join(folder, 'running.wav'))
      expect(audio).toMatchObject({ code: 4, stderr: expect.stringContaining('warning: packets that were kept') })
      const packets = await daemon.command('export', recordingId, '-o', join(folder, 'running'), '--format', 'rtpdump')
      expect(packets).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/\[recording-running\][^]*hint: Export its packets when/u),
      })
    } finally {
      await rename(`${manifest}.later`, manifest)
    }
  })

  test('gives back the packets of a codec that nobody knows, byte for byte', async () => {
    const output = join(folder, 'packets')
    const exported = await daemon.command('export', recordingId, '-o', output, '--format', 'rtpdump')
    expect(exported).toMatchObject({ code: 0 })
    for (const [index, packets] of sent.entries()) {
      const read = readRtpdump(Uint8Array.from(await readFile(join(output, `stream-${index + 1}.rtpdump`))))
      if (!read.ok) throw new Error(read.reason)
      const kept = index === 5 ? packets.slice(50, 150) : packets
      expect(read.value.records.map(({ packet }) => Buffer.from(packet).toString('hex'))).toEqual(
        kept.map((packet) => packet.toString('hex')),
      )
    }
    expect(await readFile(join(output, 'stream-7.sdp'), 'utf8')).toContain('a=rtpmap:98 X-FOO/8000')
  })
})

/** The channels in the order of their labels, 8 kHz. */
async function channelsOf(file: string, format: 'ogg' | 'wav'): Promise<readonly Int16Array[]> {
  const bytes = Uint8Array.from(await readFile(file))
  const links = format === 'ogg' ? readOggOpus(bytes) : undefined
  const wav = readWav(links?.ok === true ? await toWav(links.value, 'separate') : bytes)
  if (!wav.ok) throw new Error(wav.reason)
  const { sampleRate, channels } = wav.value
  const step = sampleRate / RATE
  return channels.map((samples) =>
    Int16Array.from({ length: Math.floor(samples.length / step) }, (_, index) => samples[index * step] ?? 0),
  )
}

describe('packets of a codec that the system’s FFmpeg decodes', () => {
  /** One stream that begins at 0, a packet every so many milliseconds. */
  async function decoded(encoding: string, payloads: readonly Uint8Array[], ms: number) {
    const format = { fromSample: 0, payloadType: 96, encoding, clockRate: RATE, channels: 1 }
    const packets = payloads.map((payload, index) => ({ fromSample: index * ms * 48, bytes: payload, payload, format }))
    const stream: KeptStreamPackets = { streamId: '0', channel: 0, startUnixMs: 0, packets, undecoded: undefined }
    const channel = new Int16Array(SECONDS * RATE)
    const kept = new KeptAudio([stream], decodeWithFfmpeg)
    await kept.addTo({ sampleRate: RATE, channels: [channel] })
    return { channel, undecoded: kept.undecoded }
  }

  test('Speex, one frame in a packet or three', async () => {
    for (const frames of [1, 3]) {
      const options = ['-c:a', 'libspeex', '-frames_per_packet', String(frames), '-f', 'ogg']
      const { channel, undecoded } = await decoded(
        'SPEEX',
        oggPackets(await encodeWithFfmpeg(speech, options)),
        frames * 20,
      )
      expect(undecoded).toEqual([])
      expect(matchAudio(speech, channel, { lagMax: 800 }).correlation).toBeGreaterThan(0.8)
    }
  })

  test('G.726 in the other order of bits', async () => {
    const bytes = await encodeWithFfmpeg(speech, ['-c:a', 'g726', '-b:a', '24000', '-f', 'g726'])
    const { channel, undecoded } = await decoded('AAL2-G726-24', payloadsOf(bytes, 60), 20)
    expect(undecoded).toEqual([])
    expect(matchAudio(speech, channel, { lagMax: 80 }).correlation).toBeGreaterThan(0.9)
  })

  test('iLBC of both lengths, G.729 with comfort noise, frames of noise: as long as they last', async () => {
    const noise = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 73 + 41) & 0xff)
    for (const [encoding, length, ms] of [
      ['ILBC', 50, 30],
      ['ILBC', 38, 20],
      ['G729', 22, 30],
    ] as const) {
      const { channel, undecoded } = await decoded(
        encoding,
        Array.from({ length: 20 }, () => noise(length)),
        ms,
      )
      expect({ encoding, undecoded }).toEqual({ encoding, undecoded: [] })
      const end = channel.findLastIndex((sample) => sample !== 0)
      expect(Math.abs(end / 8 - 20 * ms)).toBeLessThan(31)
    }
  })
})
