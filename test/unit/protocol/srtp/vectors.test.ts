import { describe, expect, it } from 'vitest'

import { AeadCipher } from '../../../../src/protocol/srtp/aead-cipher.ts'
import { CounterCipher } from '../../../../src/protocol/srtp/counter-cipher.ts'
import { deriveKey, deriveSessionKeys, type PacketKind } from '../../../../src/protocol/srtp/key-derivation.ts'
import type { SrtpSuite } from '../../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpReceiver } from '../../../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../../../src/protocol/srtp/srtp-sender.ts'
import { fromHex, keysOf } from '../../../support/srtp.ts'
import interoperable from '../../../vectors/srtp/interoperable-packets.json' with { type: 'json' }
import rfc3711 from '../../../vectors/srtp/rfc3711.json' with { type: 'json' }
import rfc6188 from '../../../vectors/srtp/rfc6188.json' with { type: 'json' }
import rfc7714 from '../../../vectors/srtp/rfc7714.json' with { type: 'json' }

const NO_OCTETS = new Uint8Array(0)

describe.each([
  ['RFC 3711 B', rfc3711, 'AES_CM_128_HMAC_SHA1_80'],
  ['RFC 6188 7', rfc6188, 'AES_256_CM_HMAC_SHA1_80'],
] as const)('%s: counter mode', (_, { keystream, derivation }, suite) => {
  const master = { key: fromHex(derivation.masterKey), salt: fromHex(derivation.masterSalt), mki: NO_OCTETS }

  it('gives the keystream of the first and of the last blocks', () => {
    const cipher = new CounterCipher(
      {
        encryptionKey: fromHex(keystream.sessionKey),
        salt: fromHex(keystream.sessionSalt),
        authenticationKey: new Uint8Array(20),
      },
      'rtp',
      0,
    )
    const headerLength = 12
    const packet = new Uint8Array(headerLength + 0xff02 * 16)
    const parts = { packet, headerLength, bodyEnd: packet.length, ssrc: 0, index: 0, isEncrypted: true, word: 0 }
    const stream = cipher.seal(parts).packet.subarray(headerLength)
    const blocks = keystream.blocks as [number, string][]
    expect(blocks.map(([block]) => stream.slice(block * 16, block * 16 + 16))).toEqual(
      blocks.map(([, octets]) => fromHex(octets)),
    )
  })

  it('derives the session keys of SRTP', () => {
    const authKey = fromHex(derivation.authKey.join(''))
    expect(deriveSessionKeys(master, suite, 'rtp', 0)).toEqual({
      encryptionKey: fromHex(derivation.cipherKey),
      salt: fromHex(derivation.cipherSalt),
      authenticationKey: authKey.slice(0, 20),
    })
    expect(deriveKey(master, { label: 1, step: 0, length: authKey.length })).toEqual(authKey)
  })
})

describe.each([
  ['rtp', rfc7714.srtp],
  ['rtcp', rfc7714.srtcp],
] as const)('RFC 7714 16 and 17: AES-GCM of %s', (kind, { clear, cases }) => {
  it.each(cases)('$clause', ({ sessionKey, isEncrypted, protected: sealed }) => {
    const salt = fromHex(rfc7714.sessionSalt)
    const cipher = new AeadCipher({ encryptionKey: fromHex(sessionKey), salt, authenticationKey: NO_OCTETS }, kind)
    const fields = fieldsOf(kind, isEncrypted)
    const packet = fromHex(clear)
    const wordLength = kind === 'rtcp' ? 4 : 0
    const expected = fromHex(sealed)
    const body = expected.slice(0, expected.length - wordLength)
    expect(cipher.seal({ ...fields, packet, bodyEnd: packet.length })).toEqual({ packet: body, tag: NO_OCTETS })
    expect(cipher.open({ ...fields, packet: expected, bodyEnd: body.length })).toEqual(packet)
    const forged = Uint8Array.from(expected, (octet, at) => (at === 20 ? octet ^ 1 : octet))
    expect(cipher.open({ ...fields, packet: forged, bodyEnd: body.length })).toBe(undefined)
  })
})

function fieldsOf(kind: PacketKind, isEncrypted: boolean) {
  return kind === 'rtp'
    ? { headerLength: 12, ssrc: 0x5501a0b2, index: 0xf17b, isEncrypted, word: 0 }
    : { headerLength: 8, ssrc: 0x4d617273, index: 0x5d4, isEncrypted, word: 0x5d4 + (isEncrypted ? 0x8000_0000 : 0) }
}

describe('the packets other implementations exchange', () => {
  const keysFor = ({ suite, masterKey, masterSalt }: (typeof interoperable.cases)[number]) =>
    keysOf(suite as SrtpSuite, {
      masterKeys: [{ key: fromHex(masterKey), salt: fromHex(masterSalt), mki: NO_OCTETS }],
    })

  it.each(interoperable.cases)('SRTP under $suite', (example) => {
    const keys = keysFor(example)
    const packet = fromHex(interoperable.rtp)
    expect(new SrtpSender(keys).protectRtp(packet)).toEqual(fromHex(example.srtp))
    expect(new SrtpReceiver(keys).unprotectRtp(fromHex(example.srtp), 0)).toEqual({ ok: true, value: packet })
  })

  it.each(interoperable.cases.filter(({ srtcp }) => srtcp !== undefined))('SRTCP under $suite', (example) => {
    const keys = keysFor(example)
    const packet = fromHex(interoperable.rtcp)
    const expected = fromHex(example.srtcp ?? '')
    const sender = new SrtpSender(keys)
    // Our first one has the index 0 (RFC 3711 3.4); these count from 1.
    sender.protectRtcp(packet)
    expect(sender.protectRtcp(packet)).toEqual(expected)
    expect(new SrtpReceiver(keys).unprotectRtcp(expected, 0)).toEqual({ ok: true, value: packet })
  })
})
