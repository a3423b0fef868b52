import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc, type RawRequest } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'

/** Metadata that cannot be applied, against the real daemon: it asks, and a complete snapshot puts names on the channels. */
const ACCEPTS = ['Accept', 'application/sdp, application/rs-metadata-request'] as const
const ALLOWS = ['Allow', 'INVITE, ACK, BYE, UPDATE, INFO'] as const

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

beforeEach(async () => {
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterEach(() => src.close())

function metadata(mode: 'complete' | 'partial'): RawRequest {
  const elements = ['1', '2'].map(
    (label) =>
      `<participant participant_id="p${label}"><nameID aor="sip:p${label}@example.com"/></participant>` +
      `<stream stream_id="s${label}" session_id="cs1"><label>${label}</label></stream>` +
      `<participantstreamassoc participant_id="p${label}"><send>s${label}</send></participantstreamassoc>`,
  )
  const partial = '<participantstreamassoc participant_id="nobody"><send>nothing</send></participantstreamassoc>'
  const content = mode === 'complete' ? `<session session_id="cs1"/>${elements.join('')}` : partial
  return {
    contentType: 'application/rs-metadata+xml',
    body: `<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>${mode}</datamode>${content}</recording>`,
  }
}

const outcome = (name: string): Promise<number> =>
  metric(daemon, `earwitness_own_requests_total{request="snapshot",outcome="${name}"}`)

async function speakAndEnd(session: RawRecordingSession): Promise<string> {
  const [live] = await liveRecordingSessions(daemon)
  const [caller, callee] = await shippedSpeech()
  await Promise.all([session.speak(0, caller.subarray(0, 8_000)), session.speak(1, callee.subarray(0, 8_000))])
  expect(await session.hangUp()).toBe(200)
  await allClosed(daemon)
  return live?.recordingId ?? ''
}

test('a partial snapshot that comes first is asked about by UPDATE, and the complete one is applied', async () => {
  const session = await RawRecordingSession.place(src, 2, undefined, { headers: [ACCEPTS, ALLOWS] })
  expect(await session.send('INFO', metadata('partial'))).toBe(200)
  const request = await src.received('UPDATE')
  expect(request.headers.first('Content-Type')).toBe('application/rs-metadata-request')
  expect(request.headers.first('Content-Disposition')).toBe('recording-session')
  expect(new TextDecoder().decode(request.body)).toContain('<requestsnapshot')
  expect(await session.send('UPDATE', metadata('complete'))).toBe(200)
  const recordingId = await speakAndEnd(session)
  const { streams, snapshots, incidents } = await manifestOf(daemon, recordingId)
  expect(streams.map(({ participantIds }) => participantIds)).toEqual([['p1'], ['p2']])
  expect(snapshots.map(({ dataMode }) => dataMode)).toEqual(['partial', 'complete'])
  expect(incidents).toEqual([])
  expect(await outcome('accepted')).toBe(1)
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
})

test('a refusal harms nothing, and is the last word', async () => {
  const session = await RawRecordingSession.place(src, 2, undefined, { headers: [ACCEPTS, ALLOWS] })
  src.onRequest = ({ method }) => ({ status: method === 'UPDATE' ? 415 : 200 })
  await session.send('INFO', { contentType: 'application/rs-metadata+xml', body: '<<<' })
  await src.received('UPDATE')
  await session.send('INFO', metadata('partial'))
  const recordingId = await speakAndEnd(session)
  expect(await outcome('refused')).toBe(1)
  expect(src.heardCount('UPDATE')).toBe(1)
  expect(await manifestOf(daemon, recordingId)).toMatchObject({
    state: 'complete',
    incidents: [{ code: 'metadata-invalid' }],
  })
})

test('an SRC that does not say that it can be asked is not', async () => {
  const session = await RawRecordingSession.place(src, 2, undefined, { headers: [ALLOWS] })
  await session.send('INFO', metadata('partial'))
  await speakAndEnd(session)
  expect(src.heardCount('UPDATE')).toBe(0)
})
