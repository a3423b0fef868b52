import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { ConsentFact } from '../../src/consent/words.ts'
import { readWav, writeWav } from '../../src/media/wav.ts'
import type { KeptAnnouncement } from '../../src/server/announcer/announcement-table.ts'
import type { DaemonEnvironment } from './daemon.ts'
import { claimRtpPortRange } from './rtp-port-range.ts'

const SHIPPED = join(import.meta.dirname, '..', '..', 'config', 'prompts')
/** Not a whole number of packets: the last one is filled up. */
const PROMPT_SAMPLES = 13_000
/** Of the ports that belong to this process, these are for announcements. */
const RECORDING_PORTS = 600

/** A notice in English and German and a question in English: as they are shipped, but short. */
export async function shortPrompts(folder: string, names = { notice: 'notice', ask: 'ask' }): Promise<string> {
  await mkdir(folder, { recursive: true })
  const index = [
    { id: names.notice, language: 'en', from: 'recording-notice.en.wav', asks: false },
    { id: names.notice, language: 'de', from: 'recording-notice.de.wav', asks: false },
    { id: names.ask, language: 'en', from: 'recording-consent.en.wav', asks: true },
  ]
  const prompts = []
  for (const { id, language, from, asks } of index) {
    const wav = readWav(await readFile(join(SHIPPED, from)))
    if (!wav.ok) throw new Error(wav.reason)
    const file = `${id}.${language}.wav`
    const channels = wav.value.channels.map((samples) => samples.subarray(0, PROMPT_SAMPLES))
    await writeFile(join(folder, file), writeWav({ sampleRate: wav.value.sampleRate, channels }))
    prompts.push({ id, version: '7', language, file, text: 'Something short.', asks })
  }
  // JSON is YAML.
  await writeFile(join(folder, 'index.yaml'), JSON.stringify({ prompts }))
  return folder
}

/** A daemon with an announcer, for the tests on loopback. */
export async function announcerEnvironment(folder: string, extra: DaemonEnvironment = {}): Promise<DaemonEnvironment> {
  const { portMin, portMax } = await claimRtpPortRange()
  return {
    EARWITNESS_RTP_PORT_MAX: String(portMin + RECORDING_PORTS - 1),
    EARWITNESS_ANNOUNCEMENTS_ENABLED: 'true',
    EARWITNESS_ANNOUNCEMENTS_FOLDER: folder,
    EARWITNESS_ANNOUNCEMENTS_PROMPTS: 'notice',
    EARWITNESS_ANNOUNCEMENTS_TARGETS: 'sip:+49*@pbx.example.com,sip:*@127.0.0.1:5999',
    EARWITNESS_ANNOUNCEMENTS_ANSWER_WINDOW: '2s',
    EARWITNESS_ANNOUNCEMENTS_PORT_MIN: String(portMin + RECORDING_PORTS),
    EARWITNESS_ANNOUNCEMENTS_PORT_MAX: String(portMax),
    EARWITNESS_SOURCES_0_NAME: 'pbx',
    EARWITNESS_SOURCES_0_ADDRESS: '127.0.0.1',
    ...extra,
  }
}

/** What is kept of the announcement with this Call-ID, facts in order; empty while there is none. */
export async function keptFacts(dataDir: string, sipCallId: string): Promise<readonly ConsentFact[]> {
  const text = await readFile(join(dataDir, 'announcements.jsonl'), 'utf8')
  const kept = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as KeptAnnouncement)
  const mine = kept.findLast(({ ids }) => ids.some(({ kind, value }) => kind === 'sipCallId' && value === sipCallId))
  return (mine?.facts ?? []).map(({ fact }) => fact)
}
