import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { randomBytes, seededRandom } from '../../src/cli/simulate/random.ts'
import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc, type RawRequest } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'

/**
 * What is not an acceptable recording session gets its proper answer and harms nobody: after each test a good one is
 * recorded. The RTP range holds the ports of a single recording session, so that one leaked port would be noticed.
 */
const RTP_PORTS = 4
const SPEECH_SAMPLES = 4_000

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc
let goodSessions = 0

beforeAll(async () => {
  dataDir = await makeDataDir()
  const { portMin } = await claimRtpPortRange()
  daemon = await startDaemon(dataDir, { EARWITNESS_RTP_PORT_MAX: String(portMin + RTP_PORTS - 1) })
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
})

afterEach(async () => {
  await speakAndHangUp(await RawRecordingSession.place(src))
})

/** Both participants speak for half a second; resolves when the recording is stored. Gives the packets sent on each stream. */
async function speakAndHangUp(session: RawRecordingSession): Promise<readonly number[]> {
  const speech = await shippedSpeech()
  const sent = await Promise.all(
    speech.map(async (samples, stream) => session.speak(stream, samples.subarray(0, SPEECH_SAMPLES))),
  )
  if ((await session.hangUp()) !== 200) throw new Error('a good recording session could not be ended')
  await allClosed(daemon)
  goodSessions += 1
  return sent
}

function sdp(...mediaLines: readonly string[]): RawRequest {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...mediaLines, '']
  return { contentType: 'application/sdp', body: lines.join('\r\n') }
}

const GOOD_OFFER = sdp('m=audio 40000 RTP/AVP 0', 'a=label:1', 'm=audio 40002 RTP/AVP 0', 'a=label:2')

const GARBAGE: ReadonlyMap<string, Uint8Array | string> = new Map<string, Uint8Array | string>([
  ['random bytes', randomBytes(seededRandom(20_261_123, 'garbage'), 1_200)],
  ['an RTP packet', Uint8Array.from({ length: 172 }, (_, index) => (index === 0 ? 0x80 : 0))],
  ['HTTP', 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'],
  ['half a start line', 'INVITE sip:recorder@exam'],
  ['a request without headers', 'INVITE sip:recorder@example.com SIP/2.0\r\n\r\n'],
  ['a response to nothing', 'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nCSeq: 1 BYE\r\n\r\n'],
  ['a header of 60 kB', `OPTIONS sip:recorder@example.com SIP/2.0\r\nX: ${'y'.repeat(60_000)}\r\n\r\n`],
])

describe('datagrams that are not SIP', () => {
  test.each([...GARBAGE])('%s: the next request is answered', async (_what, bytes) => {
    await src.sendBytes(bytes)
    expect((await src.ask('OPTIONS')).status).toBe(200)
  })

  test('are counted, and not logged one by one', async () => {
    const countedBefore = await metric(daemon, 'earwitness_sip_rejected_total')
    const logged = daemon.log().length
    for (let sent = 0; sent < 100; sent += 1) await src.sendBytes(`noise ${sent}`)
    expect((await src.ask('OPTIONS')).status).toBe(200)
    expect(await metric(daemon, 'earwitness_sip_rejected_total')).toBe(countedBefore + 100)
    expect(daemon.log().slice(logged)).toBe('')
  })
})

interface Refused {
  readonly what: string
  readonly invite: RawRequest
  readonly status: number
  /** The one header that tells the SRC what to do about it. */
  readonly says: readonly [name: string, value: RegExp]
}

const REFUSED: readonly Refused[] = [
  {
    what: 'no body, and no sign that it is SIPREC',
    invite: { isSiprec: false },
    status: 403,
    says: ['Warning', /SIPREC/],
  },
  {
    what: 'SDP without an audio line',
    invite: sdp('m=video 40000 RTP/AVP 96', 'a=rtpmap:96 H264/90000'),
    status: 488,
    says: ['Warning', /^304 .*No audio/],
  },
  {
    what: 'an audio line without any payload type',
    invite: sdp('m=audio 40000 RTP/AVP'),
    status: 488,
    says: ['Warning', /^305 .*no payload type/],
  },
  {
    what: 'SDP that is none',
    invite: { contentType: 'application/sdp', body: 'hello' },
    status: 400,
    says: ['Warning', /SDP offer could not be read/],
  },
  {
    what: 'no sign that it is SIPREC',
    invite: { ...GOOD_OFFER, isSiprec: false },
    status: 403,
    says: ['Warning', /SIPREC/],
  },
  {
    what: 'a text',
    invite: { contentType: 'text/plain', body: 'hello' },
    status: 415,
    says: ['Accept', /application\/sdp.*rs-metadata.*multipart\/mixed/],
  },
  {
    what: 'a multipart body whose parts are missing',
    invite: { contentType: 'multipart/mixed;boundary=x', body: 'hello' },
    status: 400,
    says: ['Warning', /multipart/],
  },
]

test.each(REFUSED.map((refused) => [refused.what, refused.status, refused] as const))(
  'an INVITE with %s gets %i and a reason',
  async (_what, status, { invite, says: [name, value] }) => {
    const answer = await src.ask('INVITE', invite)
    expect(answer.status).toBe(status)
    expect(answer.headers.all(name)).toEqual([expect.stringMatching(value)])
    expect(await liveRecordingSessions(daemon)).toEqual([])
  },
)

describe('while a recording session lasts', () => {
  test('the same INVITE by another way (same Call-ID, other branch) gets 482', async () => {
    const session = await RawRecordingSession.place(src)
    const merged = await src.ask('INVITE', { ...GOOD_OFFER, sipCallId: session.sipCallId })
    expect(merged.status).toBe(482)
    expect(await liveRecordingSessions(daemon)).toHaveLength(1)
    await speakAndHangUp(session)
  })

  test('one for which no ports are left gets 503 with Retry-After, and the first one is not harmed', async () => {
    const session = await RawRecordingSession.place(src)
    const [recordingId = ''] = (await liveRecordingSessions(daemon)).map((live) => live.recordingId)
    const refused = await src.ask('INVITE', GOOD_OFFER)
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.first('Retry-After'))).toBeGreaterThan(0)
    expect(refused.headers.first('Warning')).toContain('rtp.portMin')
    const sent = await speakAndHangUp(session)
    const { streams, state } = await manifestOf(daemon, recordingId)
    expect(state).toBe('complete')
    expect(streams.map(({ packets }) => packets)).toEqual(
      sent.map((count) => ({ expected: count, received: count, lost: 0, late: 0, duplicate: 0, discarded: 0 })),
    )
  })

  test('a re-INVITE that asks for more ports than are left is refused, and the session goes on as it was', async () => {
    const session = await RawRecordingSession.place(src)
    await expect(session.addStream()).rejects.toThrow('503')
    await speakAndHangUp(session)
  })
})

test('a CANCEL that comes with its INVITE: 487, and nothing is left of it', async () => {
  const before = await metric(daemon, 'earwitness_recording_sessions_total{src="other",outcome="cancelled"}')
  // Both wait in the socket when the daemon looks, so that the INVITE cannot be answered first.
  daemon.process.kill('SIGSTOP')
  const invite = await src.send('INVITE', GOOD_OFFER)
  const cancel = await src.send('CANCEL', { sipCallId: invite.sipCallId, branch: invite.branch })
  daemon.process.kill('SIGCONT')
  expect((await src.answerTo(cancel)).status).toBe(200)
  expect((await src.answerTo(invite)).status).toBe(487)
  await allClosed(daemon)
  const after = await metric(daemon, 'earwitness_recording_sessions_total{src="other",outcome="cancelled"}')
  expect(after).toBe(before + 1)
})

test('BYE, re-INVITE and CANCEL for what does not exist get 481', async () => {
  const nobody = { ...GOOD_OFFER, toTag: 'nobody' }
  expect((await src.ask('BYE', nobody)).status).toBe(481)
  expect((await src.ask('INVITE', nobody)).status).toBe(481)
  expect((await src.ask('CANCEL')).status).toBe(481)
})

test('all that was recorded are the good sessions, and the last one verifies as they all do', async () => {
  const recordings = await closedRecordings(daemon, goodSessions)
  expect(recordings).toHaveLength(goodSessions)
  for (const recording of recordings) expect(recording).toMatchObject({ state: 'complete', endCause: 'bye' })
  const [newest] = recordings
  expect(await daemon.command('verify', newest?.recordingId ?? '')).toMatchObject({ code: 0 })
})
