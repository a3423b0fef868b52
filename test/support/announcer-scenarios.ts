import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { runSipp, type SippOptions, type SippResult } from './sipp.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'sipp-scenarios', 'announcer')

/** One way in which a PBX may behave towards the announcer. */
export interface AnnouncerScenario {
  /** File in `sipp-scenarios/announcer`. */
  readonly file: string
  readonly play: string
  readonly mode?: 'early' | 'refer'
  readonly key?: string
  /** When the key is pressed, or whatever the scenario does in the middle: before the prompt is over, or after it. */
  readonly when?: 'within' | 'after'
}

/** What the scenarios transfer and redirect to; `announcements.targets` must allow it. */
export const SCENARIO_TARGET = 'sip:100@127.0.0.1:5999'

/** `play` names are those of `config/prompts`. */
export const ANNOUNCER_SCENARIOS = {
  played: { file: 'answer.xml', play: 'recording-notice' },
  'key-yes': { file: 'answer-key.xml', play: 'recording-consent', key: '1', when: 'after' },
  'key-no': { file: 'answer-key.xml', play: 'recording-consent', key: '2', when: 'after' },
  'key-within': { file: 'answer-key.xml', play: 'recording-consent', key: '1', when: 'within' },
  'key-wrong': { file: 'answer-key.xml', play: 'recording-consent', key: '7', when: 'after' },
  'key-info': { file: 'info-key.xml', play: 'recording-consent', key: '1', when: 'after' },
  'key-late': { file: 'late-key.xml', play: 'recording-consent', key: '1' },
  'key-none': { file: 'answer.xml', play: 'recording-consent' },
  'hang-up': { file: 'hang-up.xml', play: 'recording-notice', when: 'within' },
  'no-ack': { file: 'no-ack.xml', play: 'recording-notice' },
  hold: { file: 'hold.xml', play: 'recording-notice', when: 'within' },
  early: { file: 'early.xml', play: 'recording-notice', mode: 'early' },
  'early-cancel': { file: 'early-cancel.xml', play: 'recording-notice', mode: 'early', when: 'within' },
  refer: { file: 'refer.xml', play: 'recording-consent', mode: 'refer', key: '1', when: 'after' },
  'refer-refused': { file: 'refer-refused.xml', play: 'recording-consent', mode: 'refer', key: '1', when: 'after' },
} satisfies Readonly<Record<string, AnnouncerScenario>>

export type AnnouncerScenarioName = keyof typeof ANNOUNCER_SCENARIOS

export const ANNOUNCER_SCENARIO_NAMES = Object.keys(ANNOUNCER_SCENARIOS) as readonly AnnouncerScenarioName[]

/** Plays one of them. @param times.promptMs the longest of the prompts @param times.windowMs how long a key is awaited after it */
export async function runAnnouncerScenario(
  name: AnnouncerScenarioName,
  options: Pick<SippOptions, 'folder' | 'target' | 'patienceMs'> & {
    readonly promptMs: number
    readonly windowMs: number
  },
): Promise<SippResult> {
  const scenario: AnnouncerScenario = ANNOUNCER_SCENARIOS[name]
  const { promptMs, windowMs, ...run } = options
  await mkdir(run.folder, { recursive: true })
  const fields = join(run.folder, 'fields.csv')
  const { play, mode = 'answer', key = '' } = scenario
  await writeFile(fields, `SEQUENTIAL\n${name};${play};${mode};${encodeURIComponent(SCENARIO_TARGET)};${key}\n`)
  const pauses = { within: promptMs / 3, after: promptMs + windowMs / 3 }
  return runSipp({
    ...run,
    scenario: join(FOLDER, scenario.file),
    fields,
    pauseMs: Math.round(pauses[scenario.when ?? 'within']),
  })
}
