import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noise } from '../../support/audio.ts'
import { parseSippStatistics } from '../../support/sipp.ts'
import { identifierLines, prepareScenario, RFC8068_SCENARIOS } from '../../support/sipp-scenario.ts'
import type { Rfc8068Scenario } from '../../support/sipp-scenario.ts'

const SPEECH: [Int16Array, Int16Array] = [noise({ seed: 1, samples: 16_000 }), noise({ seed: 2, samples: 15_900 })]
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-test-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('what is prepared for SIPp', () => {
  it.each([
    ['basic-two-streams', ['identifiers.csv', 'media.pcap', 'scenario.xml']],
    ['hold-resume', ['identifiers.csv', 'media-1.pcap', 'media-2.pcap', 'scenario.xml']],
  ] as const)('is the scenario, its captures and its identifiers: %s', async (scenario, files) => {
    await prepareScenario({ scenario, speech: SPEECH, seed: 1, folder })
    expect((await readdir(folder)).sort()).toEqual(files)
  })

  it('is a reference with three seconds of silence and more for a hold, and the RTP clock running on', async () => {
    const { streams, pauseMs } = await prepareScenario({ scenario: 'hold-resume', speech: SPEECH, seed: 1, folder })
    const [caller] = streams
    const strideSamples = (pauseMs + 3_000) * 8
    expect(pauseMs).toBe(1_000 + 200)
    expect(caller?.heard.length).toBe(strideSamples + 8_000)
    expect(new Set(caller?.heard.subarray(8_000, strideSamples))).toEqual(new Set([0]))
    const [before, after] = [caller?.parts[0]?.sent[0], caller?.parts[1]?.sent[0]]
    expect(((after?.timestamp ?? 0) - (before?.timestamp ?? 0)) >>> 0).toBe(strideSamples)
    expect(((after?.sequenceNumber ?? 0) - (before?.sequenceNumber ?? 0)) & 0xffff).toBe(50)
    expect(caller?.parts[1]?.ssrc).toBe(caller?.parts[0]?.ssrc)
  })

  it('says where packets are missing', async () => {
    const impairment = { lossFraction: 0.1, jitterUs: 0, reorderFraction: 0, duplicateFraction: 0 }
    const { streams } = await prepareScenario({
      scenario: 'basic-two-streams',
      speech: SPEECH,
      seed: 1,
      folder,
      impairment,
    })
    const lost = streams[1]?.parts[0]?.lost.map(({ index }) => index * 160)
    expect(lost?.length).toBeGreaterThan(0)
    expect(streams[1]?.lostAt).toEqual(lost)
  })
})

describe('the scenarios', () => {
  it.each(Object.keys(RFC8068_SCENARIOS) as Rfc8068Scenario[])(
    '%s uses only fields that its injection file has',
    async (name) => {
      const xml = await readFile(new URL(`../../../sipp-scenarios/rfc8068/${name}.xml`, import.meta.url), 'utf8')
      const fields = new Set([...xml.matchAll(/\[field(\d+)\]/g)].map(([, number]) => Number(number)))
      const [mode, first] = identifierLines(1, new Date('2026-11-23T12:00:00Z')).split('\n')
      expect(mode).toBe('SEQUENTIAL')
      expect(Math.max(...fields)).toBeLessThan(first?.split(';').length ?? 0)
    },
  )

  it('come with an injection file for running them by hand', async () => {
    const csv = await readFile(new URL('../../../sipp-scenarios/rfc8068/identifiers.csv', import.meta.url), 'utf8')
    expect(csv.split('\n')[1]?.split(';')).toHaveLength(10)
  })
})

describe('SIPp’s statistics', () => {
  it('are read from the last line, by name', () => {
    const csv = 'StartTime;SuccessfulCall(C);FailedCall(C);\n2026-11-23 12:00:00;0;0;\n2026-11-23 12:00:01;2;1;\n'
    const statistics = parseSippStatistics(csv)
    expect([statistics.get('SuccessfulCall(C)'), statistics.get('FailedCall(C)')]).toEqual(['2', '1'])
    expect(parseSippStatistics('').size).toBe(0)
  })
})
