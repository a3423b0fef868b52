import { describe, expect, it } from 'vitest'

import { LineProtection } from '../../../../src/cli/simulate/line-protection.ts'
import { readAnswer } from '../../../../src/cli/simulate/media-line.ts'
import {
  acceptCrypto,
  formatCryptoAttribute,
  masterKeyBytes,
  parseCryptoAttribute,
  srtpKeysOf,
} from '../../../../src/protocol/sdp/crypto-attribute.ts'
import { serializeReceiverReport } from '../../../../src/protocol/rtp/rtcp-writer.ts'
import { SrtpReceiver } from '../../../../src/protocol/srtp/srtp-receiver.ts'
import { rtp, seededBytes } from '../../../support/recording-rig.ts'
import { ALL_SUITES } from '../../../support/srtp.ts'

const SUITE = 'AES_CM_128_HMAC_SHA1_80'

function offered(protection: LineProtection) {
  const parsed = parseCryptoAttribute(protection.crypto)
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.value
}

describe.each(ALL_SUITES)('the SRTP of a media stream under %s', (suite) => {
  it('is opened by whoever reads the key in the offer', () => {
    const protection = new LineProtection(suite, seededBytes(1))
    const receiver = new SrtpReceiver(srtpKeysOf(offered(protection)))
    const report = serializeReceiverReport({ type: 'receiverReport', ssrc: 1, reports: [] })
    expect(receiver.unprotectRtp(protection.protectRtp(rtp()), 0)).toEqual({ ok: true, value: rtp() })
    expect(receiver.unprotectRtcp(protection.protectRtcp(report), 0)).toEqual({ ok: true, value: report })
  })
})

describe('a new key', () => {
  it('is offered first, and used when the answer is there', () => {
    const protection = new LineProtection(SUITE, seededBytes(1))
    const before = protection.crypto
    const receiver = new SrtpReceiver(srtpKeysOf(offered(protection)))
    protection.switchToOffered()
    protection.renew()
    expect(protection.crypto).not.toBe(before)
    expect(receiver.unprotectRtp(protection.protectRtp(rtp({ sequenceNumber: 1 })), 0).ok).toBe(true)
    protection.switchToOffered()
    const packet = protection.protectRtp(rtp({ sequenceNumber: 2 }))
    expect(receiver.unprotectRtp(packet, 0).ok).toBe(false)
    receiver.rekey(srtpKeysOf(offered(protection)), 0)
    expect(receiver.unprotectRtp(packet, 0).ok).toBe(true)
  })
})

describe('the answer', () => {
  const protection = new LineProtection(SUITE, seededBytes(1))
  const own = formatCryptoAttribute(acceptCrypto(offered(protection), seededBytes(2)(masterKeyBytes(SUITE))))
  const answerOf = (...media: readonly string[]): Uint8Array =>
    new TextEncoder().encode(
      ['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 'c=IN IP4 192.0.2.9', 't=0 0', ...media, ''].join('\r\n'),
    )

  it.each<[string, readonly string[], unknown]>([
    [
      'with a key of its own is a place to send to',
      ['m=audio 20000 RTP/SAVP 0', `a=crypto:${own}`],
      { address: '192.0.2.9', rtpPort: 20_000, rtcpPort: 20_001 },
    ],
    ['without a key is none', ['m=audio 20000 RTP/SAVP 0'], 'notProtected'],
    ['in clear is none', ['m=audio 20000 RTP/AVP 0', `a=crypto:${own}`], 'notProtected'],
    ['with another tag is none', ['m=audio 20000 RTP/SAVP 0', `a=crypto:${own.replace('1', '2')}`], 'notProtected'],
    ['that refuses the line is a refusal', ['m=audio 0 RTP/SAVP 0'], 'streamRefused'],
  ])('%s', (_, media, expected) => {
    expect(readAnswer(answerOf(...media), [protection])).toEqual([expected])
  })

  it('in clear is what an offer in clear wants', () => {
    expect(readAnswer(answerOf('m=audio 20000 RTP/AVP 0'), [undefined])).toMatchObject([{ rtpPort: 20_000 }])
    expect(readAnswer(answerOf('m=audio 20000 RTP/AVP 0'), [undefined, undefined])).toBe(undefined)
  })
})
