import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { liveRecordingSessions, metric } from '../support/probes.ts'
import { askingPrompt, narrowbandOf, placeFound, type Placed } from '../support/placed.ts'
import { RawSrc } from '../support/raw-src.ts'
import { manifestOf } from '../support/recorded.ts'

/** Spoken answers against the real daemon and real speech recognition (PocketSphinx of Debian): a synthetic voice answers the announcement. */
const run = promisify(execFile)
const RATE = 8_000
const GRAMMAR = `#JSGF V1.0;
grammar answer;
public <answer> = yes | yes i agree | i agree | no | no i do not | i do not agree;
`

let dataDir: string
let folder: string
let daemon: RunningDaemon
let src: RawSrc

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-spoken-'))
  const [grammar, program] = [join(folder, 'answer.jsgf'), join(folder, 'transcribe')]
  await writeFile(grammar, GRAMMAR)
  const listens = `pocketsphinx_continuous -infile /dev/stdin -jsgf ${grammar} 2>/dev/null`
  await writeFile(program, `#!/bin/sh\nffmpeg -v error -i - -ar 16000 -f wav - | ${listens}\n`)
  await chmod(program, 0o755)
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, {
    EARWITNESS_CONSENT_REQUIRE: 'agreement',
    EARWITNESS_CONSENT_DEADLINE: '10m',
    EARWITNESS_CONSENT_KEYS_YES: '1',
    EARWITNESS_CONSENT_ON_REFUSED: 'stop',
    EARWITNESS_CONSENT_TRANSCRIBER_COMMAND: program,
    EARWITNESS_CONSENT_TRANSCRIBER_TIMEOUT: '1m',
    EARWITNESS_CONSENT_TRANSCRIBER_LISTEN_FOR: '4s',
  })
  src = await RawSrc.open(daemon.sipUdpPort)
}, 120_000)

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

/** The announcement, and a second behind it what somebody says. */
async function askedAnd(words: string): Promise<readonly [Int16Array, Int16Array]> {
  const [said, prompt] = [await spokenBy('slt', words), await askingPrompt()]
  const [one, other] = [new Int16Array(prompt.length + 6 * RATE), new Int16Array(prompt.length + 6 * RATE)]
  one.set(prompt)
  other.set(said, prompt.length + RATE)
  return [one, other]
}

async function spokenBy(voice: string, words: string): Promise<Int16Array> {
  const file = join(folder, `${voice}.wav`)
  const speech = `flite=text='${words}':voice=${voice}`
  await run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', speech, '-ar', String(RATE), file])
  return narrowbandOf(file)
}

const place = (): Promise<Placed> => placeFound(daemon, src)
const answered = (): Promise<number> => metric(daemon, 'earwitness_consent_events_total{type="answered"}')

test('a spoken no ends the recording, and a spoken yes waits for a person', { timeout: 180_000 }, async () => {
  const [refused, agreed] = [await place(), await place()]
  const [no, yes] = [await askedAnd('no i do not'), await askedAnd('yes i agree')]
  const speaking = [
    ...[refused.session.speak(0, no[0]), refused.session.speak(1, no[1])],
    ...[agreed.session.speak(0, yes[0]), agreed.session.speak(1, yes[1])],
  ]
  await eventually('both have answered', async () => ((await answered()) === 2 ? true : undefined))
  const noManifest = await eventually('whoever refuses is recorded no more', async () => {
    const live = await liveRecordingSessions(daemon)
    return live.some(({ recordingId }) => recordingId === refused.recordingId)
      ? undefined
      : await manifestOf(daemon, refused.recordingId)
  })
  refused.session.fallSilent()
  await Promise.allSettled(speaking)
  expect(noManifest).toMatchObject({ endCause: 'noConsent' })
  expect(await agreed.session.hangUp()).toBe(200)
  await eventually('the worker has reported what it did', async () =>
    (await metric(daemon, 'earwitness_transcriptions_total{outcome="told"}')) >= 2 ? true : undefined,
  )
  for (const [consentState, { recordingId }] of Object.entries({ refused, missing: agreed })) {
    const verified = await eventually('it is whole', async () => {
      const { code, stdout } = await daemon.commandHere('verify', recordingId, '--json')
      return code === 0 ? stdout : undefined
    })
    expect(verified).toContain(`"${consentState}"`)
  }
  const review = ['review', agreed.recordingId, '--answer', 'yes', '--reason', 'listened to it']
  const reviewed = await daemon.commandHere('consent', ...review)
  expect(reviewed, reviewed.stderr).toMatchObject({ code: 0 })
  const decided = await daemon.commandHere('consent', 'decide', agreed.recordingId, 'agreed', '--reason', 'one of one')
  expect(decided, decided.stderr).toMatchObject({ code: 0 })
  expect((await manifestOf(daemon, agreed.recordingId)).incidents.map(({ code }) => code)).toContain('transcribed')
  const { stdout } = await daemon.commandHere('consent', 'report', agreed.recordingId)
  expect(stdout).toContain('agreed')
  expect(stdout).toMatch(/spoke|speech|aloud/)
})

test('who says no and hangs up at once has refused', { timeout: 180_000 }, async () => {
  const hasty = await place()
  const prompt = await askingPrompt()
  const said = await spokenBy('slt', 'no i do not')
  const [asking, answering] = [
    new Int16Array(prompt.length + said.length + RATE / 2),
    new Int16Array(prompt.length + said.length + RATE / 2),
  ]
  asking.set(prompt)
  answering.set(said, prompt.length + RATE / 2)
  await Promise.all([hasty.session.speak(0, asking), hasty.session.speak(1, answering)])
  expect(await hasty.session.hangUp()).toBe(200)
  const manifest = await eventually('it is closed', async () => {
    const live = await liveRecordingSessions(daemon)
    return live.some(({ recordingId }) => recordingId === hasty.recordingId)
      ? undefined
      : await manifestOf(daemon, hasty.recordingId)
  })
  expect(manifest).toMatchObject({ endCause: 'bye' })
  expect(manifest.incidents.map(({ code }) => code)).not.toContain('spoken-answer-unheard')
  expect(manifest.consentEvents.map(({ type }) => type)).toContain('answered')
  const { code, stdout } = await daemon.commandHere('verify', hasty.recordingId, '--json')
  expect(code, stdout).toBe(0)
  expect(stdout).toContain('"refused"')
})
