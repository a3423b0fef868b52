import { describe, expect, it } from 'vitest'

import { FORMER_KEYS_US } from '../../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../../src/protocol/srtp/srtp-sender.ts'
import { SRTP_FAILING_PACKETS, SRTP_FAILING_US, StreamProtection } from '../../../src/recorder/stream-protection.ts'
import { rtp } from '../../support/recording-rig.ts'
import { keysOf } from '../../support/srtp.ts'

const keys = keysOf('AEAD_AES_128_GCM')
const strangersKeys = keysOf('AEAD_AES_128_GCM', { seed: 99 })
const packet = (sequenceNumber: number): Uint8Array => rtp({ sequenceNumber })
const sealed = (sequenceNumber: number, under = keys): Uint8Array =>
  new SrtpSender(under).protectRtp(packet(sequenceNumber))

describe('a stream in clear', () => {
  it('gives datagrams as they come, whatever they are', () => {
    const protection = new StreamProtection(undefined)
    const datagram = Uint8Array.of(1, 2, 3)
    expect(protection.open(datagram, 0)).toEqual({ ok: true, value: datagram })
    expect(protection.lastOpened).toBe('none')
  })
})

describe('a stream with keys', () => {
  it('opens what is authentic, takes nothing in clear, and counts what fails by its reason', () => {
    const protection = new StreamProtection(keys)
    expect(protection.open(sealed(1), 0)).toEqual({ ok: true, value: packet(1) })
    expect(protection.open(sealed(1), 0)).toEqual({ ok: false, reason: 'replay' })
    expect(protection.open(packet(2), 0)).toEqual({ ok: false, reason: 'authentication' })
    expect(protection.open(Uint8Array.of(0, 1, 0, 0), 0)).toEqual({ ok: false, reason: 'short' })
    expect(protection.failures).toMatchObject({ replay: 1, authentication: 1, short: 1, mki: 0 })
    expect(protection.lastOpened).toBe('AEAD_AES_128_GCM')
  })

  it('does not count RTCP that shares the port as a failure', () => {
    const protection = new StreamProtection(keys)
    const report = Uint8Array.from(packet(1), (octet, at) => (at === 1 ? 200 : octet))
    expect(protection.open(report, 0)).toEqual({ ok: false, reason: 'rtcp' })
    expect(Object.values(protection.failures).every((count) => count === 0)).toBe(true)
  })
})

describe('a new offer', () => {
  it('with keys where there were none: from then on nothing in clear is taken', () => {
    const protection = new StreamProtection(undefined)
    protection.replan(keys, 0)
    expect(protection.open(packet(1), 1)).toMatchObject({ reason: 'authentication' })
    expect(protection.open(sealed(1), 1).ok).toBe(true)
  })

  it('without keys where there were some: packets on their way are opened, those in clear are taken', () => {
    const protection = new StreamProtection(keys)
    protection.open(sealed(1), 0)
    protection.replan(undefined, 10)
    expect(protection.open(sealed(2), 11)).toEqual({ ok: true, value: packet(2) })
    expect(protection.open(packet(3), 12)).toEqual({ ok: true, value: packet(3) })
    expect(protection.lastOpened).toBe('none')
    expect(protection.open(sealed(2), 13)).toEqual({ ok: false, reason: 'replay' })
    // A second re-INVITE in clear, as a refresh is, does not prolong it.
    protection.replan(undefined, 20_000_000)
    const late = 10 + FORMER_KEYS_US
    protection.open(packet(4), late)
    expect(protection.open(sealed(5), late)).toEqual({ ok: true, value: sealed(5) })
  })

  it('with the keys of before, after a time without: they remember what they have seen', () => {
    const protection = new StreamProtection(keys)
    protection.open(sealed(1), 0)
    protection.replan(undefined, 10)
    protection.replan(keys, 20)
    expect(protection.open(sealed(1), 30)).toEqual({ ok: false, reason: 'replay' })
    expect(protection.open(packet(2), 30)).toMatchObject({ ok: false })
  })
})

describe('a stream of which nothing is authentic', () => {
  const fail = (protection: StreamProtection, packets: number, stepUs: number): void => {
    for (let index = 0; index < packets; index++) protection.open(sealed(index, strangersKeys), index * stepUs)
  }

  it('is failing after some seconds of it, and says so once', () => {
    const protection = new StreamProtection(keys)
    const packets = SRTP_FAILING_US / 20_000
    fail(protection, packets, 20_000)
    expect(protection.takeFailing()).toBe(false)
    fail(protection, packets + 1, 20_000)
    expect([protection.takeFailing(), protection.takeFailing(), protection.takeFailing(true)]).toEqual([
      true,
      false,
      false,
    ])
  })

  it('is not failing for a burst, or for a few packets in a long time', () => {
    const [burst, few] = [new StreamProtection(keys), new StreamProtection(keys)]
    fail(burst, 10 * SRTP_FAILING_PACKETS, 1)
    fail(few, SRTP_FAILING_PACKETS - 1, SRTP_FAILING_US)
    expect([burst.takeFailing(), few.takeFailing()]).toEqual([false, false])
  })

  it('is not failing while authentic packets come in between', () => {
    const protection = new StreamProtection(keys)
    const sender = new SrtpSender(keys)
    for (let index = 0; index < 1_000; index++) {
      const isAuthentic = index % (SRTP_FAILING_PACKETS / 2) === 0
      const datagram = isAuthentic ? sender.protectRtp(packet(index)) : sealed(index, strangersKeys)
      protection.open(datagram, index * 20_000)
    }
    expect([protection.takeFailing(), protection.takeFailing(true)]).toEqual([false, false])
  })

  it('is told at the end of a recording too short for that', () => {
    const protection = new StreamProtection(keys)
    fail(protection, 3, 20_000)
    expect([protection.takeFailing(), protection.takeFailing(true)]).toEqual([false, true])
    expect(new StreamProtection(keys).takeFailing(true)).toBe(false)
  })
})
