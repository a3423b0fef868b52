import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { decodePcma, decodePcmu, encodePcmu } from '../../src/media/g711.ts'
import { G722Decoder } from '../../src/media/g722.ts'
import { promptSamples } from '../../src/media/prompt-audio.ts'
import { readWav } from '../../src/media/wav.ts'
import { type RtpPacket, serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { serializeReceiverReport } from '../../src/protocol/rtp/rtcp-writer.ts'
import { srtpKeysOf } from '../../src/protocol/sdp/crypto-attribute.ts'
import { SrtpReceiver } from '../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'
import { createOpusEngine } from '../../src/server/media/opus-engine.ts'
import { AnnouncedCaller, lineIn } from '../support/announced-caller.ts'
import { matchAudio } from '../support/audio.ts'
import { eventually, makeDataDir, removeDataDir, type RunningDaemon, startDaemon } from '../support/daemon.ts'
import { announcerEnvironment, keptFacts, shortPrompts } from '../support/announcer.ts'
import { pressedKeys } from '../support/dtmf.ts'
import { cryptoLineOf, keysOf } from '../support/srtp.ts'
import { bytesOf, parseRequest, parseResponse, tagOf } from '../unit/protocol/sip/wire.ts'
import { Src } from './signalling-contract-parts.ts'
import { UdpPeer } from './signalling-peer.ts'

let daemon: RunningDaemon
let dataDir: string
let folder: string
const callers: AnnouncedCaller[] = []

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await shortPrompts(join(dataDir, 'prompts'))
  daemon = await startDaemon(dataDir, await announcerEnvironment(folder))
})
afterAll(async () => {
  for (const caller of callers.splice(0)) caller.close()
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

describe.concurrent('answer mode', () => {
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

/** The BYE, and what is kept of it all, without what is the same everywhere. */
async function endOf(pbx: AnnouncedCaller): Promise<readonly [string, readonly unknown[]]> {
  const bye = await pbx.asked('BYE')
  const reason = /^Reason: .*text="([^"]*)"/m.exec(bye)?.[1] ?? ''
  return [reason, await toldOf(pbx)]
}

async function toldOf(pbx: AnnouncedCaller): Promise<readonly unknown[]> {
  const facts = await keptFacts(dataDir, pbx.src.sipCallId)
  return facts.map((fact) => {
    if (fact.type === 'answered') return fact.answer
    return fact.type === 'announcementPlayed'
      ? [fact.prompt.promptId, fact.mode, fact.endCause, fact.heardToEnd]
      : fact.type
  })
}

const PROMPT_MS = 1_625
const ASKED = ['ask', 'answer', 'played', 'unknown']

/** Resolves when so many packets were heard. */
async function heard(pbx: AnnouncedCaller, count: number): Promise<void> {
  await eventually(`${count} packets`, async () => (pbx.heard.length >= count ? true : undefined))
}

const PROMPT_PACKETS = Math.ceil(PROMPT_MS / 20)

describe.concurrent('keys', () => {
  test.each([
    ['1', 'Consent given', 'yes'],
    ['2', 'Consent refused', 'no'],
    ['7', 'No answer to the announcement', 'none'],
  ])('%s after the prompt, by telephone-event: %s', async (digit, reason, answer) => {
    const pbx = await caller()
    const { port } = await pbx.call('sip:announce@127.0.0.1;play=ask')
    await heard(pbx, PROMPT_PACKETS)
    pbx.press(digit, port)
    expect(await endOf(pbx)).toEqual([reason, [ASKED, answer]])
  })

  test('as a tone, within the prompt: it counts at its end', async () => {
    const pbx = await caller()
    const { port } = await pbx.call('sip:announce@127.0.0.1;play=ask')
    await heard(pbx, 10)
    pbx.speak(encodePcmu(pressedKeys({ digits: '1', onMs: 100, offMs: 100 }).samples), port)
    expect(await endOf(pbx)).toEqual(['Consent given', [ASKED, 'yes']])
    expect(pbx.heard).toHaveLength(PROMPT_PACKETS)
  })

  test.each([
    ['application/dtmf-relay', 'Signal=1\r\nDuration=160\r\n', 'Consent given', 'yes'],
    ['application/dtmf', '2', 'Consent refused', 'no'],
    ['application/dtmf-relay', 'Signal=hf\r\n', 'No answer to the announcement', 'none'],
  ])('by INFO: %s %j', async (type, body, reason, answer) => {
    const pbx = await caller()
    await pbx.call('sip:announce@127.0.0.1;play=ask')
    await heard(pbx, PROMPT_PACKETS)
    pbx.src.peer.send(pbx.src.text('INFO', { body }).replace('application/sdp', type))
    expect((await pbx.src.answer('INFO')).status).toBe(200)
    expect(await endOf(pbx)).toEqual([reason, [ASKED, answer]])
  })

  test('told by telephone-event and by INFO too answer one question, not the next as well', async () => {
    const pbx = await caller()
    const { port } = await pbx.call('sip:announce@127.0.0.1;play=ask,ask')
    await heard(pbx, PROMPT_PACKETS)
    pbx.press('1', port)
    await heard(pbx, PROMPT_PACKETS + 1)
    pbx.src.peer.send(pbx.src.text('INFO', { body: '1' }).replace('application/sdp', 'application/dtmf'))
    expect((await pbx.src.answer('INFO')).status).toBe(200)
    expect(await endOf(pbx)).toEqual(['No answer to the announcement', [ASKED, ASKED, 'none']])
  })

  test('from somebody else count for nothing; nor does one after the window', async () => {
    const pbx = await caller()
    const { port } = await pbx.call('sip:announce@127.0.0.1;play=ask')
    await heard(pbx, PROMPT_PACKETS)
    const stranger = createSocket('udp4')
    await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.2', resolve))
    for (const duration of [1, 2, 3]) {
      const payload = Uint8Array.of(1, 0x8a, 0, duration * 80)
      const packet = { payloadType: 101, marker: false, sequenceNumber: duration, timestamp: 1, ssrc: 9, payload }
      stranger.send(serializeRtp(packet), port, '127.0.0.1')
    }
    expect(await endOf(pbx)).toEqual(['No answer to the announcement', [ASKED, 'none']])
    pbx.press('1', port)
    stranger.close()
    expect(await toldOf(pbx)).toEqual([ASKED, 'none'])
  })
})

describe.concurrent('early mode', () => {
  const TARGET = 'sip:+49301234@pbx.example.com'

  test('183 with PRACK, the prompt as early media, 302 with a token', async () => {
    const pbx = await caller()
    const uri = `sip:announce@127.0.0.1;early=yes;target=${encodeURIComponent(TARGET)}`
    pbx.src.send('INVITE', {
      uri,
      body: pbx.offer(),
      extra: [
        'Require: 100rel',
        'Session-ID: 1d2f3c4b5a69788796a5b4c3d2e1f001;remote=00000000000000000000000000000000',
      ],
    })
    const progress = parseResponse(bytesOf(await pbx.src.peer.inbox.nextStarting('SIP/2.0 183')))
    expect(lineIn(progress.body).direction).toBe('sendrecv')
    pbx.src.toTag = tagOf(progress)
    const prack = await pbx.src.ask('PRACK', { extra: [`RAck: ${progress.headers.first('RSeq')} 1 INVITE`] })
    expect(prack.status).toBe(200)
    const { status, headers } = await pbx.src.answer('INVITE')
    const token = headers.first('X-Earwitness-Consent')
    expect([status, headers.first('Contact')]).toEqual([302, `<${TARGET}?X-Earwitness-Consent=${token}>`])
    expect(pbx.heard).toHaveLength(PROMPT_PACKETS)
    expect(await toldOf(pbx)).toEqual([['notice', 'early', 'played', 'unknown']])
    const [payload = ''] = token!.split('.').slice(1)
    const { announcementId } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { announcementId: string }
    expect(await readFile(join(dataDir, 'announcements.jsonl'), 'utf8')).toContain(announcementId)
  })

  test('a key by INFO is none, as nothing is answered yet', async () => {
    const pbx = await caller()
    pbx.src.send('INVITE', {
      uri: `sip:announce@127.0.0.1;early=yes;play=ask;target=${encodeURIComponent(TARGET)}`,
      body: pbx.offer(),
    })
    pbx.src.toTag = tagOf(parseResponse(bytesOf(await pbx.src.peer.inbox.nextStarting('SIP/2.0 183'))))
    pbx.src.peer.send(pbx.src.text('INFO', { body: '1' }).replace('application/sdp', 'application/dtmf'))
    const { status, headers } = await pbx.src.answer('INFO')
    expect([status, headers.first('Retry-After')]).toEqual([500, '1'])
    expect((await pbx.src.answer('INVITE')).status).toBeGreaterThanOrEqual(300)
    expect(await toldOf(pbx)).toEqual([['ask', 'early', 'played', 'unknown'], 'none'])
  })

  test('CANCEL in the middle of it', async () => {
    const pbx = await caller()
    pbx.src.send('INVITE', {
      uri: `sip:announce@127.0.0.1;early=yes;target=${encodeURIComponent(TARGET)}`,
      body: pbx.offer(),
    })
    await heard(pbx, 10)
    pbx.src.send('CANCEL')
    expect((await pbx.src.answer('INVITE')).status).toBe(487)
    await eventually('what was told', async () => ((await toldOf(pbx)).length > 0 ? true : undefined))
    expect(await toldOf(pbx)).toEqual([['notice', 'early', 'cancelled', 'no']])
  })
})

describe.concurrent('refer mode', () => {
  const uri = `sip:announce@127.0.0.1;mode=refer;play=ask;target=${encodeURIComponent('sip:100@127.0.0.1:5999')}`

  test('the prompt, a key, REFER with a token, NOTIFYs, BYE', async () => {
    const pbx = await caller()
    const { port } = await pbx.call(uri)
    await heard(pbx, PROMPT_PACKETS)
    pbx.press('1', port)
    const { headers } = parseRequest(await pbx.asked('REFER', '202 Accepted'))
    const token = headers.first('X-Earwitness-Consent')
    expect(headers.first('Refer-To')).toBe(`<sip:100@127.0.0.1:5999?X-Earwitness-Consent=${token}>`)
    expect(await toldOf(pbx), 'before the call goes on').toEqual([['ask', 'refer', 'played', 'unknown'], 'yes'])
    const notify = (fragment: string, state: string) =>
      pbx.src
        .text('NOTIFY', { extra: ['Event: refer', `Subscription-State: ${state}`], body: fragment })
        .replace('application/sdp', 'message/sipfrag;version=2.0')
    pbx.src.peer.send(notify('SIP/2.0 100 Trying\r\n', 'active;expires=60'))
    expect((await pbx.src.answer('NOTIFY')).status).toBe(200)
    pbx.src.peer.send(notify('SIP/2.0 200 OK\r\n', 'terminated;reason=noresource'))
    expect((await endOf(pbx))[0]).toBe('Consent given')
  })

  test('a REFER that is refused ends the call, and says so', async () => {
    const pbx = await caller()
    const { port } = await pbx.call(uri)
    await heard(pbx, PROMPT_PACKETS)
    pbx.press('1', port)
    await pbx.asked('REFER', '603 Decline')
    expect((await endOf(pbx))[0]).toBe('Transfer failed')
  })

  test('a NOTIFY about something else gets 489', async () => {
    const pbx = await caller()
    await pbx.call('sip:announce@127.0.0.1')
    expect((await pbx.src.ask('NOTIFY', { extra: ['Event: presence', 'Subscription-State: active'] })).status).toBe(489)
    await pbx.asked('BYE')
  })
})

describe.concurrent('the rest of a call', () => {
  test('SRTP, both ways', async () => {
    const pbx = await caller()
    const keys = keysOf('AES_CM_128_HMAC_SHA1_80')
    const line = await pbx.call('sip:announce@127.0.0.1;play=ask', { crypto: cryptoLineOf(keys) })
    const [answered] = line.crypto.usable
    const receiver = new SrtpReceiver(srtpKeysOf(answered!))
    const sender = new SrtpSender(keys)
    await heard(pbx, PROMPT_PACKETS)
    const opened = pbx.heard.map(({ datagram }) => receiver.unprotectRtp(datagram, 0).ok)
    expect(opened).toEqual(opened.map(() => true))
    for (const duration of [80, 160]) {
      const payload = Uint8Array.of(1, 0x8a, 0, duration)
      const packet = {
        payloadType: 101,
        marker: duration === 80,
        sequenceNumber: duration,
        timestamp: 1,
        ssrc: 9,
        payload,
      }
      pbx.rtp.send(sender.protectRtp(serializeRtp(packet)), line.port, '127.0.0.1')
    }
    expect(await endOf(pbx)).toEqual(['Consent given', [ASKED, 'yes']])
  })

  test('a hang-up within the prompt: how far it came', async () => {
    const pbx = await caller()
    await pbx.call('sip:announce@127.0.0.1')
    await heard(pbx, 20)
    expect((await pbx.src.ask('BYE')).status).toBe(200)
    await eventually('what was told', async () => ((await toldOf(pbx)).length > 0 ? true : undefined))
    const [fact] = await keptFacts(dataDir, pbx.src.sipCallId)
    expect(fact).toMatchObject({ endCause: 'hangUp', heardToEnd: 'no', totalMs: PROMPT_MS })
    const { playedMs } = fact as { playedMs: number }
    expect(playedMs).toBe(20 * pbx.heard.length)
  })

  test('a hold stops the prompt, the end of the hold begins it anew', async () => {
    const pbx = await caller()
    await pbx.call('sip:announce@127.0.0.1')
    await heard(pbx, 20)
    const held = await pbx.src.ask('INVITE', {
      uri: 'sip:announce@127.0.0.1',
      body: pbx.offer({ direction: 'inactive' }),
    })
    pbx.src.send('ACK')
    expect([held.status, lineIn(held.body).direction]).toEqual([200, 'inactive'])
    const before = pbx.heard.length
    const resumed = await pbx.src.ask('INVITE', { uri: 'sip:announce@127.0.0.1', body: pbx.offer() })
    pbx.src.send('ACK')
    expect([resumed.status, lineIn(resumed.body).direction]).toEqual([200, 'sendrecv'])
    expect((await endOf(pbx))[0]).toBe('Announcement played')
    expect(pbx.heard).toHaveLength(before + PROMPT_PACKETS)
    expect(pbx.packets.filter(({ marker }) => marker)).toHaveLength(2)
  })

  test('reports of the listener say that it was heard, or that it was not', async () => {
    for (const [lost, expected] of [
      [0, 'yes'],
      [40, 'no'],
    ] as const) {
      const pbx = await caller()
      const { port } = await pbx.call('sip:announce@127.0.0.1;play=ask')
      await heard(pbx, PROMPT_PACKETS)
      const last = pbx.packets.at(-1)!
      const cycles = last.sequenceNumber < pbx.packets[0]!.sequenceNumber ? 0x1_0000 : 0
      const block = {
        ssrc: last.ssrc,
        fractionLost: 0,
        cumulativeLost: lost,
        extendedHighestSequenceNumber: cycles + last.sequenceNumber,
        jitter: 0,
        lastSenderReport: 0,
        delaySinceLastSenderReport: 0,
      }
      pbx.rtcp.send(
        serializeReceiverReport({ type: 'receiverReport', ssrc: 9, reports: [block] }),
        port + 1,
        '127.0.0.1',
      )
      await new Promise<void>((resolve) => pbx.rtp.send(new Uint8Array(1), port, '127.0.0.1', () => resolve()))
      pbx.press('1', port)
      expect(await endOf(pbx)).toEqual(['Consent given', [['ask', 'answer', 'played', expected], 'yes']])
      await eventually('a sender report', async () => (pbx.reports.length > 0 ? true : undefined))
    }
  })
})

describe.concurrent('what is refused', () => {
  test.each([
    ['404', 'sip:announce@127.0.0.1;play=other', {}],
    ['400', 'sip:announce@127.0.0.1;mode=loud', {}],
    ['400', 'sip:announce@127.0.0.1;early=yes', {}],
    ['403', 'sip:announce@127.0.0.1;early=yes;target=sip%3A1%40elsewhere.example', {}],
    ['403', 'sip:announce@127.0.0.1;early=yes;target=sip%3A%2B49%40pbx.example.com%3Bmaddr%3D192.0.2.1', {}],
    ['488', 'sip:announce@127.0.0.1', { codec: '18' }],
    ['488', 'sip:announce@127.0.0.1', { address: 'media.example.com' }],
    ['488', 'sip:announce@127.0.0.1', { address: '224.0.0.5' }],
  ])('%s: %s', async (status, uri, offer) => {
    const pbx = await caller()
    const answered = await pbx.src.ask('INVITE', { uri, body: pbx.offer(offer) })
    expect([String(answered.status), answered.headers.first('Warning')?.startsWith('399 earwitness')]).toEqual([
      status,
      true,
    ])
  })

  test('a source that nobody configured', async () => {
    const pbx = await caller()
    const peer = await UdpPeer.open({ address: '127.0.0.1', port: daemon.sipUdpPort }, '127.0.0.3')
    const stranger = new Src(peer)
    const { status } = await stranger.ask('INVITE', { uri: 'sip:announce@127.0.0.1', body: pbx.offer() })
    peer.close()
    expect(status).toBe(403)
  })
})

// After all others: they run side by side.
test('what happened is counted', async () => {
  const text = await (await fetch(daemon.metrics)).text()
  expect(text).toMatch(/earwitness_announcement_refusals_total\{reason="target"\} 2/)
  expect(text).toMatch(/earwitness_announcements_total\{mode="early",outcome="cancelled"\} 1/)
  expect(text).toMatch(/earwitness_sip_requests_total\{method="INFO",code="500"\} 1/)
  expect(text).toMatch(/earwitness_announcement_packets_discarded_total\{reason="source"\} 3/)
})
