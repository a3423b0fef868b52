import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import {
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type DaemonEnvironment,
  type RunningDaemon,
} from '../support/daemon.ts'
import { decodeAudio } from '../support/ffmpeg.ts'
import { pressedKeys } from '../support/dtmf.ts'
import { liveRecordingSessions, metric } from '../support/probes.ts'
import { askingPrompt, placeFound, type Placed } from '../support/placed.ts'
import { RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchWindows, shippedSpeech } from '../support/recorded.ts'

/** Consent against the real daemon: an announcement is heard in the audio, keys answer it, and what was held is kept, or gone for ever. */
const RATE = 8_000
const CONSENT: DaemonEnvironment = {
  EARWITNESS_CONSENT_REQUIRE: 'agreement',
  EARWITNESS_CONSENT_DEADLINE: '16s',
  EARWITNESS_CONSENT_ON_MISSING: 'discard',
  EARWITNESS_CONSENT_ON_REFUSED: 'stop',
  EARWITNESS_CONSENT_HOLD_UNTIL_CONSENT: 'true',
  EARWITNESS_CONSENT_KEYS_YES: '1',
  EARWITNESS_CONSENT_KEYS_NO: '2',
  EARWITNESS_CONSENT_ON_WITHDRAWN: 'shred',
}

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc
let prompt: Int16Array

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-consent-'))
  daemon = await startDaemon(dataDir, CONSENT)
  src = await RawSrc.open(daemon.sipUdpPort)
  prompt = await askingPrompt()
}, 120_000)

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

/** The announcement on the first stream, a key on both a second after it, and speech behind. */
async function sides(key: string | undefined): Promise<readonly [Int16Array, Int16Array]> {
  const [caller, callee] = await shippedSpeech()
  const length = prompt.length + 5 * RATE
  const one = new Int16Array(length)
  const other = new Int16Array(length)
  one.set(prompt)
  for (const [side, speech] of [
    [one, caller],
    [other, callee],
  ] as const) {
    if (key !== undefined) {
      const { samples } = pressedKeys({ digits: key, onMs: 120, offMs: 80, leadMs: 0 })
      side.set(samples, prompt.length + RATE)
    }
    side.set(speech.subarray(0, 3 * RATE), prompt.length + 2 * RATE)
  }
  return [one, other]
}

const place = (): Promise<Placed> => placeFound(daemon, src)

async function stateOf({ recordingId }: Placed): Promise<unknown> {
  const live = (await liveRecordingSessions(daemon)).find((one) => one.recordingId === recordingId)
  return live === undefined ? 'over' : Reflect.get(live, 'consent')
}

async function closed({ recordingId }: Placed): Promise<Awaited<ReturnType<typeof manifestOf>>> {
  await eventually('the recording session is over', async () => {
    const live = await liveRecordingSessions(daemon)
    return live.some((one) => one.recordingId === recordingId) ? undefined : true
  })
  return manifestOf(daemon, recordingId)
}

function typesOf({ consentEvents }: Awaited<ReturnType<typeof manifestOf>>): readonly string[] {
  return consentEvents.map(({ type }) => type)
}

async function heardTotal(): Promise<number> {
  return metric(daemon, 'earwitness_consent_events_total{type="announcementHeard"}')
}

async function answeredTotal(): Promise<number> {
  return metric(daemon, 'earwitness_consent_events_total{type="answered"}')
}

async function shown(recordingId: string): Promise<Record<string, unknown>> {
  return eventually('the database knows of it', async () => {
    const { code, stdout } = await daemon.commandHere('recordings', 'show', recordingId, '--json')
    const recording = code === 0 ? (JSON.parse(stdout) as Record<string, unknown>) : {}
    return recording.state === undefined || recording.state === 'open' ? undefined : recording
  })
}

/** An export of it has nothing that was said; when all was held there is none. */
async function expectUnheard({ recordingId }: Placed): Promise<void> {
  const file = join(folder, `${recordingId}-closed.wav`)
  const { code, stderr } = await daemon.commandHere('export', recordingId, '-o', file, '--format', 'wav')
  if (code !== 0) {
    expect(stderr).toContain('[audio-held]')
    return
  }
  expect(stderr).toContain('was held until consent')
  for (const side of await decodeAudio(file, RATE)) {
    expect(side.length).toBeGreaterThan(RATE)
    expect(side.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0)).toBe(0)
  }
}

test('agreed by key on both sides, never answered, and refused', { timeout: 180_000 }, async () => {
  const [agreed, missing, refused] = [await place(), await place(), await place()]
  const [yes, silent, no] = [await sides('1'), await sides(undefined), await sides('2')]
  const speaking = [
    ...[agreed.session.speak(0, yes[0]), agreed.session.speak(1, yes[1])],
    ...[missing.session.speak(0, silent[0]), missing.session.speak(1, silent[1])],
    ...[refused.session.speak(0, no[0]), refused.session.speak(1, no[1])],
  ]
  expect(await stateOf(agreed)).toBe('unknown')
  await eventually('all have agreed', async () => ((await stateOf(agreed)) === 'agreed' ? true : undefined))
  // Whoever says no ends it: by a BYE of the recorder.
  const noManifest = await closed(refused)
  expect(noManifest).toMatchObject({ endCause: 'noConsent', held: [{ outcome: 'destroyed', cause: 'refused' }] })
  refused.session.fallSilent()
  await eventually('the deadline has passed', async () => ((await stateOf(missing)) === 'missing' ? true : undefined))
  await Promise.allSettled(speaking)
  expect([await agreed.session.hangUp(), await missing.session.hangUp()]).toEqual([200, 200])

  const yesManifest = await closed(agreed)
  expect(typesOf(yesManifest)).toEqual(
    expect.arrayContaining(['ruleChosen', 'announcementHeard', 'answered', 'decided', 'enforced']),
  )
  expect(typesOf(yesManifest).filter((type) => type === 'answered')).toHaveLength(2)
  expect(yesManifest).toMatchObject({ endCause: 'bye', held: [{ outcome: 'kept', cause: 'agreed' }] })
  expect(yesManifest.pauses ?? []).toEqual([])
  const missingManifest = await closed(missing)
  expect(missingManifest).toMatchObject({ held: [{ outcome: 'destroyed', cause: 'missing' }] })
  expect(missingManifest.pauses).toMatchObject([{ by: 'consent' }])
  expect(missingManifest.incidents.map(({ code }) => code)).toContain('consent-missing')

  const recordings = { agreed, missing, refused }
  for (const [consentState, { recordingId }] of Object.entries(recordings)) {
    expect(await shown(recordingId)).toMatchObject({ consentState })
    const verified = await daemon.commandHere('verify', recordingId)
    expect(verified, verified.stdout).toMatchObject({ code: 0 })
  }
  expect(await metric(daemon, 'earwitness_recordings_without_consent_total{consent="missing"}')).toBe(1)
  expect(await heardTotal()).toBe(3)

  const heard = await exportedChannels(daemon, agreed.recordingId, { folder })
  for (const [index, side] of yes.entries()) {
    expect(matchWindows(side, heard[index] ?? new Int16Array(0)).correlation).toBeGreaterThan(0.9)
  }
  await expectUnheard(missing)

  // What is said by the API of one that is over is signed, shown, counted and indexed while the recorder runs.
  const withdrawn = await sayLater(agreed, { action: 'withdraw' })
  expect(withdrawn).toMatchObject({ status: 201, answer: { state: 'withdrawn', hasLedger: true, troubles: [] } })
  expect(await sayLater(agreed, { action: 'withdraw' })).toMatchObject({ status: 200, answer: { added: [] } })
  expect(await metric(daemon, 'earwitness_consent_events_total{type="withdrawn"}')).toBe(1)
  await eventually('the index knows', async () =>
    (await shown(agreed.recordingId)).consentState === 'withdrawn' ? true : undefined,
  )
  const reverified = await daemon.commandHere('verify', agreed.recordingId)
  expect(reverified, reverified.stdout).toMatchObject({ code: 0 })
  expect(daemon.log()).not.toContain('Ada Lovelace')
})

/** Says something of a recording that is over. */
async function sayLater({ recordingId }: Placed, body: object): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(`${daemon.http}/api/v1/recordings/${recordingId}/consent-events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ by: 'Ada Lovelace', reason: 'letter of today', ...body }),
  })
  return { status: response.status, answer: await response.json() }
}

test(
  'whoever withdraws is recorded no more, and what was recorded can be opened by nobody',
  { timeout: 180_000 },
  async () => {
    const withdrawn = await place()
    const [one, other] = await sides('1')
    const speaking = [withdrawn.session.speak(0, one), withdrawn.session.speak(1, other)]
    await eventually('all have agreed', async () => ((await stateOf(withdrawn)) === 'agreed' ? true : undefined))
    const answer = await fetch(`${daemon.http}/api/v1/recording-sessions/${withdrawn.rsId}/consent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"answer":"withdrawn"}',
    })
    expect(answer.status).toBe(200)
    expect(await closed(withdrawn)).toMatchObject({ endCause: 'noConsent' })
    withdrawn.session.fallSilent()
    await Promise.allSettled(speaking)
    const verified = await eventually('its key is gone', async () => {
      const { code, stdout } = await daemon.commandHere('verify', withdrawn.recordingId, '--json')
      return stdout.includes('"shredded"') ? { code, stdout } : undefined
    })
    expect(verified, verified.stdout).toMatchObject({ code: 0 })
    const exported = await daemon.commandHere('export', withdrawn.recordingId, '-o', join(folder, 'gone.ogg'))
    expect(exported.code).not.toBe(0)
    expect(exported.stderr).toContain('recording-shredded')
    expect(await shown(withdrawn.recordingId)).toMatchObject({ consentState: 'withdrawn' })
  },
)

test('a killed recorder never turns what was missing into agreed', { timeout: 180_000 }, async () => {
  const [heardBefore, answeredBefore] = [await heardTotal(), await answeredTotal()]
  const [missing, asked, half, agreed] = [await place(), await place(), await place(), await place()]
  const [silent, yes] = [await sides(undefined), await sides('1')]
  const speaking = [
    ...[missing.session.speak(0, silent[1]), missing.session.speak(1, silent[1])],
    ...[asked.session.speak(0, silent[0]), asked.session.speak(1, silent[1])],
    ...[half.session.speak(0, yes[0]), half.session.speak(1, silent[1])],
    ...[agreed.session.speak(0, yes[0]), agreed.session.speak(1, yes[1])],
  ]
  await eventually('one has agreed, one half, and one was asked', async () => {
    const isThere = (await heardTotal()) >= heardBefore + 3 && (await answeredTotal()) >= answeredBefore + 3
    return isThere && (await stateOf(agreed)) === 'agreed' ? true : undefined
  })
  // Said, it is not yet on the disk: killed in between, what is held stays undecided.
  await eventually('what was held of it is handed over', async () => {
    const names = await readdir(join(dataDir, 'held'))
    return names.some((name) => name.includes(agreed.recordingId)) ? undefined : true
  })
  await daemon.stop('SIGKILL')
  for (const { session } of [missing, asked, half, agreed]) session.fallSilent()
  await Promise.allSettled(speaking)
  src.close()
  daemon = await startDaemon(dataDir, CONSENT)
  src = await RawSrc.open(daemon.sipUdpPort)
  expect(await shown(agreed.recordingId)).toMatchObject({ state: 'interrupted', consentState: 'agreed' })
  const agreedManifest = await manifestOf(daemon, agreed.recordingId)
  expect(agreedManifest).toMatchObject({ held: [{ outcome: 'kept', cause: 'agreed' }] })
  for (const recording of [missing, asked, half]) {
    const { state, consentState } = await shown(recording.recordingId)
    expect(state).toBe('interrupted')
    // On a slow machine the deadline may have passed before the kill.
    expect(['unknown', 'missing']).toContain(consentState)
    const manifest = await manifestOf(daemon, recording.recordingId)
    expect(manifest.held?.map(({ outcome }) => outcome)).toEqual([consentState === 'missing' ? 'destroyed' : 'pending'])
    await expectUnheard(recording)
    const verified = await daemon.commandHere('verify', recording.recordingId)
    expect(verified, verified.stdout).toMatchObject({ code: 0 })
  }
  expect(typesOf(await manifestOf(daemon, half.recordingId))).toEqual(
    expect.arrayContaining(['announcementHeard', 'answered']),
  )
  await decideLater(asked, half)
})

/** A person decides about what is still held: nothing supports a yes of one, the other has an answer to rest on. */
async function decideLater(asked: Placed, half: Placed): Promise<void> {
  const undecided = async (): Promise<readonly { readonly recordingId: string; readonly state: string }[]> => {
    const { stdout } = await daemon.commandHere('consent', 'held', '--json')
    return (JSON.parse(stdout) as { recordings: { recordingId: string; state: string }[] }).recordings
  }
  const before = await undecided()
  // On a slow machine its deadline had passed, and what was held of it is destroyed.
  const isHeld = (await shown(asked.recordingId)).consentState === 'unknown'
  if (isHeld) {
    const listed = before.find(({ recordingId }) => recordingId === asked.recordingId)
    expect(listed).toMatchObject({ state: 'interrupted', consentState: 'unknown' })
  }
  const say = (...words: string[]) => daemon.commandHere('consent', ...words, '--reason', 'case 4711')
  const unsupported = await say('decide', asked.recordingId, 'agreed')
  expect(unsupported.stderr).toContain('[consent-unsupported]')
  const withdrawn = await say('withdraw', asked.recordingId, '--yes')
  expect(withdrawn, withdrawn.stderr).toMatchObject({ code: 0 })
  if (isHeld) expect(withdrawn.stdout).toContain('its key was destroyed')
  await expectUnheard(asked)
  expect((await undecided()).map(({ recordingId }) => recordingId)).not.toContain(asked.recordingId)
  // On a slow machine its deadline had passed.
  if ((await shown(half.recordingId)).consentState === 'missing') return
  const agreed = await say('decide', half.recordingId, 'agreed')
  expect(agreed, agreed.stderr).toMatchObject({ code: 0 })
  for (const [state, { recordingId }] of Object.entries({ withdrawn: asked, agreed: half })) {
    expect(await shown(recordingId)).toMatchObject({ consentState: state })
    const verified = await daemon.commandHere('verify', recordingId)
    expect(verified, verified.stdout).toMatchObject({ code: 0 })
  }
  const [heard] = await exportedChannels(daemon, half.recordingId, { folder })
  const [said] = await sides('1')
  expect(matchWindows(said ?? new Int16Array(0), heard ?? new Int16Array(0)).correlation).toBeGreaterThan(0.9)
}
