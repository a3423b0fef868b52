import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { serializeCname, serializeReceiverReport } from '../../src/protocol/rtp/rtcp-writer.ts'
import { estimateIndex, TURN } from '../../src/protocol/srtp/packet-index.ts'
import { REPLAY_WINDOW, ReplayWindow } from '../../src/protocol/srtp/replay-window.ts'
import { SrtpReceiver } from '../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'
import { mulberry32 } from '../support/random.ts'
import { ALL_SUITES, keysOf, masterKeyOf } from '../support/srtp.ts'

const anyKeys = fc
  .record({
    suite: fc.constantFrom(...ALL_SUITES),
    seed: fc.nat({ max: 1_000 }),
    mkiLength: fc.constantFrom(0, 0, 1, 4, 128),
    unencryptedSrtp: fc.boolean(),
    unencryptedSrtcp: fc.boolean(),
    unauthenticatedSrtp: fc.boolean(),
    keyDerivationRate: fc.constantFrom(0, 0, 1, 1 << 10),
  })
  .map(({ seed, mkiLength, ...rest }) =>
    keysOf(rest.suite, { ...rest, masterKeys: [masterKeyOf(rest.suite, seed, new Uint8Array(mkiLength).fill(7))] }),
  )

const ssrc = fc.nat({ max: 0xffff_ffff })
const payload = fc.uint8Array({ maxLength: 400 })

function packetAt(index: number, from: number, content: Uint8Array): Uint8Array {
  const sequenceNumber = index % TURN
  return serializeRtp({ payloadType: 0, marker: false, sequenceNumber, timestamp: index, ssrc: from, payload: content })
}

describe('protect and unprotect', () => {
  it('give back every RTP packet, whatever the keys', () => {
    fc.assert(
      fc.property(anyKeys, ssrc, fc.nat({ max: 20 * TURN }), payload, (keys, from, index, content) => {
        // Without a tag nobody can tell at which turn a stream is: it has to begin at the first.
        const first = keys.unauthenticatedSrtp ? index % TURN : index
        const sender = new SrtpSender(keys, { rolloverCounter: Math.floor(first / TURN) })
        const packet = packetAt(first, from, content)
        expect(new SrtpReceiver(keys).unprotectRtp(sender.protectRtp(packet), 0)).toEqual({ ok: true, value: packet })
      }),
    )
  })

  it('give back every RTCP packet, whatever the keys', () => {
    fc.assert(
      fc.property(anyKeys, ssrc, fc.string({ maxLength: 200 }), (keys, from, cname) => {
        const report = serializeReceiverReport({ type: 'receiverReport', ssrc: from, reports: [] })
        const packet = Uint8Array.from([...report, ...serializeCname(from, cname)])
        const datagram = new SrtpSender(keys).protectRtcp(packet)
        expect(new SrtpReceiver(keys).unprotectRtcp(datagram, 0)).toEqual({ ok: true, value: packet })
      }),
    )
  })

  it('survive loss, reordering and duplicates over several turns of the sequence number', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL_SUITES), fc.integer(), (suite, seed) => {
        const random = mulberry32(seed)
        const keys = keysOf(suite)
        const [sender, receiver] = [new SrtpSender(keys), new SrtpReceiver(keys)]
        const onTheirWay: { readonly index: number; readonly datagram: Uint8Array }[] = []
        const taken = new Set<number>()
        const deliverUntil = (left: number): void => {
          while (onTheirWay.length > left) {
            const [next] = onTheirWay.splice(Math.floor(random() * onTheirWay.length), 1)
            if (next === undefined || random() < 0.05) continue
            const opened = receiver.unprotectRtp(next.datagram, 0)
            if (taken.has(next.index)) expect(opened).toMatchObject({ ok: false })
            else expect(opened).toMatchObject({ ok: true })
            taken.add(next.index)
          }
        }
        let index = Math.floor(random() * TURN)
        for (let sent = 0; sent < 150; sent++) {
          const isOutage = random() < 0.1
          if (isOutage) deliverUntil(0)
          index += isOutage ? Math.floor(random() * 30_000) : 1
          const datagram = sender.protectRtp(packetAt(index, 1, Uint8Array.of(sent)))
          onTheirWay.push({ index, datagram }, ...(random() < 0.2 ? [{ index, datagram }] : []))
          deliverUntil(6)
        }
        expect(taken.size).toBeGreaterThan(60)
      }),
      { numRuns: 60 },
    )
  })

  it('are not fooled by a packet in which any bit is another', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ALL_SUITES),
        payload,
        fc.nat(),
        fc.nat({ max: 7 }),
        fc.boolean(),
        (suite, content, place, bit, isRtcp) => {
          const keys = keysOf(suite)
          const report = serializeReceiverReport({ type: 'receiverReport', ssrc: 1, reports: [] })
          const sender = new SrtpSender(keys)
          const datagram = isRtcp ? sender.protectRtcp(report) : sender.protectRtp(packetAt(5, 1, content))
          datagram[place % datagram.length] = (datagram[place % datagram.length] ?? 0) ^ (1 << bit)
          const receiver = new SrtpReceiver(keys)
          expect(isRtcp ? receiver.unprotectRtcp(datagram, 0) : receiver.unprotectRtp(datagram, 0)).toMatchObject({
            ok: false,
          })
        },
      ),
    )
  })
})

describe('any bytes', () => {
  const rtpLike = fc.uint8Array({ maxLength: 300 }).map((bytes) => {
    if (bytes.length > 1) bytes.set([0x80 | ((bytes[0] ?? 0) & 0x3f)])
    return bytes
  })

  it('never throw, are never changed and never read beyond their end', () => {
    fc.assert(
      fc.property(anyKeys, fc.oneof(fc.uint8Array({ maxLength: 300 }), rtpLike), (keys, bytes) => {
        // In a buffer that goes on, and in one that does not: the result must be the same.
        const buffer = new Uint8Array(bytes.length + 64).fill(0x99)
        buffer.set(bytes, 32)
        const view = buffer.subarray(32, 32 + bytes.length)
        const [alone, within] = [new SrtpReceiver(keys), new SrtpReceiver(keys)]
        expect(within.unprotectRtp(view, 0)).toEqual(alone.unprotectRtp(bytes.slice(), 0))
        expect(within.unprotectRtcp(view, 0)).toEqual(alone.unprotectRtcp(bytes.slice(), 0))
        expect(view).toEqual(bytes)
      }),
    )
  })
})

describe('packet indices', () => {
  it('are found wherever less than half a turn lies between them', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 40 }),
        fc.integer({ min: -TURN / 2 + 1, max: TURN / 2 - 1 }),
        (highest, distance) => {
          const index = highest + distance
          fc.pre(index >= 0)
          expect(estimateIndex(highest, index % TURN)).toBe(index)
        },
      ),
    )
  })

  it('are told fresh, replayed and old as a list of all of them would tell', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: -200, max: 5 }), fc.integer({ min: 1, max: 400 })), {
      maxLength: 80,
    })
    fc.assert(
      fc.property(steps, (jumps) => {
        const window = new ReplayWindow()
        const seen = new Set<number>()
        let highest = 1_000
        for (const jump of jumps) {
          const index = Math.max(0, highest + jump)
          const isOld = seen.size > 0 && index <= Math.max(...seen) - REPLAY_WINDOW
          const fate = isOld ? 'old' : seen.has(index) ? 'replay' : 'fresh'
          expect(window.check(index)).toBe(fate)
          if (fate !== 'fresh') continue
          window.add(index)
          seen.add(index)
          highest = Math.max(highest, index)
        }
      }),
    )
  })
})
