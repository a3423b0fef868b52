import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { allClosed, liveRecordingSessions } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'

/** Shapes in which SRCs hold and end, against the real daemon. */
const SECOND = 8_000
const SNAPSHOT =
  '<recording><datamode>complete</datamode><session session_id="c"/><participant participant_id="p1"/></recording>'

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc
let caller: Int16Array
let callee: Int16Array

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  ;[caller, callee] = await shippedSpeech()
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

beforeEach(async () => {
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterEach(() => src.close())

async function placed(): Promise<readonly [RawRecordingSession, string]> {
  const session = await RawRecordingSession.place(src)
  const [live] = await liveRecordingSessions(daemon)
  return [session, live?.recordingId ?? '']
}

async function ended(session: RawRecordingSession, recordingId: string, bye = session.hangUp()) {
  expect(await bye).toBe(200)
  session.fallSilent()
  await allClosed(daemon)
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  return manifestOf(daemon, recordingId)
}

test('one line on hold: its time is held, the other goes on without a gap', async () => {
  const [session, recordingId] = await placed()
  await Promise.all([
    session.speak(0, caller.subarray(0, 2 * SECOND)),
    session.speak(1, callee.subarray(0, 2 * SECOND)),
  ])
  await session.reoffer('sendonly', 'inactive')
  await session.speak(0, caller.subarray(2 * SECOND, 5 * SECOND))
  await session.reoffer('sendonly', 'sendonly')
  await session.speak(1, callee.subarray(2 * SECOND, 3 * SECOND))
  const { streams } = await ended(session, recordingId)
  expect(streams[0]?.ledger.gapSamples.held).toBe(0)
  expect((streams[1]?.ledger.gapSamples.held ?? 0) / 48_000).toBeGreaterThan(2.9)
})

test('an UPDATE with an offer holds like a re-INVITE', async () => {
  const [session, recordingId] = await placed()
  await session.speak(0, caller.subarray(0, SECOND))
  const offer = { contentType: 'application/sdp', body: session.answer('inactive', 'inactive') }
  expect(await session.send('UPDATE', offer)).toBe(200)
  // Longer than an edge that would be taken for part of the hold.
  const other = await RawRecordingSession.place(src)
  await other.speak(0, caller.subarray(0, 2 * SECOND))
  await other.hangUp()
  await session.reoffer('sendonly', 'sendonly')
  await session.speak(0, caller.subarray(SECOND, 2 * SECOND))
  const { streams } = await ended(session, recordingId)
  expect((streams[0]?.ledger.gapSamples.held ?? 0) / 48_000).toBeGreaterThan(1.9)
})

test('metadata in a re-INVITE that is refused, and in the BYE, is kept', async () => {
  const [session, recordingId] = await placed()
  await session.speak(0, caller.subarray(0, SECOND))
  const part = (type: string, body: string): string => `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`
  const video = 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\n'
  const body = `${part('application/sdp', video)}${part('application/rs-metadata+xml', SNAPSHOT)}--b--\r\n`
  expect(await session.send('INVITE', { contentType: 'multipart/mixed;boundary=b', body })).toBe(488)
  const bye = session.send('BYE', {
    contentType: 'application/rs-metadata+xml',
    body: SNAPSHOT.replace('complete', 'partial'),
  })
  const { snapshots, participants } = await ended(session, recordingId, bye)
  expect(snapshots.map(({ dataMode }) => dataMode)).toEqual(['complete', 'partial'])
  expect(participants).toEqual([{ participantId: 'p1' }])
})
