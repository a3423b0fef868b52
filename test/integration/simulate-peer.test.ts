import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { AUDIO_FILES, readSpeech } from '../../src/cli/simulate/audio-source.ts'
import { NO_IMPAIRMENT } from '../../src/cli/simulate/impairment.ts'
import { runSimulation } from '../../src/cli/simulate/load.ts'
import type { SimulateOptions } from '../../src/cli/simulate/options.ts'
import type { SimulationReport } from '../../src/cli/simulate/outcome.ts'
import { decodePcma, decodePcmu, encodePcmu } from '../../src/media/g711.ts'
import { AnsweringPeer, bodyParts, offeredDirections, offeredMedia } from '../support/answering-peer.ts'
import type { PeerBehaviour, ReceivedStream } from '../support/answering-peer.ts'
import { matchAudio } from '../support/audio.ts'
import { deadUdpPort } from '../support/free-ports.ts'
import { ALL_SUITES } from '../support/srtp.ts'

let peer: AnsweringPeer | undefined

afterEach(() => {
  peer?.stop()
  peer = undefined
})

async function simulate(
  change: Partial<SimulateOptions> = {},
  behaviour: PeerBehaviour = {},
  options: {
    readonly transport?: 'udp' | 'tcp'
    /** The run is broken off once the peer has heard this. */
    readonly abortAt?: 'INVITE' | 'ACK'
  } = {},
): Promise<{ readonly report: SimulationReport; readonly peer: AnsweringPeer }> {
  const transport = options.transport ?? 'udp'
  const running = new AnsweringPeer(behaviour)
  peer = running
  await running.run(transport)
  const controller = new AbortController()
  if (options.abortAt !== undefined) void running.received(options.abortAt).then(() => controller.abort())
  const report = await runSimulation(
    {
      target: { transport, host: '127.0.0.1', port: running.port },
      recordingSessions: 1,
      perSecond: 10,
      durationMs: 1_000,
      codec: 'PCMU',
      seed: 1,
      impairment: NO_IMPAIRMENT,
      driftPpm: 0,
      hold: undefined,
      srtp: undefined,
      renewsKeys: false,
      sendBye: true,
      sendRtp: true,
      audioFiles: AUDIO_FILES,
      ...change,
    },
    controller.signal,
  )
  return { report, peer: running }
}

/** What one port heard, put in place by the RTP timestamps. */
function heard(stream: ReceivedStream | undefined, decode = decodePcmu): Int16Array {
  const first = stream?.rtp[0]?.timestamp ?? 0
  const positions = (stream?.rtp ?? []).map(({ timestamp }) => (timestamp - first) | 0)
  const samples = new Int16Array(Math.max(0, ...positions) + 160)
  stream?.rtp.forEach(({ payload }, index) => {
    const position = positions[index] ?? 0
    if (position >= 0) samples.set(decode(payload), position)
  })
  return samples
}

describe.each(['udp', 'tcp'] as const)('a simulated recording session over %s', (transport) => {
  it('is a whole one: INVITE with SDP and metadata, ACK, both voices at their ports, RTCP, BYE with metadata', async () => {
    const { report, peer: recorder } = await simulate({}, {}, { transport })
    expect(report).toMatchObject({ placed: 1, answered: 1, completed: 1, failed: 0, failures: {} })
    expect(recorder.requests.map(({ method }) => method)).toEqual(['INVITE', 'ACK', 'BYE'])
    const [invite, , bye] = recorder.requests
    if (invite === undefined || bye === undefined) throw new Error('nothing was sent')
    expect(bodyParts(invite).map(({ contentType }) => contentType)).toEqual([
      'application/sdp',
      'application/rs-metadata+xml',
    ])
    expect(bodyParts(bye)[0]?.text).toContain('<stop-time>')
    for (const [index, stream] of recorder.streams.entries()) {
      const speech = await readSpeech(AUDIO_FILES[index] ?? '')
      expect(heard(stream)).toEqual(decodePcmu(encodePcmu(speech.subarray(0, 8_000))))
      expect(stream.rtcp.at(-1)).toMatchObject({ type: 'goodbye', ssrcs: [stream.rtp[0]?.ssrc] })
    }
    expect(report.packets.sent).toBe(100)
  })
})

describe('impairments', () => {
  it('leave gaps, disorder and copies in what arrives, exactly as the summary says', async () => {
    const impairment = { lossFraction: 0.1, jitterUs: 60_000, reorderFraction: 0.05, duplicateFraction: 0.05 }
    const { report, peer: recorder } = await simulate({ durationMs: 3_000, impairment })
    const arrived = recorder.streams.reduce((sum, { rtp }) => sum + rtp.length, 0)
    const distinct = recorder.streams.reduce(
      (sum, { rtp }) => sum + new Set(rtp.map((packet) => packet.sequenceNumber)).size,
      0,
    )
    expect(arrived).toBe(report.packets.sent)
    expect(arrived - distinct).toBe(report.packets.duplicated)
    expect(distinct + report.packets.lost).toBe(300)
    expect(Math.min(report.packets.lost, report.packets.duplicated, report.packets.reordered)).toBeGreaterThan(0)
  })

  it('are the same for the same seed', async () => {
    const change = { impairment: { ...NO_IMPAIRMENT, lossFraction: 0.1 }, seed: 42 }
    const first = await simulate(change)
    const numbers = first.peer.streams.map(({ rtp }) => rtp.map(({ sequenceNumber }) => sequenceNumber))
    first.peer.stop()
    const second = await simulate(change)
    expect(second.peer.streams.map(({ rtp }) => rtp.map(({ sequenceNumber }) => sequenceNumber))).toEqual(numbers)
    const sipCallIds = [first, second].map(({ report }) => report.recordingSessions[0]?.sipCallId)
    expect(sipCallIds[0]).not.toBe(sipCallIds[1])
  })
})

describe('what can be asked for', () => {
  it('PCMA', async () => {
    const { peer: recorder } = await simulate({ codec: 'PCMA' })
    expect(new Set(recorder.streams[0]?.rtp.map(({ payloadType }) => payloadType))).toEqual(new Set([8]))
    const speech = await readSpeech(AUDIO_FILES[0] ?? '')
    expect(matchAudio(speech.subarray(0, 8_000), heard(recorder.streams[0], decodePcma))).toMatchObject({ lag: 0 })
  })

  it('a hold: two re-INVITEs, nothing sent in between, and the RTP clock goes on', async () => {
    const { report, peer: recorder } = await simulate({ durationMs: 2_000, hold: { afterMs: 500, durationMs: 1_000 } })
    expect(report.completed).toBe(1)
    const invites = recorder.requests.filter(({ method }) => method === 'INVITE')
    expect(invites.map(offeredDirections)).toEqual([
      ['sendonly', 'sendonly'],
      ['inactive', 'inactive'],
      ['sendonly', 'sendonly'],
    ])
    expect(recorder.count('ACK')).toBe(3)
    const rtp = recorder.streams[0]?.rtp ?? []
    const jumps = rtp.slice(1).map(({ timestamp }, index) => (timestamp - (rtp[index]?.timestamp ?? 0)) >>> 0)
    expect(jumps.filter((jump) => jump !== 160)).toHaveLength(1)
    expect(jumps.reduce((sum, jump) => sum + jump, 160)).toBe(2_000 * 8)
    expect(rtp.length).toBeLessThan(75)
  })

  it.each(ALL_SUITES)('SRTP under %s: what the peer opens is what was said, impaired or not', async (srtp) => {
    const { report, peer: recorder } = await simulate({ srtp })
    expect(report).toMatchObject({ completed: 1, failures: {} })
    const [media] = offeredMedia(recorder.requests[0]!)
    expect(media).toMatchObject({ protocol: 'RTP/SAVP', crypto: { usable: [{ suite: srtp }], rejected: [] } })
    for (const [index, stream] of recorder.streams.entries()) {
      const speech = await readSpeech(AUDIO_FILES[index] ?? '')
      expect(heard(stream)).toEqual(decodePcmu(encodePcmu(speech.subarray(0, 8_000))))
      expect(stream.rtcp.at(-1)).toMatchObject({ type: 'goodbye', ssrcs: [stream.rtp[0]?.ssrc] })
    }
    const keys = recorder.requests.flatMap(offeredMedia).map(({ crypto }) => crypto.usable[0]?.keyParameters[0]?.key)
    expect(new Set(keys.map(String)).size).toBe(2)
  })

  it('SRTP with new keys in every re-INVITE: nothing is lost', async () => {
    const change = { durationMs: 2_000, hold: { afterMs: 500, durationMs: 500 }, renewsKeys: true }
    const { report, peer: recorder } = await simulate({ ...change, srtp: 'AES_CM_128_HMAC_SHA1_80' })
    const keys = recorder.requests.flatMap(offeredMedia).map(({ crypto }) => crypto.usable[0]?.keyParameters[0]?.key)
    expect(new Set(keys.map(String)).size).toBe(6)
    expect(recorder.streams.reduce((sum, { rtp }) => sum + rtp.length, 0)).toBe(report.packets.sent)
    expect(report.packets.sent).toBeGreaterThan(100)
  })

  it('no RTP, and no BYE', async () => {
    const { report, peer: recorder } = await simulate({ durationMs: 100, sendRtp: false, sendBye: false })
    expect(report).toMatchObject({ completed: 1, packets: { sent: 0 } })
    await recorder.received('ACK')
    expect(recorder.streams.map(({ rtp }) => rtp.length)).toEqual([0, 0])
    expect(recorder.requests.map(({ method }) => method)).toEqual(['INVITE', 'ACK'])
  })
})

describe('a recorder that is not easy', () => {
  it('is asked again when it does not hear the first INVITE', async () => {
    const { report, peer: recorder } = await simulate({ durationMs: 100 }, { deafInvites: 1 })
    expect(report.completed).toBe(1)
    expect(recorder.count('INVITE')).toBe(2)
  })

  it('refuses: counted by status', async () => {
    const { report, peer: recorder } = await simulate({ recordingSessions: 3 }, { refuseWith: 503 })
    expect(report).toMatchObject({ placed: 3, answered: 0, completed: 0, failed: 3, failures: { 503: 3 } })
    await recorder.received('ACK', 3)
    expect(recorder.count('ACK')).toBe(3)
  })

  it('hangs up first: its BYE is answered, and it counts as a failure', async () => {
    const { report } = await simulate({ durationMs: 30_000 }, { byeAfterMs: 200 })
    expect(report).toMatchObject({ completed: 0, failed: 1, failures: { recorderBye: 1 } })
  })

  it('refuses one media stream: the other is still sent, and it counts as a failure', async () => {
    const { report, peer: recorder } = await simulate({}, { refuseSecondStream: true })
    expect(report.failures).toEqual({ streamRefused: 1 })
    expect(recorder.streams.map(({ rtp }) => rtp.length)).toEqual([50, 0])
    expect(recorder.count('BYE')).toBe(1)
  })

  it('answers without a key: nothing is sent in clear, and it counts as a failure', async () => {
    const { report, peer: recorder } = await simulate({ srtp: 'AEAD_AES_256_GCM' }, { ignoresCrypto: true })
    expect(report.failures).toEqual({ notProtected: 1 })
    expect(report.packets.sent).toBe(0)
    expect(recorder.streams.map(({ rtp, rtcp }) => [rtp.length, rtcp.length])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('is not there: a clear error instead of half a minute of silence', async () => {
    const { port, close } = await deadUdpPort()
    onTestFinished(close)
    const target = { transport: 'udp', host: '127.0.0.1', port } as const
    await expect(simulate({ target })).rejects.toMatchObject({ code: 'simulate-unreachable' })
    await expect(simulate({ target: { ...target, transport: 'tcp' } })).rejects.toMatchObject({
      code: 'simulate-unreachable',
    })
  })
})

describe('an interruption', () => {
  it('takes back an INVITE that only rings', async () => {
    const { report, peer: recorder } = await simulate({}, { ringForEver: true }, { abortAt: 'INVITE' })
    expect(report).toMatchObject({ placed: 1, answered: 0, cancelled: 1, failed: 0 })
    await recorder.received('ACK')
    expect(recorder.requests.map(({ method }) => method)).toEqual(['INVITE', 'CANCEL', 'ACK'])
  })

  it('hangs up what goes on, and places nothing more', async () => {
    const { report, peer: recorder } = await simulate(
      { durationMs: 60_000, recordingSessions: 100, perSecond: 1 },
      {},
      { abortAt: 'ACK' },
    )
    expect(report).toMatchObject({ placed: 1, answered: 1, cancelled: 1 })
    expect(recorder.count('BYE')).toBe(1)
  })
})

describe('many at once', () => {
  it('keep time: every packet of twenty recording sessions is sent', async () => {
    const { report } = await simulate({ recordingSessions: 20, perSecond: 100, durationMs: 2_000 })
    expect(report).toMatchObject({ placed: 20, completed: 20, failed: 0 })
    expect(report.packets.sent).toBe(20 * 2 * 100)
  })
})
