import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { allClosed, metric } from '../support/probes.ts'
import { RawSrc } from '../support/raw-src.ts'
import { parseNameAddr } from '../../src/protocol/sip/name-addr.ts'
import type { SipResponse } from '../../src/protocol/sip/message.ts'

/** Offers as clients make them, to the real daemon: what it answers to each line, and what it says of it afterwards. */
let dataDir: string
let daemon: RunningDaemon
let src: RawSrc

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, { EARWITNESS_LOG_LEVEL: 'debug' })
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

beforeEach(async () => {
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterEach(() => src.close())

const HEAD = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
const newKey = (octets = 30): string => randomBytes(octets).toString('base64')

/** One dialog, in which offers follow each other. */
class Dialog {
  readonly #sipCallId = `${randomBytes(8).toString('hex')}@example.com`
  #toTag: string | undefined
  #sequenceNumber = 0

  async offer(...mediaLines: readonly string[]): Promise<SipResponse> {
    const body = [...HEAD, ...mediaLines, ''].join('\r\n')
    const response = await this.#ask('INVITE', { contentType: 'application/sdp', body })
    const to = parseNameAddr(response.headers.first('To') ?? '')
    this.#toTag ??= response.status === 200 && to.ok ? to.value.params.get('tag') : undefined
    return response
  }

  /** The lines of the answer that begin so. */
  async answerTo(mediaLines: readonly string[], ...starts: readonly string[]): Promise<readonly string[]> {
    const { status, body } = await this.offer(...mediaLines)
    expect(status).toBe(200)
    const lines = new TextDecoder().decode(body).split('\r\n')
    return lines.filter((line) => starts.some((start) => line.startsWith(start)))
  }

  async hangUp(): Promise<void> {
    expect((await this.#ask('BYE', {})).status).toBe(200)
    await allClosed(daemon)
  }

  #ask(method: string, parts: { readonly contentType?: string; readonly body?: string }): Promise<SipResponse> {
    this.#sequenceNumber += 1
    return src.ask(method, {
      sipCallId: this.#sipCallId,
      sequenceNumber: this.#sequenceNumber,
      ...(this.#toTag === undefined ? {} : { toTag: this.#toTag }),
      ...parts,
    })
  }
}

describe('an offer with keys', () => {
  const secure = (key: string, tag = 1): readonly string[] => [
    'm=audio 40000 RTP/SAVP 0',
    `a=crypto:${tag} AES_CM_128_HMAC_SHA1_80 inline:${key}|2^31|1:1`,
    'a=label:1',
  ]

  test('is answered with a key of our own, which stays through a refresh and changes with the keys of the offer', async () => {
    const dialog = new Dialog()
    const keys = [newKey(), newKey()] as const
    const crypto: string[] = []
    for (const offer of [secure(keys[0]), secure(keys[0]), secure(keys[1]), secure(keys[1], 2)]) {
      const [port = '', line = ''] = await dialog.answerTo(offer, 'm=', 'a=crypto')
      expect(port).toMatch(/^m=audio [1-9][0-9]* RTP\/SAVP 0$/)
      expect(line).toMatch(/^a=crypto:[12] AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}$/)
      crypto.push(line)
    }
    await dialog.hangUp()
    expect(crypto[1]).toBe(crypto[0])
    expect(crypto[3]).toMatch(/^a=crypto:2 /)
    const ownKeys = crypto.map((line) => line.split('inline:')[1] ?? '')
    expect(new Set([...keys, ...ownKeys]).size).toBe(5)
    for (const key of [...keys, ...ownKeys]) expect(daemon.log()).not.toContain(key)
  })

  test('has the line refused whose keys come by DTLS, which is counted, and the others recorded', async () => {
    const counter = 'earwitness_media_lines_refused_total{reason="dtls"}'
    const before = await metric(daemon, counter)
    const dialog = new Dialog()
    const lines = await dialog.answerTo(
      ['m=audio 40000 UDP/TLS/RTP/SAVPF 0', 'a=label:1', ...secure(newKey()), 'm=audio 40004 RTP/AVP 8', 'a=label:3'],
      ...['m=', 'a=label'],
    )
    await dialog.hangUp()
    expect(lines.map((line) => line.replace(/ [1-9][0-9]* RTP/, ' PORT RTP'))).toEqual([
      ...['m=audio 0 UDP/TLS/RTP/SAVPF 0', 'a=label:1'],
      ...['m=audio PORT RTP/SAVP 0', 'a=label:1'],
      ...['m=audio PORT RTP/AVP 8', 'a=label:3'],
    ])
    expect(await metric(daemon, counter)).toBe(before + 1)
  })

  test.each([
    ['keys that are none', ['m=audio 40000 RTP/SAVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA'], 307],
    ['keys by DTLS only', ['m=audio 40000 UDP/TLS/RTP/SAVP 0'], 302],
    ['another transport only', ['m=audio 40000 TCP/RTP/AVP 0'], 302],
  ])('that has %s is refused with a Warning', async (_name, lines, warning) => {
    const { status, headers } = await new Dialog().offer(...lines)
    expect(status).toBe(488)
    expect(headers.first('Warning')).toMatch(new RegExp(`^${warning} \\S+ ".+"$`))
  })
})

describe('an offer of codecs that are not decoded live', () => {
  test.each([
    ['G.729 by its static number', ['m=audio 40000 RTP/AVP 18'], ['m=audio PORT RTP/AVP 18', 'a=rtpmap:18 G729/8000']],
    [
      'AMR-WB with its parameters',
      ['m=audio 40000 RTP/AVP 96', 'a=rtpmap:96 AMR-WB/16000/1', 'a=fmtp:96 octet-align=1'],
      ['m=audio PORT RTP/AVP 96', 'a=rtpmap:96 AMR-WB/16000/1', 'a=fmtp:96 octet-align=1'],
    ],
    ['a dynamic number that nothing explains', ['m=audio 40000 RTP/AVP 97'], ['m=audio PORT RTP/AVP 97']],
  ])('is taken: %s', async (_name, offered, answered) => {
    const dialog = new Dialog()
    const lines = await dialog.answerTo(offered, 'm=', 'a=rtpmap', 'a=fmtp')
    await dialog.hangUp()
    expect(lines.map((line) => line.replace(/ [1-9][0-9]* RTP/, ' PORT RTP'))).toEqual(answered)
  })
})

describe('an offer on hold', () => {
  test('that lists formats without saying what they are keeps its ports, and is recorded when it says so', async () => {
    const dialog = new Dialog()
    const held = ['m=audio 40000 RTP/AVP 97 98', 'a=inactive', 'm=audio 40002 RTP/AVP 0', 'a=inactive']
    const resumed = ['m=audio 40000 RTP/AVP 97', 'a=rtpmap:97 PCMA/8000', 'a=sendonly', 'm=audio 0 RTP/AVP 0']
    const first = await dialog.answerTo(held, 'm=', 'a=inactive', 'a=recvonly')
    const second = await dialog.answerTo(resumed, 'm=', 'a=inactive', 'a=recvonly')
    await dialog.hangUp()
    const [, port = ''] = first[0]?.split(' ') ?? []
    expect(Number(port)).toBeGreaterThan(0)
    expect(first).toEqual([
      `m=audio ${port} RTP/AVP 97 98`,
      'a=inactive',
      expect.stringMatching(/^m=audio [1-9]/),
      'a=inactive',
    ])
    expect(second).toEqual([`m=audio ${port} RTP/AVP 97`, 'a=recvonly', 'm=audio 0 RTP/AVP 0', 'a=inactive'])
  })
})

test('an SRC that speaks of recording is told what is done with each line', async () => {
  const dialog = new Dialog()
  const lines = (...attributes: readonly string[]) => [
    ...['m=audio 40000 RTP/AVP 0', ...attributes],
    ...['m=video 40002 RTP/AVP 31', ...attributes],
  ]
  expect(await dialog.answerTo(lines('a=record:on'), 'a=record')).toEqual(['a=record:on', 'a=record:off'])
  expect(await dialog.answerTo(lines('a=record:paused'), 'a=record')).toEqual(['a=record:paused', 'a=record:off'])
  expect(await dialog.answerTo(lines('a=recordpref:off'), 'a=record')).toEqual(['a=record:on', 'a=record:off'])
  expect(await dialog.answerTo(lines(), 'a=record')).toEqual([])
  await dialog.hangUp()
})
