import { describe, expect, it } from 'vitest'

import type { RtpPacket } from '../../../src/protocol/rtp/packet.ts'
import { CHALLENGERS_MAX, HELD_AGE_US, HELD_PACKETS_MAX } from '../../../src/recorder/packet-challengers.ts'
import {
  CONTEST_PACKETS,
  FORMER_ADDRESS_US,
  HOMES_MAX,
  LATCH_WAIT_US,
  PacketSources,
  REBINDING_SILENCE_US,
  SOURCE_SILENCE_US,
  type PacketOrigin,
  type SourceRule,
  type SourceVerdict,
} from '../../../src/recorder/packet-sources.ts'

const SDP = { address: '192.0.2.1', port: 4_000 }
const SIGNALLING = { address: '192.0.2.9', port: 4_000 }
const STRANGER = { address: '198.51.100.66', port: 6_666 }
const TRANSLATED = { address: '203.0.113.5', port: 40_000 }
const PACKET_US = 20_000
const START_US = 7_000_000_000

function sourcesWith(
  options: { readonly rule?: SourceRule; readonly sdpAddress?: string | undefined; readonly isHeld?: boolean } = {},
): PacketSources {
  const { rule: sourceRule = 'latch', isHeld: held = false } = options
  const address = 'sdpAddress' in options ? options.sdpAddress : SDP.address
  return new PacketSources({ transport: { address }, held }, { sourceRule, signallingAddress: SIGNALLING.address })
}

/** A sender of 20 ms packets in virtual time. */
class Sender {
  readonly verdicts: SourceVerdict[] = []
  readonly origin: PacketOrigin
  readonly ssrc: number
  sequenceNumber: number

  constructor(origin: PacketOrigin, ssrc: number, sequenceNumber = 100) {
    this.origin = origin
    this.ssrc = ssrc
    this.sequenceNumber = sequenceNumber
  }

  packet(): RtpPacket {
    this.sequenceNumber = (this.sequenceNumber + 1) & 0xffff
    const { ssrc, sequenceNumber } = this
    return { payloadType: 0, marker: false, sequenceNumber, timestamp: 0, ssrc, payload: new Uint8Array(0) }
  }
}

interface Sending {
  readonly sender: Sender
  readonly fromMs: number
  readonly toMs: number
}

/** Plays the senders against each other; gives how many packets of each were taken in the end. */
function play(sources: PacketSources, sendings: readonly Sending[]): Map<Sender, number> {
  const packets = sendings.flatMap(({ sender, fromMs, toMs }) =>
    Array.from({ length: (toMs - fromMs) / 20 }, (_, index) => ({ sender, atUs: fromMs * 1_000 + index * PACKET_US })),
  )
  const taken = new Map(sendings.map(({ sender }) => [sender, 0]))
  const bySsrc = new Map(sendings.map(({ sender }) => [sender.ssrc, sender]))
  const count = (ssrc: number): void => {
    const sender = bySsrc.get(ssrc)
    if (sender !== undefined) taken.set(sender, (taken.get(sender) ?? 0) + 1)
  }
  for (const { sender, atUs } of packets.toSorted((left, right) => left.atUs - right.atUs)) {
    const packet = sender.packet()
    const verdict = sources.admit(packet, { ...sender.origin }, START_US + atUs)
    sender.verdicts.push(verdict)
    if (verdict === 'taken') count(packet.ssrc)
    if (verdict === 'moved') for (const held of sources.takeHeld()) count(held.packet.ssrc)
  }
  return taken
}

describe('an SRC that sends from where its SDP says', () => {
  it('is taken at once, from any port, and called so', () => {
    const sources = sourcesWith()
    const src = new Sender(SDP, 1)
    const moved = new Sender({ ...SDP, port: 4_444 }, 2)
    const taken = play(sources, [
      { sender: src, fromMs: 0, toMs: 1_000 },
      { sender: moved, fromMs: 1_000, toMs: 2_000 },
    ])
    expect([taken.get(src), taken.get(moved)]).toEqual([50, 50])
    expect(sources.active).toMatchObject({ ...moved.origin, kind: 'sdp' })
    expect([sources.kinds, sources.dropped, sources.moves]).toEqual([['sdp'], 0, 0])
  })

  it('loses nothing to a stranger who sprays before, during and after it; the stranger gets nothing in but before', () => {
    const sources = sourcesWith()
    const src = new Sender(SDP, 1)
    const stranger = new Sender(STRANGER, 666)
    const taken = play(sources, [
      { sender: stranger, fromMs: 0, toMs: 10_000 },
      { sender: src, fromMs: 140, toMs: 9_800 },
    ])
    expect(taken.get(src)).toBe(483)
    expect(taken.get(stranger)).toBe(0)
    expect(sources.moves).toBe(0)
  })

  it('wins its place back with its first packet from a stranger who latched long before it', () => {
    const sources = sourcesWith()
    const src = new Sender(SDP, 1)
    const stranger = new Sender(STRANGER, 666)
    const taken = play(sources, [
      { sender: stranger, fromMs: 0, toMs: 8_000 },
      { sender: src, fromMs: 3_000, toMs: 8_000 },
    ])
    expect(taken.get(src)).toBe(250)
    // What came before anybody better did is there, up to the same instant.
    expect(taken.get(stranger)).toBe(151)
    expect(sources.kinds).toEqual(['latched', 'sdp'])
  })

  it('wins its place back after a silence in which a stranger took it', () => {
    const sources = sourcesWith()
    const src = new Sender(SDP, 1)
    const stranger = new Sender(STRANGER, 666)
    const taken = play(sources, [
      { sender: src, fromMs: 0, toMs: 2_000 },
      { sender: stranger, fromMs: 0, toMs: 6_000 },
      { sender: src, fromMs: 4_000, toMs: 6_000 },
    ])
    expect(taken.get(src)).toBe(200)
    expect(sources.moves).toBe(1)
  })

  it('is not displaced while its line is held', () => {
    const sources = sourcesWith()
    const src = new Sender(SDP, 1)
    const stranger = new Sender(STRANGER, 666)
    play(sources, [{ sender: src, fromMs: 0, toMs: 1_000 }])
    sources.replan(undefined, true, START_US + 1_000_000)
    const taken = play(sources, [{ sender: stranger, fromMs: 1_000, toMs: 20_000 }])
    expect(taken.get(stranger)).toBe(0)
  })

  it('is known by the address of a new offer, and for a while by the former one', () => {
    const sources = sourcesWith({ rule: 'sdp' })
    const other = { address: '192.0.2.2', port: 4_002 }
    const offeredUs = START_US + 1_000_000
    sources.replan(other.address, false, offeredUs)
    expect(sources.isExcluded(SDP, offeredUs + 1)).toBe(false)
    expect(sources.isExcluded(other, offeredUs + 1)).toBe(false)
    expect(sources.isExcluded(SDP, offeredUs + FORMER_ADDRESS_US)).toBe(true)
    expect(sources.dropped).toBe(1)
  })

  it('is known whatever the family in which the socket writes its address', () => {
    const sources = sourcesWith({ rule: 'sdp' })
    expect(sources.isExcluded({ address: '::ffff:192.0.2.1', port: 1 }, START_US)).toBe(false)
  })
})

describe('an SRC that sends from somewhere else', () => {
  it('is taken whole, all packets of the time in which it was watched too', () => {
    const sources = sourcesWith()
    const src = new Sender(TRANSLATED, 1)
    const taken = play(sources, [{ sender: src, fromMs: 0, toMs: 2_000 }])
    expect(taken.get(src)).toBe(100)
    expect(src.verdicts.indexOf('moved') * PACKET_US).toBe(LATCH_WAIT_US)
    expect([sources.kinds, sources.moves, sources.dropped]).toEqual([['latched'], 0, 0])
  })

  it('is taken at once from where it signals', () => {
    const sources = sourcesWith()
    const src = new Sender(SIGNALLING, 1)
    play(sources, [{ sender: src, fromMs: 0, toMs: 100 }])
    expect(src.verdicts).toEqual(['taken', 'taken', 'taken', 'taken', 'taken'])
    expect(sources.kinds).toEqual(['signalling'])
  })

  it('keeps its place against a stranger who sends at the same time, and it is said that it was contested', () => {
    const sources = sourcesWith()
    const src = new Sender(TRANSLATED, 1)
    const stranger = new Sender(STRANGER, 666)
    const taken = play(sources, [
      { sender: src, fromMs: 0, toMs: 4_000 },
      { sender: stranger, fromMs: 500, toMs: 4_000 },
    ])
    expect([taken.get(src), taken.get(stranger)]).toEqual([200, 0])
    expect(stranger.verdicts.length).toBeGreaterThan(CONTEST_PACKETS)
    expect(sources.isContested).toBe(true)
  })

  it('is followed to another address after a silence, without losing a packet of it', () => {
    const sources = sourcesWith()
    const src = new Sender(TRANSLATED, 1)
    const moved = new Sender({ address: '203.0.113.99', port: 5_000 }, 2)
    const taken = play(sources, [
      { sender: src, fromMs: 0, toMs: 1_000 },
      { sender: moved, fromMs: 1_000, toMs: 3_000 },
    ])
    expect(taken.get(moved)).toBe(100)
    expect(moved.verdicts.indexOf('moved') * PACKET_US).toBe(SOURCE_SILENCE_US - PACKET_US)
    expect([sources.moves, sources.dropped]).toEqual([1, 0])
  })

  it.each([
    ['goes on with its sequence from another address', { address: '203.0.113.99', port: 5_000 }, 1, 150],
    ['goes on from another port with another SSRC', { ...TRANSLATED, port: 41_000 }, 2, 9_000],
  ] as const)('is followed sooner when it %s', (_, origin, ssrc, sequenceNumber) => {
    const sources = sourcesWith()
    const before = new Sender(TRANSLATED, 1, 100)
    const after = new Sender(origin, ssrc, sequenceNumber)
    play(sources, [
      { sender: before, fromMs: 0, toMs: 1_000 },
      { sender: after, fromMs: 1_000, toMs: 2_000 },
    ])
    expect(after.verdicts.indexOf('moved') * PACKET_US).toBe(REBINDING_SILENCE_US - PACKET_US)
    expect(sources.dropped).toBe(0)
  })

  it('comes back at once when a stranger took its place in a silence', () => {
    const sources = sourcesWith()
    const src = new Sender(TRANSLATED, 1)
    const stranger = new Sender(STRANGER, 666)
    const taken = play(sources, [
      { sender: src, fromMs: 0, toMs: 4_000 },
      { sender: stranger, fromMs: 4_000, toMs: 9_000 },
      { sender: src, fromMs: 6_000, toMs: 9_000 },
    ])
    expect(taken.get(src)).toBe(350)
  })

  it('is not displaced by single packets, nor by the noise of a scanner', () => {
    const sources = sourcesWith()
    for (let probe = 0; probe < 50; probe++) {
      const scanner = new Sender({ ...STRANGER, port: 1_000 + probe }, probe)
      expect(sources.admit(scanner.packet(), scanner.origin, START_US + probe * 1_000_000)).toBe('held')
    }
    expect(sources.active).toBeUndefined()
    expect(sources.dropped).toBe(50 - CHALLENGERS_MAX)
  })

  it('is taken at the end when the recording was over before it could be believed', () => {
    const sources = sourcesWith()
    play(sources, [{ sender: new Sender(TRANSLATED, 1), fromMs: 0, toMs: 100 }])
    expect(sources.takeRest().length).toBe(5)
    expect([sources.kinds, sources.dropped]).toEqual([['latched'], 0])
  })

  it('is the first whom anybody hears when the SDP has a name or nothing where the address belongs', () => {
    for (const sdpAddress of [undefined, 'src.example.com', '0.0.0.0']) {
      for (const rule of ['sdp', 'latch'] as const) {
        const sources = sourcesWith({ rule, sdpAddress })
        const src = new Sender(TRANSLATED, 1)
        expect(sources.isExcluded(TRANSLATED, START_US)).toBe(false)
        expect(play(sources, [{ sender: src, fromMs: 0, toMs: 1_000 }]).get(src)).toBe(50)
      }
    }
  })
})

describe('the rules', () => {
  it('sdp: nobody else is taken, whatever is silent', () => {
    const sources = sourcesWith({ rule: 'sdp' })
    expect(sources.isExcluded(STRANGER, START_US)).toBe(true)
    expect(sources.isExcluded(SIGNALLING, START_US)).toBe(true)
    expect(sources.isExcluded(SDP, START_US)).toBe(false)
    expect(sources.dropped).toBe(2)
  })

  it('any: everybody is taken', () => {
    const sources = sourcesWith({ rule: 'any' })
    const src = new Sender(SDP, 1)
    const stranger = new Sender(STRANGER, 666)
    const taken = play(sources, [
      { sender: src, fromMs: 0, toMs: 1_000 },
      { sender: stranger, fromMs: 0, toMs: 1_000 },
    ])
    expect([taken.get(src), taken.get(stranger)]).toEqual([50, 50])
  })

  it('follow whoever has the keys, and say that it was authentic', () => {
    const sources = sourcesWith()
    sources.noteAuthentic(new Sender(TRANSLATED, 1).packet(), TRANSLATED, START_US)
    expect(sources.active).toMatchObject({ ...TRANSLATED, kind: 'authentic' })
    sources.noteAuthentic(new Sender(SDP, 1).packet(), SDP, START_US + 1)
    expect(sources.kinds).toEqual(['authentic', 'sdp'])
  })

  it('need no origin: a recording that is played again has none', () => {
    expect(sourcesWith().admit(new Sender(SDP, 1).packet(), undefined, START_US)).toBe('taken')
  })

  it('believe RTCP from where RTP comes and from where SDP says, not from strangers', () => {
    const sources = sourcesWith()
    expect(sources.isBelieved(STRANGER, START_US)).toBe(false)
    expect(sources.isBelieved({ ...SDP, port: 4_001 }, START_US)).toBe(true)
    expect(sources.isBelieved(SIGNALLING, START_US)).toBe(true)
    expect(sources.isBelieved(TRANSLATED, START_US)).toBe(false)
    play(sources, [{ sender: new Sender(TRANSLATED, 1), fromMs: 0, toMs: 1_000 }])
    expect(sources.isBelieved({ ...TRANSLATED, port: 40_001 }, START_US)).toBe(true)
    expect(sourcesWith({ rule: 'any' }).isBelieved(STRANGER, START_US)).toBe(true)
    expect(sourcesWith({ rule: 'sdp' }).isBelieved(SIGNALLING, START_US)).toBe(false)
  })
})

describe('bounds', () => {
  it('hold so many packets of so many origins, for so long', () => {
    const sources = sourcesWith()
    play(sources, [{ sender: new Sender(SDP, 1), fromMs: 0, toMs: 20 }])
    const flood = new Sender(STRANGER, 666)
    for (let packet = 0; packet < 2 * HELD_PACKETS_MAX; packet++) {
      sources.admit(flood.packet(), flood.origin, START_US + 1_000 + packet)
    }
    expect(sources.dropped).toBe(HELD_PACKETS_MAX)
    sources.admit(flood.packet(), flood.origin, START_US + 3_000 + HELD_AGE_US)
    expect(sources.dropped).toBe(2 * HELD_PACKETS_MAX)
    expect(sources.takeRest()).toEqual([])
    expect(sources.dropped).toBe(2 * HELD_PACKETS_MAX + 1)
  })

  it('remember the origins that gave most', () => {
    const sources = sourcesWith({ rule: 'any' })
    for (let place = 0; place < HOMES_MAX + 3; place++) {
      const sender = new Sender({ address: `203.0.113.${place + 1}`, port: 1 }, place)
      play(sources, [{ sender, fromMs: place * 1_000, toMs: place * 1_000 + 20 * (place + 1) }])
    }
    expect(sources.active?.address).toBe(`203.0.113.${HOMES_MAX + 3}`)
  })
})
