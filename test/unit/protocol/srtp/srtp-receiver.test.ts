import { describe, expect, it } from 'vitest'

import { TURN } from '../../../../src/protocol/srtp/packet-index.ts'
import { REPLAY_WINDOW } from '../../../../src/protocol/srtp/replay-window.ts'
import { SOURCES_MAX } from '../../../../src/protocol/srtp/source-table.ts'
import {
  CONTEXTS_MAX,
  FORMER_KEYS_US,
  LATE_JOIN_TURNS_MAX,
  MISSED_TURNS_MAX,
  SEARCHES_PER_SECOND,
  SrtpReceiver,
} from '../../../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../../../src/protocol/srtp/srtp-sender.ts'
import { ALL_SUITES, keysOf, masterKeyOf } from '../../../support/srtp.ts'
import { fates, packetAt, protectedAt, reportFrom, SSRC } from './packets.ts'

const keys = keysOf('AES_CM_128_HMAC_SHA1_80')
const otherKeys = keysOf('AES_CM_128_HMAC_SHA1_80', { seed: 2 })

const flipped = (datagram: Uint8Array, at: number): Uint8Array =>
  Uint8Array.from(datagram, (octet, index) =>
    index === (at + datagram.length) % datagram.length ? octet ^ 0x40 : octet,
  )

describe.each(ALL_SUITES)('packets under %s', (suite) => {
  const keys = keysOf(suite)

  it('come out as they went in, and their datagram stays as it came', () => {
    const receiver = new SrtpReceiver(keys)
    const datagram = protectedAt(7, keys)
    const before = datagram.slice()
    expect(Buffer.from(datagram).includes('packet 7')).toBe(false)
    expect(receiver.unprotectRtp(datagram, 0)).toEqual({ ok: true, value: packetAt(7) })
    expect(datagram).toEqual(before)
    expect(receiver.acceptedKeys).toBe(keys)
  })

  it('are refused when a single bit of header, payload or tag is another', () => {
    const receiver = new SrtpReceiver(keys)
    const datagram = protectedAt(7, keys)
    for (const at of [1, 5, 9, 12, 15, -1, -4]) {
      expect(receiver.unprotectRtp(flipped(datagram, at), 0)).toEqual({ ok: false, reason: 'authentication' })
    }
    expect(receiver.unprotectRtp(datagram, 0).ok).toBe(true)
  })

  it('are refused when there is no room for the tag', () => {
    const receiver = new SrtpReceiver(keys)
    const datagram = protectedAt(7, keys)
    for (const length of [0, 11, 12, 15]) {
      expect(receiver.unprotectRtp(datagram.subarray(0, length), 0)).toEqual({ ok: false, reason: 'short' })
    }
  })

  it('keep CSRC list and header extension in clear, and authentic', () => {
    const [header, payload] = [packetAt(1).subarray(0, 12), packetAt(1).subarray(12)]
    const csrc = [1, 2, 3, 4]
    const extension = [0xbe, 0xde, 0, 1, 9, 9, 9, 9]
    const packet = Uint8Array.from([0x91, ...header.subarray(1), ...csrc, ...extension, ...payload])
    const datagram = new SrtpSender(keys).protectRtp(packet)
    expect(datagram.subarray(0, 24)).toEqual(packet.subarray(0, 24))
    expect(new SrtpReceiver(keys).unprotectRtp(flipped(datagram, 20), 0)).toMatchObject({ reason: 'authentication' })
    expect(new SrtpReceiver(keys).unprotectRtp(datagram, 0)).toEqual({ ok: true, value: packet })
  })

  it('have no payload sometimes, or a very long one', () => {
    const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)]
    const empty = packetAt(1).slice(0, 12)
    const long = Uint8Array.from({ length: 60_000 }, (_, index) => (index < 12 ? (packetAt(2)[index] ?? 0) : index))
    expect(receiver.unprotectRtp(sender.protectRtp(empty), 0)).toEqual({ ok: true, value: empty })
    expect(receiver.unprotectRtp(sender.protectRtp(long), 0)).toEqual({ ok: true, value: long })
  })

  it('are decrypted from a view into a larger buffer', () => {
    const datagram = protectedAt(3, keys)
    const buffer = new Uint8Array(datagram.length + 40).fill(0xee)
    buffer.set(datagram, 20)
    const view = buffer.subarray(20, 20 + datagram.length)
    expect(new SrtpReceiver(keys).unprotectRtp(view, 0)).toEqual({ ok: true, value: packetAt(3) })
  })

  it('include RTCP, with an index of its own', () => {
    const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)]
    const first = sender.protectRtcp(reportFrom())
    const second = sender.protectRtcp(reportFrom())
    expect(second).not.toEqual(first)
    expect(receiver.unprotectRtcp(second, 0)).toEqual({ ok: true, value: reportFrom() })
    expect(receiver.unprotectRtcp(first, 0)).toEqual({ ok: true, value: reportFrom() })
    expect(receiver.unprotectRtcp(first, 0)).toEqual({ ok: false, reason: 'replay' })
    for (const at of [1, 5, -1]) {
      expect(receiver.unprotectRtcp(flipped(sender.protectRtcp(reportFrom()), at), 0)).toMatchObject({ ok: false })
    }
  })
})

it.each(['AES_CM_128_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_32'] as const)(
  '%s shortens the tag of SRTP only',
  (suite) => {
    const sender = new SrtpSender(keysOf(suite))
    expect(sender.protectRtp(packetAt(1)).length).toBe(packetAt(1).length + 4)
    expect(sender.protectRtcp(reportFrom()).length).toBe(reportFrom().length + 4 + 10)
  },
)

describe('what is no packet', () => {
  const receiver = new SrtpReceiver(keys)
  const rtcp = new SrtpSender(keys).protectRtcp(reportFrom())

  it.each([
    ['version', flipped(protectedAt(1, keys), 0)],
    ['rtcp', rtcp],
    ['extension', Uint8Array.from(protectedAt(1, keys).slice(0, 30), (octet, at) => (at === 0 ? 0x90 : octet))],
    ['short', Uint8Array.from(protectedAt(1, keys).slice(0, 30), (octet, at) => (at === 0 ? 0x8f : octet))],
    ['long', new Uint8Array(65_536).fill(0x80)],
  ] as const)('%s, on the port of RTP', (reason, datagram) => {
    expect(receiver.unprotectRtp(datagram, 0)).toEqual({ ok: false, reason })
  })

  it.each([
    ['version', flipped(rtcp, 0)],
    ['notRtcp', protectedAt(1, keys)],
    ['short', rtcp.subarray(0, 7)],
    ['short', rtcp.subarray(0, 20)],
    ['long', new Uint8Array(65_536).fill(0xc8)],
  ] as const)('%s, on the port of RTCP', (reason, datagram) => {
    expect(receiver.unprotectRtcp(datagram, 0)).toEqual({ ok: false, reason })
  })
})

describe('replay', () => {
  it('a packet is taken once, in whatever order', () => {
    const receiver = new SrtpReceiver(keys)
    expect(fates(receiver, [10, 12, 11, 12, 10, 13], keys)).toEqual(['ok', 'ok', 'ok', 'replay', 'replay', 'ok'])
  })

  it('a packet behind the window is old, the last one inside is not', () => {
    const receiver = new SrtpReceiver(keys)
    const highest = 1_000
    expect(fates(receiver, [highest, highest - REPLAY_WINDOW, highest - REPLAY_WINDOW + 1], keys)).toEqual([
      'ok',
      'old',
      'ok',
    ])
  })

  it('a forged packet far ahead does not shut out the true ones', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [1], keys)
    expect(receiver.unprotectRtp(flipped(protectedAt(30_000, keys), 14), 0)).toMatchObject({ ok: false })
    expect(fates(receiver, [2], keys)).toEqual(['ok'])
  })
})

describe('the rollover counter', () => {
  it('goes on when the sequence number wraps, with reordering across the wrap', () => {
    const receiver = new SrtpReceiver(keys)
    const around = [
      TURN - 2,
      TURN + 1,
      TURN - 1,
      TURN,
      2 * TURN - 40_000,
      2 * TURN - 10_000,
      2 * TURN + 3,
      2 * TURN - 1,
    ]
    expect(fates(receiver, around, keys)).toEqual(around.map(() => 'ok'))
  })

  it.each([1, 7, LATE_JOIN_TURNS_MAX])('of a stream that was running before is found: %i', (turn) => {
    const receiver = new SrtpReceiver(keys)
    const first = turn * TURN + 40_000
    expect(fates(receiver, [first, first + 1, first + TURN / 2], keys)).toEqual(['ok', 'ok', 'ok'])
  })

  it('is not looked for without end', () => {
    const receiver = new SrtpReceiver(keys)
    expect(fates(receiver, [(LATE_JOIN_TURNS_MAX + 1) * TURN + 5], keys)).toEqual(['authentication'])
  })

  it('is found when the first packet to arrive comes from behind the wrap', () => {
    expect(fates(new SrtpReceiver(keys), [TURN, TURN - 1, TURN + 1], keys)).toEqual(['ok', 'ok', 'ok'])
  })

  it('is found again after a long time in which nothing arrived', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [5], keys)
    const later = MISSED_TURNS_MAX * TURN + 100
    expect(fates(receiver, [later, later + 1], keys)).toEqual(['ok', 'ok'])
    expect(fates(receiver, [later + (MISSED_TURNS_MAX + 1) * TURN], keys)).toEqual(['authentication'])
  })

  it('never goes back: an old packet, authentic as it was, is refused', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [TURN + 100, 2 * TURN + 100], keys)
    expect(fates(receiver, [100, TURN + 200], keys)).toEqual(['authentication', 'authentication'])
  })

  it('is looked for by a bounded number of packets in a second, and by more in the next', () => {
    const receiver = new SrtpReceiver(keys)
    for (let packet = 0; packet < SEARCHES_PER_SECOND; packet++) {
      receiver.unprotectRtp(protectedAt(packet, otherKeys), 0)
    }
    expect(fates(receiver, [TURN], keys, 999_999)).toEqual(['authentication'])
    // What needs no search is taken all the same.
    expect(fates(receiver, [9], keys, 999_999)).toEqual(['ok'])
    expect(fates(new SrtpReceiver(keys), [TURN], keys, 1_000_000)).toEqual(['ok'])
    expect(fates(receiver, [TURN], keys, 1_000_000)).toEqual(['ok'])
  })
})

describe('sources', () => {
  it('are remembered to a bound, the one unused for longest is forgotten', () => {
    const receiver = new SrtpReceiver(keys)
    const receive = (ssrc: number, index: number) => receiver.unprotectRtp(protectedAt(index, keys, ssrc), 0)
    for (let ssrc = 1; ssrc <= SOURCES_MAX; ssrc++) expect(receive(ssrc, 1).ok).toBe(true)
    expect(receive(1, 2).ok).toBe(true)
    expect(receiver.sourcesForgotten).toBe(0)
    expect(receive(99, 1).ok).toBe(true)
    expect(receiver.sourcesForgotten).toBe(1)
    // The first was used since; the second was not, and its packets are news.
    expect(receive(1, 2)).toEqual({ ok: false, reason: 'replay' })
    expect(receive(2, 1).ok).toBe(true)
  })

  it('of strangers leave no trace', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [1], keys)
    for (let ssrc = 1; ssrc <= 10 * SOURCES_MAX; ssrc++) {
      receiver.unprotectRtp(protectedAt(1, otherKeys, ssrc), ssrc * 100_000)
    }
    expect(receiver.sourcesForgotten).toBe(0)
    expect(fates(receiver, [1, 2], keys)).toEqual(['replay', 'ok'])
  })
})

describe('master key identifiers', () => {
  const suite = 'AES_CM_128_HMAC_SHA1_80'
  const masterKeys = [1, 2].map((seed) => masterKeyOf(suite, seed, Uint8Array.of(0, seed)))
  const both = keysOf(suite, { masterKeys })

  it.each(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'] as const)('choose the key of a packet under %s', (suite) => {
    const masterKeys = [1, 2].map((seed) => masterKeyOf(suite, seed, Uint8Array.of(0, seed)))
    const receiver = new SrtpReceiver(keysOf(suite, { masterKeys }))
    const second = keysOf(suite, { masterKeys: masterKeys.toReversed() })
    expect(fates(receiver, [1], keysOf(suite, { masterKeys }))).toEqual(['ok'])
    expect(fates(receiver, [2, 1], second)).toEqual(['ok', 'replay'])
    const sender = new SrtpSender(second)
    expect(receiver.unprotectRtcp(sender.protectRtcp(reportFrom()), 0)).toEqual({ ok: true, value: reportFrom() })
  })

  it('that nobody agreed on are a reason of their own', () => {
    const third = keysOf(suite, { masterKeys: [masterKeyOf(suite, 3, Uint8Array.of(0, 3))] })
    const receiver = new SrtpReceiver(both)
    expect(receiver.unprotectRtp(protectedAt(1, third), 0)).toEqual({ ok: false, reason: 'mki' })
    const report = new SrtpSender(third).protectRtcp(reportFrom())
    expect(receiver.unprotectRtcp(report, 0)).toEqual({ ok: false, reason: 'mki' })
  })
})

describe('what SDP leaves unprotected', () => {
  it.each(ALL_SUITES)('%s without encryption is still authenticated', (suite) => {
    const clear = keysOf(suite, { unencryptedSrtp: true, unencryptedSrtcp: true })
    const [sender, receiver] = [new SrtpSender(clear), new SrtpReceiver(clear)]
    const datagram = sender.protectRtp(packetAt(1))
    expect(datagram.subarray(0, packetAt(1).length)).toEqual(packetAt(1))
    expect(receiver.unprotectRtp(flipped(datagram, 14), 0)).toMatchObject({ reason: 'authentication' })
    expect(receiver.unprotectRtp(datagram, 0)).toEqual({ ok: true, value: packetAt(1) })
    const report = sender.protectRtcp(reportFrom())
    expect(report.subarray(0, reportFrom().length)).toEqual(reportFrom())
    expect(receiver.unprotectRtcp(flipped(report, 5), 0)).toMatchObject({ reason: 'authentication' })
    expect(receiver.unprotectRtcp(report, 0)).toEqual({ ok: true, value: reportFrom() })
  })

  it('without authentication there is no tag, replay is not judged, and SRTCP is authenticated all the same', () => {
    const open = keysOf('AES_CM_128_HMAC_SHA1_80', { unauthenticatedSrtp: true })
    const [sender, receiver] = [new SrtpSender(open), new SrtpReceiver(open)]
    const datagram = sender.protectRtp(packetAt(1))
    expect(datagram.length).toBe(packetAt(1).length)
    expect(receiver.unprotectRtp(datagram, 0)).toEqual({ ok: true, value: packetAt(1) })
    expect(receiver.unprotectRtp(datagram, 0)).toEqual({ ok: true, value: packetAt(1) })
    expect(fates(receiver, [TURN - 20_000, TURN + 2], open)).toEqual(['ok', 'ok'])
    const report = sender.protectRtcp(reportFrom())
    expect(receiver.unprotectRtcp(flipped(report, 5), 0)).toMatchObject({ reason: 'authentication' })
  })

  it('AEAD is authenticated whatever SDP says', () => {
    const open = keysOf('AEAD_AES_128_GCM', { unauthenticatedSrtp: true })
    const receiver = new SrtpReceiver(open)
    expect(receiver.unprotectRtp(flipped(protectedAt(1, open), 14), 0)).toMatchObject({ reason: 'authentication' })
    expect(fates(receiver, [1, 1], open)).toEqual(['ok', 'replay'])
  })
})

describe('new keys', () => {
  it('are taken from the first packet, with the rollover counter that goes on or the one that begins again', () => {
    for (const next of [3 * TURN + 101, 101]) {
      const receiver = new SrtpReceiver(keys)
      fates(receiver, [3 * TURN + 100], keys)
      receiver.rekey(otherKeys, 0)
      expect(fates(receiver, [next, next + 1], otherKeys)).toEqual(['ok', 'ok'])
      expect(receiver.acceptedKeys).toBe(otherKeys)
    }
  })

  it('leave packets on their way acceptable for a bounded time', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [10], keys)
    receiver.rekey(otherKeys, 0)
    expect(fates(receiver, [11, 10], keys, 1)).toEqual(['ok', 'replay'])
    expect(fates(receiver, [13, 14], otherKeys, 2)).toEqual(['ok', 'ok'])
    expect(fates(receiver, [12], keys, FORMER_KEYS_US - 1)).toEqual(['ok'])
    expect(fates(receiver, [13], keys, FORMER_KEYS_US)).toEqual(['authentication'])
  })

  it('may be of another suite', () => {
    const aead = keysOf('AEAD_AES_256_GCM')
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [10], keys)
    receiver.rekey(aead, 0)
    expect(fates(receiver, [11], keys)).toEqual(['ok'])
    expect(fates(receiver, [12], aead)).toEqual(['ok'])
  })

  it('that are the same keys again change nothing, so that nothing can be replayed', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [10], keys)
    receiver.rekey(keysOf('AES_CM_128_HMAC_SHA1_80'), 0)
    expect(fates(receiver, [10, 11], keys, 2 * FORMER_KEYS_US)).toEqual(['replay', 'ok'])
  })

  it('may be the former ones, which remember what they have seen', () => {
    const receiver = new SrtpReceiver(keys)
    fates(receiver, [10], keys)
    receiver.rekey(otherKeys, 0)
    receiver.rekey(keys, 1)
    expect(fates(receiver, [10, 11], keys, 2 * FORMER_KEYS_US)).toEqual(['replay', 'ok'])
  })

  it('push out the oldest when there are too many at once', () => {
    const receiver = new SrtpReceiver(keys)
    for (let seed = 2; seed <= CONTEXTS_MAX; seed++) receiver.rekey(keysOf('AEAD_AES_128_GCM', { seed }), 0)
    expect(fates(receiver, [1], keys)).toEqual(['ok'])
    receiver.rekey(otherKeys, 0)
    expect(fates(receiver, [2], keys)).toEqual(['authentication'])
  })

  it('work for the sender, too: its index goes on', () => {
    const [sender, receiver] = [new SrtpSender(keys, { rolloverCounter: 2 }), new SrtpReceiver(keys)]
    expect(receiver.unprotectRtp(sender.protectRtp(packetAt(5)), 0).ok).toBe(true)
    sender.rekey(otherKeys)
    receiver.rekey(otherKeys, 0)
    const datagram = sender.protectRtp(packetAt(6))
    expect(datagram).toEqual(new SrtpSender(otherKeys, { rolloverCounter: 2 }).protectRtp(packetAt(6)))
    expect(receiver.unprotectRtp(datagram, 0)).toEqual({ ok: true, value: packetAt(6) })
  })
})

describe('a key derivation rate', () => {
  it.each(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const)('changes the session keys of %s', (suite) => {
    const keys = keysOf(suite, { keyDerivationRate: 16 })
    const receiver = new SrtpReceiver(keys)
    const indices = [14, 15, 16, 17, 15, 33, 18, 3 * TURN + 1]
    expect(fates(receiver, indices, keys).join(' ')).toBe('ok ok ok ok replay ok ok ok')
    // The same packet under keys that never change is another one.
    expect(protectedAt(15, keys)).toEqual(protectedAt(15, keysOf(suite)))
    expect(protectedAt(16, keys)).not.toEqual(protectedAt(16, keysOf(suite)))
  })
})

describe('the sender', () => {
  it('refuses what is no packet, and more sources than it can remember', () => {
    const sender = new SrtpSender(keys)
    expect(() => sender.protectRtp(new Uint8Array(5))).toThrow(RangeError)
    expect(() => sender.protectRtcp(packetAt(1))).toThrow(RangeError)
    for (let ssrc = 1; ssrc <= SOURCES_MAX; ssrc++) sender.protectRtp(packetAt(1, ssrc))
    expect(() => sender.protectRtp(packetAt(1, SSRC))).toThrow(RangeError)
    expect(sender.protectRtp(packetAt(2, 1)).length).toBeGreaterThan(12)
  })

  it('protects the same packet twice the same way, as a network that duplicates would', () => {
    const sender = new SrtpSender(keys)
    expect(sender.protectRtp(packetAt(1))).toEqual(sender.protectRtp(packetAt(1)))
  })
})
