import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { allClosed, liveRecordingSessions } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchWindows, shippedSpeech } from '../support/recorded.ts'

/** INVITEs without SDP against the real daemon: the recorder offers, the ACK answers, and what was said is in the export. */
const SAMPLES_PER_SECOND = 8_000
const MEDIA_TIMEOUT_SECONDS = 2
const LABELS = ['96', '97']
const METADATA = [
  '<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>',
  '<session session_id="cs1"/>',
  ...LABELS.map((label) => {
    const person = `<participant participant_id="p${label}"><nameID aor="sip:p${label}@example.com"/></participant>`
    const stream = `<stream stream_id="s${label}" session_id="cs1"><label>${label}</label></stream>`
    return `${person}${stream}<participantstreamassoc participant_id="p${label}"><send>s${label}</send></participantstreamassoc>`
  }),
  '</recording>',
].join('')
const NEAR_END =
  ';x-nearend;x-refci=26528012;x-nearenddevice=SEP000000000001;x-nearendaddr=1001;x-farendrefci=26528013;x-farendaddr=1000'

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc
let speech: readonly [Int16Array, Int16Array]

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-delayed-'))
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_MEDIA_TIMEOUT: `${MEDIA_TIMEOUT_SECONDS}s` })
  speech = await shippedSpeech()
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

const said = (speaker: 0 | 1, from: number, to: number): Int16Array =>
  speech[speaker].subarray(from * SAMPLES_PER_SECOND, to * SAMPLES_PER_SECOND)

async function onlyLive(): Promise<string> {
  const [live] = await liveRecordingSessions(daemon)
  return live?.recordingId ?? ''
}

async function expectHeard(recordingId: string, spoken: readonly Int16Array[]): Promise<void> {
  expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  const heard = await exportedChannels(daemon, recordingId, { folder })
  expect(heard).toHaveLength(spoken.length)
  for (const [channel, samples] of spoken.entries()) {
    expect(matchWindows(samples, heard[channel] ?? new Int16Array(0)).correlation).toBeGreaterThan(0.9)
  }
}

describe('an INVITE with metadata and no SDP', () => {
  test('is offered the lines of its metadata; both participants are on their channels', async () => {
    const session = await RawRecordingSession.placeWithoutOffer(src, {
      contentType: 'application/rs-metadata+xml',
      body: METADATA,
    })
    const recordingId = await onlyLive()
    await Promise.all([session.speak(0, said(0, 0, 3)), session.speak(1, said(1, 0, 3))])
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { streams, incidents, endCause } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ streamLabel, participantIds }) => [streamLabel, ...participantIds])).toEqual([
      ['96', 'p96'],
      ['97', 'p97'],
    ])
    expect({ incidents, endCause }).toEqual({ incidents: [], endCause: 'bye' })
    await expectHeard(recordingId, [said(0, 0, 3), said(1, 0, 3)])
  })
})

describe('a Cisco phone that forks its media', () => {
  test('is recorded on one channel, with the participants that its From names', async () => {
    const session = await RawRecordingSession.placeWithoutOffer(src, { isSiprec: false, fromParameters: NEAR_END })
    const recordingId = await onlyLive()
    await session.speak(0, said(0, 0, 3))
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { streams, snapshots, incidents } = await manifestOf(daemon, recordingId)
    expect(streams).toMatchObject([{ streamLabel: '1', participantIds: ['near'] }])
    expect(snapshots).toMatchObject([{ mediaType: 'message/sipfrag', valid: true }])
    expect(incidents).toEqual([])
    await expectHeard(recordingId, [said(0, 0, 3)])
    const found = await eventually('the phone in the index', async () => {
      const { stdout } = await daemon.command('recordings', 'list', '--participant', '1001', '--json')
      const { recordings } = JSON.parse(stdout) as { recordings: { recordingId: string }[] }
      return recordings.length > 0 ? recordings : undefined
    })
    expect(found).toMatchObject([{ recordingId }])
  })
})

describe('media before the ACK', () => {
  test('is recorded from its first packet on', async () => {
    const session = await RawRecordingSession.placeWithoutOffer(src, { acknowledge: 'never' })
    const recordingId = await onlyLive()
    await Promise.all([session.speak(0, said(0, 0, 2)), session.speak(1, said(1, 0, 2))])
    // The SRC comes to itself: its re-INVITE proves that it has our 200.
    await session.reoffer('sendonly', 'sendonly')
    await Promise.all([session.speak(0, said(0, 2, 3)), session.speak(1, said(1, 2, 3))])
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { streams } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ packets }) => packets.received)).toEqual([150, 150])
    await expectHeard(recordingId, [said(0, 0, 2), said(1, 0, 2)])
  })
})

describe('an ACK without an answer', () => {
  test('ends the recording session with BYE and Reason, and is noted in the manifest', async () => {
    await RawRecordingSession.placeWithoutOffer(src, { acknowledge: () => undefined })
    const recordingId = await onlyLive()
    expect((await src.received('BYE')).headers.first('Reason')).toMatch(/cause=488.*No usable answer/)
    await allClosed(daemon)
    expect(await manifestOf(daemon, recordingId)).toMatchObject({
      endCause: 'noAnswer',
      chunks: [],
      incidents: [{ code: 'no-answer' }, { code: 'no-media' }],
    })
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })
})

describe('a re-INVITE without SDP', () => {
  test('resumes after a hold, on the same ports', async () => {
    const session = await RawRecordingSession.place(src)
    const recordingId = await onlyLive()
    await Promise.all([session.speak(0, said(0, 0, 2)), session.speak(1, said(1, 0, 2))])
    await session.reoffer('inactive', 'inactive')
    await session.askForOffer()
    await Promise.all([session.speak(0, said(0, 2, 4)), session.speak(1, said(1, 2, 4))])
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { streams, incidents } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ packets }) => packets.received)).toEqual([200, 200])
    expect(incidents).toEqual([])
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
    const heard = await exportedChannels(daemon, recordingId, { folder })
    for (const speaker of [0, 1] as const) {
      const channel = heard[speaker] ?? new Int16Array(0)
      expect(matchWindows(said(speaker, 0, 2), channel).correlation).toBeGreaterThan(0.9)
      expect(matchWindows(said(speaker, 2, 4), channel.subarray(-2 * SAMPLES_PER_SECOND)).correlation).toBeGreaterThan(
        0.9,
      )
    }
  })
})

describe('an offer with inactive lines only', () => {
  test('is answered, does not time out, and is recorded once a re-INVITE says that audio comes', async () => {
    const session = await RawRecordingSession.placeInactive(src)
    const recordingId = await onlyLive()
    // Meanwhile another is recorded for longer than the media time-out.
    const other = await RawRecordingSession.place(src)
    await other.speak(0, said(0, 0, MEDIA_TIMEOUT_SECONDS + 2))
    await other.hangUp()
    await session.reoffer('sendonly', 'inactive')
    await session.speak(0, said(0, 0, 2))
    await session.reoffer('sendonly', 'sendonly')
    await Promise.all([session.speak(0, said(0, 2, 4)), session.speak(1, said(1, 2, 4))])
    expect(await session.hangUp()).toBe(200)
    await allClosed(daemon)
    const { streams, incidents } = await manifestOf(daemon, recordingId)
    expect(streams.map(({ packets }) => packets.received)).toEqual([200, 100])
    expect(streams[1]?.gaps[0]).toMatchObject({ cause: 'held', fromSample: 0 })
    expect(incidents).toEqual([])
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })
})
