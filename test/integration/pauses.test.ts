import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { parseSdp } from '../../src/protocol/sdp/parse.ts'
import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { allClosed, liveRecordingSessions, metric } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { statementsIn } from '../support/statements.ts'
import { exportedChannels, manifestOf, matchWindows, shippedSpeech } from '../support/recorded.ts'

/** Pauses against the real daemon: what is said meanwhile is in no export, and the time is there. */
const SAMPLES_PER_SECOND = 8_000
/** Opus frames in which speech begins or ends are heard a little before and after it. */
const FADE_SAMPLES = SAMPLES_PER_SECOND / 5
const SILENT_MAX = 40

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc
let caller: Int16Array

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-pauses-'))
  daemon = await startDaemon(dataDir, {
    EARWITNESS_SOURCES_0_NAME: 'told',
    EARWITNESS_SOURCES_0_ADDRESS: '127.0.0.1',
    EARWITNESS_SOURCES_0_TELL_PAUSE: 'true',
  })
  caller = (await shippedSpeech())[0]
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  src = await RawSrc.open(daemon.sipUdpPort)
})

afterEach(() => src.close())

const said = (from: number, to: number): Int16Array =>
  caller.subarray(from * SAMPLES_PER_SECOND, to * SAMPLES_PER_SECOND)

async function onlyLive() {
  const [live] = await liveRecordingSessions(daemon)
  if (live === undefined) throw new Error('nothing is recorded')
  return live
}

async function operate(rsId: string, action: string): Promise<{ readonly status: number; readonly body: unknown }> {
  const url = new URL(`/api/v1/recording-sessions/${rsId}/${action}`, daemon.http)
  const response = await fetch(url, { method: 'POST' })
  return { status: response.status, body: await response.json() }
}

const acceptedReoffers = (): Promise<number> =>
  metric(daemon, 'earwitness_own_requests_total{request="reoffer",outcome="accepted"}')

/** What the ledger says of a recording, as soon as that is over. */
async function closedStatements(recordingId: string) {
  return eventually('what the ledger says of it', async () => {
    const found = (await statementsIn(dataDir)).filter((statement) => statement['recordingId'] === recordingId)
    return found.some(({ kind }) => kind === 'recordingClosed') ? found : undefined
  })
}

/** Speech, a pause of two seconds in which the SRC goes on talking, speech. */
async function talkThrough(session: RawRecordingSession, pause: () => Promise<void>, resume: () => Promise<void>) {
  await session.speak(0, said(0, 2))
  await pause()
  await session.speak(0, said(2, 4))
  await resume()
  await session.speak(0, said(4, 6))
  expect(await session.hangUp()).toBe(200)
  await allClosed(daemon)
}

async function expectPaused(recordingId: string): Promise<ManifestBody> {
  const manifest = await manifestOf(daemon, recordingId)
  const [stream] = manifest.streams
  expect((stream?.ledger.gapSamples.paused ?? 0) / 48_000).toBeGreaterThan(1.9)
  const { received = 0, discarded = 0, lost } = stream?.packets ?? {}
  // A packet at the edge of the pause holds something of both.
  expect(discarded).toBeGreaterThanOrEqual(98)
  expect([received + discarded, lost]).toEqual([300, 0])
  const verified = await daemon.command('verify', recordingId)
  expect(verified).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/paused on request[^]*Paused from 2\.\d{3} s .* asked for by/u),
  })
  const shown = await daemon.command('recordings', 'show', recordingId)
  expect(shown.stdout).toMatch(/^pauses and holds\nPaused from 2\.\d{3} s .* asked for by/mu)
  const [heard = new Int16Array(0)] = await exportedChannels(daemon, recordingId, { folder })
  const gap = stream?.gaps.find(({ cause }) => cause === 'paused') ?? { fromSample: 0, toSample: 0 }
  const silent = heard.subarray(gap.fromSample / 6 + FADE_SAMPLES, gap.toSample / 6 - FADE_SAMPLES)
  expect(silent.length).toBeGreaterThan(1.5 * SAMPLES_PER_SECOND)
  expect(Math.max(...silent.map(Math.abs))).toBeLessThanOrEqual(SILENT_MAX)
  expect(matchWindows(said(0, 2), heard).correlation).toBeGreaterThan(0.9)
  const after = heard.subarray(gap.toSample / 6)
  expect(matchWindows(said(4, 6), after.subarray(-2 * SAMPLES_PER_SECOND)).correlation).toBeGreaterThan(0.9)
  return manifest
}

describe('an operator’s pause', () => {
  test('holds at once, and the SRC is told by re-INVITE where its profile says so', async () => {
    const session = await RawRecordingSession.place(src, 1)
    const { rsId, recordingId } = await onlyLive()
    // A slow machine may hear one twice.
    const directions = new Map<string | undefined, string>()
    src.onRequest = ({ method, body, headers }) => {
      if (method !== 'INVITE') return { status: 200 }
      const offer = parseSdp(body)
      const direction = offer.ok ? (offer.value.media[0]?.direction ?? '') : ''
      directions.set(headers.first('CSeq'), direction)
      return { status: 200, body: session.answer(direction === 'inactive' ? 'inactive' : 'sendonly') }
    }
    await talkThrough(
      session,
      async () => {
        expect(await operate(rsId, 'pause')).toMatchObject({ status: 200, body: { pausedBy: ['api'] } })
        expect((await onlyLive()).pausedBy).toEqual(['api'])
      },
      async () => {
        expect(await operate(rsId, 'resume')).toMatchObject({ status: 200, body: { pausedBy: [] } })
      },
    )
    expect([...directions.values()]).toEqual(['inactive', 'recvonly'])
    const { incidents, pauses } = await expectPaused(recordingId)
    expect(pauses).toEqual([expect.objectContaining({ by: 'api', toSample: expect.any(Number) })])
    expect(incidents).toMatchObject([
      { code: 'paused', detail: expect.stringContaining('operator') },
      { code: 'resumed', detail: expect.stringContaining('operator') },
    ])
  })

  test('holds as well when the SRC refuses to be told', async () => {
    const refusedBefore = await metric(daemon, 'earwitness_own_requests_total{request="reoffer",outcome="refused"}')
    const session = await RawRecordingSession.place(src, 1)
    const { rsId, recordingId } = await onlyLive()
    src.onRequest = ({ method }) => ({ status: method === 'INVITE' ? 488 : 200 })
    await talkThrough(
      session,
      async () => void (await operate(rsId, 'pause')),
      async () => void (await operate(rsId, 'resume')),
    )
    await expectPaused(recordingId)
    expect(await metric(daemon, 'earwitness_own_requests_total{request="reoffer",outcome="refused"}')).toBe(
      refusedBefore + 2,
    )
  })
})

describe('a pause that the SRC asks for by INFO', () => {
  test('holds until it asks to go on', async () => {
    const session = await RawRecordingSession.place(src, 1)
    const { recordingId } = await onlyLive()
    const info = async (action: string): Promise<void> => {
      expect(await session.send('INFO', { headers: [['X-AC-Action', action]] })).toBe(200)
    }
    await talkThrough(
      session,
      () => info('pause-siprec;recording-ip-group=SRS'),
      () => info('resume-siprec'),
    )
    const { incidents, pauses } = await expectPaused(recordingId)
    expect(pauses).toEqual([expect.objectContaining({ by: 'src', via: 'INFO', toSample: expect.any(Number) })])
    expect(incidents).toMatchObject([
      { code: 'paused', detail: expect.stringContaining('SRC') },
      { code: 'resumed', detail: expect.stringContaining('SRC') },
    ])
  })
})

describe('pauses and holds that the SRC asks for by SDP', () => {
  test('are each said in the ledger, and the recording verifies by it', async () => {
    const session = await RawRecordingSession.place(src, 1)
    const { recordingId } = await onlyLive()
    await session.speak(0, said(0, 1))
    await session.reofferWith(['sendonly'], ['record:paused'])
    await session.speak(0, said(1, 2))
    await session.reoffer('inactive')
    await session.reoffer('sendonly')
    await session.speak(0, said(2, 3))
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { pauses } = await manifestOf(daemon, recordingId)
    expect(pauses).toEqual([expect.objectContaining({ by: 'src', via: 'SDP', streamId: '0' })])
    const about = await closedStatements(recordingId)
    expect(about[0]).toMatchObject({ kind: 'recordingOpened', streamPauses: true })
    const [paused, held] = [
      { streamId: '0', cause: 'paused' },
      { streamId: '0', cause: 'held' },
    ]
    expect(about.filter(({ kind }) => String(kind).startsWith('stream'))).toMatchObject([
      { kind: 'streamPaused', ...paused },
      { kind: 'streamResumed', ...paused },
      { kind: 'streamPaused', ...held },
      { kind: 'streamResumed', ...held },
    ])
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })
})

describe('pauses and holds that the SRC asks for in its answers to offers of ours', () => {
  test('are said as well', async () => {
    const session = await RawRecordingSession.place(src, 1)
    const { rsId, recordingId } = await onlyLive()
    src.onRequest = ({ method, body }) => {
      if (method !== 'INVITE') return { status: 200 }
      const offer = parseSdp(body)
      const isPause = offer.ok && offer.value.media[0]?.direction === 'inactive'
      return { status: 200, body: session.answer(isPause ? 'inactive' : 'sendonly') }
    }
    const before = await acceptedReoffers()
    await session.speak(0, said(0, 1))
    await session.reofferWith(['sendonly'], ['record:paused'])
    await operate(rsId, 'pause')
    await eventually('the first answer', async () => ((await acceptedReoffers()) >= before + 1 ? true : undefined))
    await operate(rsId, 'resume')
    await eventually('the second answer', async () => ((await acceptedReoffers()) >= before + 2 ? true : undefined))
    await session.reofferWith(['sendonly'], ['record:paused'])
    await session.reoffer('sendonly')
    await session.speak(0, said(1, 2))
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { pauses = [] } = await manifestOf(daemon, recordingId)
    expect(pauses.filter(({ via }) => via === 'SDP')).toHaveLength(2)
    const about = await closedStatements(recordingId)
    const [paused, held] = [
      { streamId: '0', cause: 'paused' },
      { streamId: '0', cause: 'held' },
    ]
    expect(about.filter(({ kind }) => String(kind).startsWith('stream'))).toMatchObject([
      { kind: 'streamPaused', ...paused },
      { kind: 'streamResumed', ...paused },
      { kind: 'streamPaused', ...held },
      { kind: 'streamResumed', ...held },
      { kind: 'streamPaused', ...paused },
      { kind: 'streamResumed', ...paused },
    ])
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })
})

describe('an operator', () => {
  test('stops a recording session: BYE, and a manifest that says so', async () => {
    const session = await RawRecordingSession.place(src, 1)
    const { rsId, recordingId } = await onlyLive()
    await session.speak(0, said(0, 1))
    expect(await operate(rsId, 'stop')).toMatchObject({ status: 202, body: { state: 'closing' } })
    expect((await src.received('BYE')).headers.first('Reason')).toContain('Stopped by the operator')
    await allClosed(daemon)
    session.fallSilent()
    expect(await manifestOf(daemon, recordingId)).toMatchObject({ endCause: 'operator', state: 'complete' })
    expect(await operate(rsId, 'pause')).toMatchObject({ status: 404, body: { code: 'recording-session-not-found' } })
  })
})
