import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import type { ConsentFact } from '../../src/consent/words.ts'
import { type AnnouncementOutcome } from '../../src/consent/announcement/announcement.ts'
import { AnnouncementRouter } from '../../src/server/announcer/announcement-router.ts'
import { AnnouncementTable, type KeptAnnouncement } from '../../src/server/announcer/announcement-table.ts'
import { Announcer } from '../../src/server/announcer/announcer.ts'
import { PromptLibrary, readPrompts } from '../../src/server/announcer/prompt-library.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { SourceTable } from '../../src/server/recording/source-table.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import type { BoundAddress } from '../../src/server/signalling/port.ts'
import { shortPrompts } from '../support/announcer.ts'
import {
  ANNOUNCER_SCENARIO_NAMES,
  type AnnouncerScenarioName,
  runAnnouncerScenario,
  SCENARIO_TARGET,
} from '../support/announcer-scenarios.ts'
import { eventually, makeDataDir, removeDataDir } from '../support/daemon.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'

/** In this process, with the timers of SIP so short that 64 of T1 are over soon: a daemon would wait 32 s for an ACK. */
const T1_US = 60_000
const WINDOW_MS = 2_000

let dataDir: string
let at: BoundAddress
const outcomes = new Map<string, AnnouncementOutcome>()
const closers: (() => unknown)[] = []

beforeAll(async () => {
  dataDir = await makeDataDir()
  const { portMin, portMax } = await claimRtpPortRange()
  const folder = await shortPrompts(join(dataDir, 'prompts'), { notice: 'recording-notice', ask: 'recording-consent' })
  const table = new AnnouncementTable({
    dataDir,
    windowMs: 600_000,
    lost: () => {},
    unwritten: () => {},
    failed: () => {},
    changed: () => {},
  })
  await table.run(Date.now())
  const signalling = new EmbeddedSignalling({
    listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    randomToken: () => randomBytes(16).toString('hex'),
    nowUs: monotonicUs,
    timers: { t1Us: T1_US },
  })
  const announcer = new Announcer({
    announcements: {
      enabled: true,
      user: 'announce',
      mode: 'answer',
      folder,
      prompts: ['recording-notice'],
      language: 'en',
      rules: [],
      targets: [SCENARIO_TARGET],
      answer: { yes: '1', no: '2', windowMs: WINDOW_MS, onNo: 'hangUp', onNone: 'continue' },
      rtpengine: undefined,
      linkWindowMs: 600_000,
      portMin,
      portMax,
      simultaneousMax: 20,
      symmetricRtp: false,
    },
    library: new PromptLibrary(await readPrompts(folder), 'libopus-wasm'),
    table,
    tokens: { issue: async (announcementId) => `token.${announcementId}` },
    sources: new SourceTable([
      { name: 'pbx', address: ['127.0.0.1'], tlsName: [], tenant: 'default', forceSiprec: false },
    ]),
    signalling,
    events: {
      refused: () => {},
      over: ({ sipCallId, outcome }) => void outcomes.set(sipCallId, outcome),
      live: () => {},
      late: () => {},
      discarded: () => {},
      unsent: () => {},
      failed: (error) => {
        throw error
      },
    },
    bindAddress: '127.0.0.1',
    mediaAddress: undefined,
    nowUs: monotonicUs,
    nowUnixMs: Date.now,
    randomBytes: (length) => randomBytes(length),
  })
  const recorder = {
    handleInvite: () => {
      throw new Error('a call to the announcer came to the recorder')
    },
    handleReinvite: () => {},
    handleConfirmed: () => {},
    handleEnded: () => {},
    optionsStatus: () => ({ status: 200 }) as const,
  }
  const [bound] = await signalling.run(new AnnouncementRouter(recorder, announcer))
  at = bound!
  closers.push(
    () => signalling.stop(),
    () => table.stop(),
    () => removeDataDir(dataDir),
  )
})
afterAll(async () => {
  for (const close of closers) await close()
})

const EXPECTED: Readonly<Record<AnnouncerScenarioName, readonly [AnnouncementOutcome, readonly string[]]>> = {
  played: ['played', ['played']],
  'key-yes': ['agreed', ['played', 'yes']],
  'key-no': ['refused', ['played', 'no']],
  'key-within': ['agreed', ['played', 'yes']],
  'key-wrong': ['noAnswer', ['played', 'none']],
  'key-info': ['agreed', ['played', 'yes']],
  'key-late': ['noAnswer', ['played', 'none']],
  'key-none': ['noAnswer', ['played', 'none']],
  'hang-up': ['hangUp', ['hangUp']],
  'no-ack': ['noAck', ['noAck']],
  hold: ['played', ['played']],
  early: ['played', ['played']],
  'early-cancel': ['cancelled', ['cancelled']],
  refer: ['agreed', ['played', 'yes']],
  'refer-refused': ['transferFailed', ['played', 'yes']],
}

test.concurrent.each(ANNOUNCER_SCENARIO_NAMES)('SIPp: %s', async (name) => {
  const folder = join(dataDir, name)
  const target = { transport: 'udp', address: at.address, port: at.port } as const
  const result = await runAnnouncerScenario(name, {
    folder,
    target,
    patienceMs: 40_000,
    promptMs: 1_625 + 200,
    windowMs: WINDOW_MS,
  })
  expect(result, `${result.errors}\n${result.messages}`).toMatchObject({ exitCode: 0, successful: 1, failed: 0 })
  const sipCallId = /^Call-ID: (\S+)/m.exec(result.messages)?.[1] ?? ''
  const [outcome, facts] = EXPECTED[name]
  // What is kept goes to disk after the last message.
  await eventually('the end of the announcement', async () => outcomes.get(sipCallId))
  expect([outcomes.get(sipCallId), await toldOf(sipCallId)]).toEqual([outcome, facts])
})

async function toldOf(sipCallId: string): Promise<readonly string[]> {
  const text = await readFile(join(dataDir, 'announcements.jsonl'), 'utf8')
  const kept = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as KeptAnnouncement)
  const mine = kept.findLast(({ ids }) => ids.some(({ value }) => value === sipCallId.toLowerCase()))
  return (mine?.facts ?? []).map(({ fact }: { readonly fact: ConsentFact }) =>
    fact.type === 'answered' ? fact.answer : fact.type === 'announcementPlayed' ? fact.endCause : fact.type,
  )
}
