// node bin/run.mjs sipp-scenarios/run.ts SCENARIO [--to HOST:PORT] [options]: makes the pcap files a scenario plays and runs SIPp.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AUDIO_FILES, readSpeech } from '../src/cli/simulate/audio-source.ts'
import { parseDurationMs, parseFraction } from '../src/cli/simulate/options.ts'
import { EarwitnessError } from '../src/errors.ts'
import { ANNOUNCER_SCENARIO_NAMES, runAnnouncerScenario, SCENARIO_TARGET } from '../test/support/announcer-scenarios.ts'
import { SCENARIO_NAMES, SCENARIOS } from '../test/support/scenario-catalogue.ts'
import { runScenario } from '../test/support/sipp-scenario.ts'
import { scenarioVoices } from '../test/support/voices.ts'

const USAGE = `Usage: node bin/run.mjs sipp-scenarios/run.ts SCENARIO [options]

${['rfc8068', 'dialects'].map((folder) => `${folder}: ${SCENARIO_NAMES.filter((name) => SCENARIOS[name].folder === folder).join(', ')}`).join('\n')}
announcer: ${ANNOUNCER_SCENARIO_NAMES.join(', ')} (announcements.targets must allow ${SCENARIO_TARGET})

  --to HOST:PORT        the recorder (default 127.0.0.1:5060)
  --tcp                 SIP over TCP
  --calls N             recording sessions, one a second (default 1)
  --loss, --reorder, --duplicate SHARE   such as 5%
  --jitter DURATION     such as 60ms
  --seed N              repeats the impairments of an earlier run (default 1)
  --keep                keep the pcap files and SIPp's logs
  --messages            print every SIP message

Needs SIPp 3.6.1 with PCAP and root (SIPp plays through a raw socket).`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    to: { type: 'string', default: '127.0.0.1:5060' },
    tcp: { type: 'boolean', default: false },
    calls: { type: 'string', default: '1' },
    loss: { type: 'string', default: '0' },
    reorder: { type: 'string', default: '0' },
    duplicate: { type: 'string', default: '0' },
    jitter: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    messages: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

/** The shipped prompts last nine seconds at most, and keys are awaited for eight by default. */
const PROMPT_MS = 9_000
const WINDOW_MS = 8_000

async function announce(name: (typeof ANNOUNCER_SCENARIO_NAMES)[number]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-sipp-'))
  try {
    const times = { promptMs: PROMPT_MS, windowMs: WINDOW_MS, patienceMs: 90_000 }
    const sipp = await runAnnouncerScenario(name, { folder, target: recorder(), ...times })
    if (values.messages) process.stdout.write(sipp.messages)
    if (sipp.errors !== '') process.stderr.write(`${sipp.errors}\n`)
    process.stdout.write(`${name}: ${sipp.exitCode === 0 ? 'as the scenario says' : 'not as the scenario says'}\n`)
    if (values.keep) process.stdout.write(`${folder}\n`)
    return sipp.exitCode === 0 ? 0 : 1
  } finally {
    if (!values.keep) await rm(folder, { recursive: true })
  }
}

function recorder() {
  const colon = values.to.lastIndexOf(':')
  return {
    transport: values.tcp ? ('tcp' as const) : ('udp' as const),
    address: values.to.slice(0, colon),
    port: Number(values.to.slice(colon + 1)),
  }
}

async function main(): Promise<number> {
  const announcement = ANNOUNCER_SCENARIO_NAMES.find((name) => name === positionals[0])
  if (announcement !== undefined && !values.help) return announce(announcement)
  const scenario = SCENARIO_NAMES.find((name) => name === positionals[0])
  if (values.help || scenario === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-sipp-'))
  try {
    const [caller = new Int16Array(0), callee = new Int16Array(0)] = await Promise.all(AUDIO_FILES.map(readSpeech))
    const { sipp, prepared } = await runScenario({
      scenario,
      target: recorder(),
      speech: scenarioVoices(caller, callee),
      impairment: {
        lossFraction: parseFraction('loss', values.loss),
        reorderFraction: parseFraction('reorder', values.reorder),
        duplicateFraction: parseFraction('duplicate', values.duplicate),
        jitterUs: parseDurationMs('jitter', values.jitter, 5_000) * 1_000,
      },
      seed: Number(values.seed),
      count: Number(values.calls),
      folder,
    })
    if (values.messages) process.stdout.write(sipp.messages)
    if (sipp.errors !== '') process.stderr.write(`${sipp.errors}\n`)
    const lost = prepared.streams.map(({ lostAt }) => lostAt.length).join(' and ')
    process.stdout.write(
      `${scenario}: ${sipp.successful} as the scenario says, ${sipp.failed} not, ${sipp.retransmissions} retransmissions; ` +
        `RTP packets left out of the media streams: ${lost}\n`,
    )
    if (values.keep) process.stdout.write(`${folder}\n`)
    return sipp.exitCode === 0 ? 0 : 1
  } finally {
    if (!values.keep) await rm(folder, { recursive: true })
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof EarwitnessError)) throw error
  process.stderr.write(`${error.message} ${error.hint}\n`)
  process.exitCode = error.exitCode
}
