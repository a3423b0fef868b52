import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noise } from '../../support/audio.ts'
import { parseSippStatistics } from '../../support/sipp.ts'
import { captureFile, SCENARIO_NAMES, SCENARIOS, scenarioUrl } from '../../support/scenario-catalogue.ts'
import { identifierLines } from '../../support/scenario-identifiers.ts'
import { prepareScenario } from '../../support/sipp-scenario.ts'

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
  it.each(SCENARIO_NAMES)(
    '%s uses only fields that its injection file has, and plays the captures it comes with',
    async (name) => {
      const xml = await readFile(scenarioUrl(name), 'utf8')
      const fields = [...xml.matchAll(/\[field(\d+)\]/g)].map(([, number]) => Number(number))
      const [mode, first] = identifierLines(1, new Date('2026-11-23T12:00:00Z')).split('\n')
      expect(mode).toBe('SEQUENTIAL')
      expect(Math.max(...fields)).toBeLessThan(first?.split(';').length ?? 0)
      const played = [...xml.matchAll(/play_pcap_audio="([^"]+)"/g)].map(([, file]) => file)
      expect(played).toEqual(SCENARIOS[name].captures.map((_, index) => captureFile(SCENARIOS[name], index)))
    },
  )

  it('are all in the table, and no other', async () => {
    for (const folderName of ['rfc8068', 'dialects'] as const) {
      const files = await readdir(new URL(`../../../sipp-scenarios/${folderName}/`, import.meta.url))
      const names = files.filter((file) => file.endsWith('.xml')).map((file) => file.slice(0, -'.xml'.length))
      expect(names.toSorted()).toEqual(
        SCENARIO_NAMES.filter((name) => SCENARIOS[name].folder === folderName).toSorted(),
      )
    }
  })

  it.each(['rfc8068', 'dialects'])('of %s come with an injection file for running them by hand', async (folderName) => {
    const csv = await readFile(
      new URL(`../../../sipp-scenarios/${folderName}/identifiers.csv`, import.meta.url),
      'utf8',
    )
    const columns = identifierLines(1, new Date('2026-11-23T12:00:00Z')).split('\n')[1]?.split(';').length
    expect(csv.split('\n')[1]?.split(';')).toHaveLength(columns ?? 0)
  })

  it('get identifiers that two lines share only where two dialogs belong together', () => {
    const lines = identifierLines(4, new Date('2026-11-23T12:00:00Z'))
      .split('\n')
      .slice(1, 5)
      .map((line) => line.split(';'))
    expect(lines.map((fields) => fields[28])).toEqual(['near', 'far', 'near', 'far'])
    expect(lines[0]?.[25]).toBe(lines[1]?.[25])
    expect(lines[2]?.[25]).not.toBe(lines[1]?.[25])
    expect(new Set(lines.map((fields) => fields[0])).size).toBe(4)
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
