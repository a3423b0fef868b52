import { describe, expect, it } from 'vitest'
import { NO_IMPAIRMENT } from '../../../../src/cli/simulate/impairment.ts'
import { seededRandom } from '../../../../src/cli/simulate/random.ts'
import { CATCH_UP_PACKETS_MAX, loopedSlice, RtpSource } from '../../../../src/cli/simulate/rtp-source.ts'
import type { RtpSourceOptions } from '../../../../src/cli/simulate/rtp-source.ts'
import { goodbyeRtcp, reportRtcp } from '../../../../src/cli/simulate/sender-report.ts'
import { parseRtcp } from '../../../../src/protocol/rtp/rtcp.ts'

const AUDIO = Uint8Array.from({ length: 400 }, (_, index) => index % 256)

function source(change: Partial<RtpSourceOptions> = {}): RtpSource {
  return new RtpSource({
    encodedAudio: AUDIO,
    payloadType: 0,
    packetCount: 10,
    driftPpm: 0,
    impairment: NO_IMPAIRMENT,
    random: seededRandom(1, 'test'),
    startUs: 1_000_000,
    ...change,
  })
}

describe('the RTP of one media stream', () => {
  it('gives a packet every 20 ms, numbered and stamped in a row', () => {
    const rtp = source()
    expect(rtp.nextDueUs).toBe(1_000_000)
    expect(rtp.takeDue(999_999)).toEqual([])
    const first = rtp.takeDue(1_000_000)
    const more = rtp.takeDue(1_040_000)
    expect([first.length, more.length]).toEqual([1, 2])
    const [packet] = first
    expect(packet?.marker).toBe(true)
    expect(more.map(({ sequenceNumber }) => (sequenceNumber - (packet?.sequenceNumber ?? 0)) & 0xffff)).toEqual([1, 2])
    expect(more.map(({ timestamp }) => (timestamp - (packet?.timestamp ?? 0)) >>> 0)).toEqual([160, 320])
    expect(more.map(({ marker }) => marker)).toEqual([false, false])
    expect(rtp.nextDueUs).toBe(1_060_000)
  })

  it('catches up after the process was held up, in bounded turns', () => {
    const rtp = source({ packetCount: 1_000 })
    expect(rtp.takeDue(1_000_000 + 10_000_000)).toHaveLength(CATCH_UP_PACKETS_MAX)
    expect(rtp.takeDue(1_000_000 + 10_000_000)).toHaveLength(CATCH_UP_PACKETS_MAX)
    expect(rtp.takeDue(1_000_000 + 10_000_000)).toHaveLength(1)
  })

  it('ends after the wanted number of packets', () => {
    const rtp = source()
    expect(rtp.takeDue(9_000_000)).toHaveLength(10)
    expect(rtp.isDrained).toBe(true)
    expect(rtp.nextDueUs).toBe(Infinity)
    expect(rtp.counts.sent).toBe(10)
  })

  it('is not drained while an impaired packet is still on its way', () => {
    const rtp = source({ impairment: { ...NO_IMPAIRMENT, jitterUs: 5_000_000 }, packetCount: 1 })
    rtp.takeDue(1_000_000)
    expect([rtp.isExhausted, rtp.isDrained]).toEqual([true, false])
    expect(rtp.takeDue(6_000_000)).toHaveLength(1)
    expect(rtp.isDrained).toBe(true)
  })

  it('plays the audio again from its beginning', () => {
    const payloads = source()
      .takeDue(9_000_000)
      .map(({ payload }) => [...payload])
    const endless = Uint8Array.from({ length: 1_600 }, (_, index) => AUDIO[index % 400] ?? 0)
    expect(payloads.flat()).toEqual([...endless])
    expect(loopedSlice(AUDIO, 300, 160)).toHaveLength(160)
  })

  it('sends nothing on hold while its clock goes on, and marks the first packet after it', () => {
    const rtp = source()
    const before = rtp.takeDue(1_020_000)
    rtp.setHeld(true)
    expect(rtp.takeDue(1_100_000)).toEqual([])
    rtp.setHeld(false)
    const [after] = rtp.takeDue(1_120_000)
    const last = before.at(-1)
    expect(after?.marker).toBe(true)
    expect(((after?.sequenceNumber ?? 0) - (last?.sequenceNumber ?? 0)) & 0xffff).toBe(1)
    expect(((after?.timestamp ?? 0) - (last?.timestamp ?? 0)) >>> 0).toBe(5 * 160)
  })

  it('sends its packets closer together when its clock is fast', () => {
    const fast = source({ packetCount: 60_000, driftPpm: 10_000 })
    fast.takeDue(1_000_000)
    expect(fast.nextDueUs).toBe(1_000_000 + Math.round(20_000 / 1.01))
  })

  it('stops before its time when told', () => {
    const rtp = source()
    rtp.takeDue(1_000_000)
    rtp.stop()
    expect(rtp.takeDue(9_000_000)).toEqual([])
    expect(rtp.isDrained).toBe(true)
  })

  it('reports what it has sent by RTCP, with its name, and says goodbye at the end', () => {
    const rtp = source()
    const [first] = rtp.takeDue(1_060_000)
    const facts = rtp.senderFacts(1_100_000)
    const report = parseRtcp(reportRtcp(facts, 1_795_000_000_000, 'src-1@simulate.invalid'))
    const goodbye = parseRtcp(goodbyeRtcp(facts, 1_795_000_000_000, 'src-1@simulate.invalid'))
    if (!report.ok || !goodbye.ok) throw new Error('not RTCP')
    expect(report.value[0]).toMatchObject({ ssrc: rtp.ssrc, packetCount: 4, octetCount: 640 })
    expect(facts.rtpTimestamp).toBe(((first?.timestamp ?? 0) + 800) >>> 0)
    expect(report.value[1]).toMatchObject({ sources: [{ ssrc: rtp.ssrc, cname: 'src-1@simulate.invalid' }] })
    expect(goodbye.value.at(-1)).toMatchObject({ type: 'goodbye', ssrcs: [rtp.ssrc] })
  })
})
