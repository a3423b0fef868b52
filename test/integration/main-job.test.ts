import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { readWav } from '../../src/media/wav.ts'
import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import {
  exportedChannels,
  manifestOf,
  matchChannels,
  matchWindows,
  SAMPLES_PER_MS,
  shippedSpeech,
} from '../support/recorded.ts'
import { runScenario } from '../support/sipp-scenario.ts'

/** One recording session is made by SIPp with real RTP, then everything about it is looked at from outside. */
let dataDir: string
let folder: string
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await mkdtemp(join(tmpdir(), 'earwitness-sipp-'))
  daemon = await startDaemon(dataDir)
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
  await rm(folder, { recursive: true, force: true })
})

/** Runs a scenario and gives the one recording it made. */
async function record(
  scenario: Parameters<typeof runScenario>[0]['scenario'],
  options: Partial<Parameters<typeof runScenario>[0]> & { readonly transport?: 'udp' | 'tcp' } = {},
) {
  const { transport = 'udp', ...rest } = options
  const before = new Set((await closedRecordings(daemon, 0)).map(({ recordingId }) => recordingId))
  const run = await runScenario({
    scenario,
    target: { transport, address: '127.0.0.1', port: transport === 'udp' ? daemon.sipUdpPort : daemon.sipTcpPort },
    speech: await shippedSpeech(),
    seed: 20_261_123,
    folder: await mkdtemp(join(folder, 'run-')),
    ...rest,
  })
  // SIPp's error file may hold a warning about a slow machine; what went wrong shows in its exit code.
  if (run.sipp.exitCode !== 0) throw new Error(run.sipp.errors)
  expect(run.sipp).toMatchObject({ exitCode: 0, successful: 1, failed: 0 })
  const closed = await closedRecordings(daemon, before.size + 1)
  const recordingId = closed.find((recording) => !before.has(recording.recordingId))?.recordingId ?? ''
  return { ...run, recordingId, manifest: await manifestOf(daemon, recordingId) }
}

describe.each(['udp', 'tcp'] as const)('SIPp records two media streams over %s', (transport) => {
  let recorded: Awaited<ReturnType<typeof record>>
  let channels: readonly Int16Array[]

  beforeAll(async () => {
    recorded = await record('basic-two-streams', { transport, codec: transport === 'udp' ? 'PCMU' : 'PCMA' })
    channels = await exportedChannels(daemon, recorded.recordingId, { folder })
  })

  test('the caller is on the first channel and the callee on the second', () => {
    const sent = recorded.prepared.streams.map(({ heard }) => heard)
    const [straight, crossed] = [matchChannels(sent, channels), matchChannels(sent.toReversed(), channels)]
    expect(straight.map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
    expect(crossed.map(({ correlation }) => correlation < 0.3)).toEqual([true, true])
  })

  test('the exported audio is as long as what was sent, within 40 ms', () => {
    const sentSamples = Math.max(...recorded.prepared.streams.map(({ heard }) => heard.length))
    const heardSamples = channels[0]?.length ?? 0
    // A SIPp that was not scheduled for a while sends everything later from then on: that time is a gap in the record, and silence.
    const { gapSamples } = recorded.manifest.streams[0]?.ledger ?? { gapSamples: { noMedia: 0 } }
    const stalledSamples = (gapSamples.noMedia * SAMPLES_PER_MS) / 48
    const tooMany = heardSamples - sentSamples
    const errorSamples = Math.min(Math.abs(tooMany), Math.abs(tooMany - stalledSamples))
    expect(errorSamples / SAMPLES_PER_MS).toBeLessThanOrEqual(40)
  })

  test('the channels stay within 20 ms of each other', () => {
    const sent = recorded.prepared.streams.map(({ heard }) => heard)
    const [caller, callee] = matchChannels(sent, channels)
    expect(Math.abs((caller?.lag ?? 0) - (callee?.lag ?? Infinity)) / SAMPLES_PER_MS).toBeLessThanOrEqual(20)
  })

  test('nothing is lost, nothing is a gap inside the audio', () => {
    for (const stream of recorded.manifest.streams) {
      expect(stream.packets).toMatchObject({ lost: 0, late: 0, duplicate: 0 })
      expect(stream.gaps.filter(({ cause }) => cause === 'lost')).toEqual([])
      const { audioSamples, gapSamples } = stream.ledger
      const gaps = Object.values(gapSamples).reduce((sum, samples) => sum + samples, 0)
      expect(audioSamples + gaps).toBe(recorded.manifest.durationSamples)
    }
  })

  test('each participant of the metadata is on a channel of its own', () => {
    const participants = recorded.manifest.streams.map(({ participantIds }) => participantIds)
    expect(participants.map((ids) => ids.length)).toEqual([1, 1])
    expect(participants[0]).not.toEqual(participants[1])
  })

  test('verify says yes', async () => {
    const verified = await daemon.command('verify', recorded.recordingId)
    expect(verified).toMatchObject({ code: 0 })
  })

  test('the WAV export holds the same', async () => {
    const wav = await exportedChannels(daemon, recorded.recordingId, { folder, format: 'wav' })
    expect(
      matchChannels(channels, wav).map(({ correlation, lag }) => [correlation > 0.95, Math.abs(lag) <= 8]),
    ).toEqual([
      [true, true],
      [true, true],
    ])
  })

  test('the mixed export holds both participants in one channel', async () => {
    const [mixed, ...others] = await exportedChannels(daemon, recorded.recordingId, { folder, layout: 'mixed' })
    expect(others).toEqual([])
    const sent = recorded.prepared.streams.map(({ heard }) => heard)
    const sum = Int16Array.from(sent[0] ?? [], (sample, index) => (sample + (sent[1]?.[index] ?? 0)) / 2)
    const match = matchWindows(sum, mixed ?? new Int16Array(0))
    expect(match.correlation).toBeGreaterThan(0.75)
  })
})

describe('5 % loss, 60 ms jitter, reordering and duplicates', () => {
  let recorded: Awaited<ReturnType<typeof record>>
  let channels: readonly Int16Array[]

  beforeAll(async () => {
    recorded = await record('basic-two-streams', {
      impairment: { lossFraction: 0.05, jitterUs: 60_000, reorderFraction: 0.02, duplicateFraction: 0.02 },
    })
    channels = await exportedChannels(daemon, recorded.recordingId, { folder })
  })

  test('duration and alignment hold', () => {
    const sent = recorded.prepared.streams.map(({ heard }) => heard)
    const matches = sent.map((samples, index) => matchWindows(samples, channels[index] ?? new Int16Array(0)))
    expect(matches.map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
    const lagsMs = matches.flatMap((match) => match.lagsMs)
    expect(lagsMs.length).toBeGreaterThan(10)
    expect(Math.max(...lagsMs) - Math.min(...lagsMs)).toBeLessThanOrEqual(20)
    const sentSamples = Math.max(...sent.map(({ length }) => length))
    expect(Math.abs((channels[0]?.length ?? 0) - sentSamples) / SAMPLES_PER_MS).toBeLessThanOrEqual(40)
  })

  test('the gap list adds up to the lost time, and nothing is counted twice', () => {
    recorded.prepared.streams.forEach((sent, index) => {
      const stream = recorded.manifest.streams[index]
      const [part] = sent.parts
      // Loss before the first or after the last packet that arrived cannot be seen by any receiver.
      const indexes = part?.sent.map((packet) => packet.index) ?? []
      const [first, last] = [Math.min(...indexes), Math.max(...indexes)]
      const visible = part?.lost.filter((packet) => packet.index > first && packet.index < last).length ?? 0
      const copies = part?.sent.filter(({ copy }) => copy).length ?? 0
      expect(visible).toBeGreaterThan(5)
      expect(stream?.packets).toMatchObject({ lost: visible, late: 0, duplicate: copies })
      const lostGaps = stream?.gaps.filter(({ cause }) => cause === 'lost') ?? []
      const lostSamples = lostGaps.reduce((sum, gap) => sum + gap.toSample - gap.fromSample, 0)
      expect(lostSamples).toBe(visible * 960)
      expect(stream?.ledger.gapSamples.lost).toBe(lostSamples)
    })
  })

  test('says where packets were lost, and leaves out what was made up for them when asked', async () => {
    const { recordingId, manifest } = recorded
    const filled = join(folder, 'filled.wav')
    const received = join(folder, 'received.wav')
    const labels = join(folder, 'labels.txt')
    const told = await daemon.command('export', recordingId, '-o', filled)
    expect(told.stderr).toMatch(/note: \d+\.\d\d s were lost and are filled with a signal that the recorder made up/)
    const options = ['--received-only', '--labels', labels]
    expect(await daemon.command('export', recordingId, '-o', received, ...options)).toMatchObject({ code: 0 })
    const gaps = manifest.streams.flatMap((stream) => stream.gaps)
    const lines = (await readFile(labels, 'utf8')).trimEnd().split('\n')
    expect(lines.filter((line) => line.includes('channel'))).toHaveLength(gaps.length)
    const withFilling = readWav(Uint8Array.from(await readFile(filled)))
    const without = readWav(Uint8Array.from(await readFile(received)))
    if (!withFilling.ok || !without.ok) throw new Error('no WAV')
    let signal = 0
    for (const { channel, gaps: own } of manifest.streams) {
      for (const { cause, fromSample, toSample } of own) {
        if (cause !== 'lost') continue
        const factor = without.value.sampleRate / 48_000
        const place = [Math.ceil(fromSample * factor), Math.floor(toSample * factor)] as const
        expect(without.value.channels[channel]?.subarray(...place).every((sample) => sample === 0)).toBe(true)
        signal +=
          withFilling.value.channels[channel]?.subarray(...place).reduce((sum, one) => sum + Math.abs(one), 0) ?? 0
      }
    }
    expect(signal).toBeGreaterThan(0)
  })

  test('the gaps are where the packets were missing', () => {
    recorded.prepared.streams.forEach((sent, index) => {
      const lostGaps = recorded.manifest.streams[index]?.gaps.filter(({ cause }) => cause === 'lost') ?? []
      const middlesMs = sent.lostAt.map((sample) => sample / SAMPLES_PER_MS + 10)
      const named = lostGaps.map((gap) => [gap.fromSample / 48 - 20, gap.toSample / 48 + 20] as const)
      const found = middlesMs.filter((ms) => named.some(([from, to]) => ms >= from && ms <= to))
      expect(found.length / middlesMs.length).toBeGreaterThan(0.9)
    })
  })
})

describe('the other flows of RFC 8068', () => {
  test('hold and resume: time goes on, and the interval is in the record as held', async () => {
    const { recordingId, prepared, manifest } = await record('hold-resume')
    const channels = await exportedChannels(daemon, recordingId, { folder })
    const matches = matchChannels(
      prepared.streams.map(({ heard }) => heard),
      channels,
    )
    expect(matches.map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
    for (const stream of manifest.streams) {
      const held = stream.gaps.filter(({ cause }) => cause === 'held')
      expect(held.length).toBe(1)
      const heldMs = ((held[0]?.toSample ?? 0) - (held[0]?.fromSample ?? 0)) / 48
      expect(heldMs).toBeGreaterThan(2_900)
    }
    expect(await daemon.command('verify', recordingId)).toMatchObject({ code: 0 })
  })

  test('a participant change is a second snapshot, and the new participant is named', async () => {
    const { recordingId, manifest } = await record('participant-change')
    expect(manifest.snapshots.length).toBe(2)
    expect(manifest.participants.length).toBe(3)
    const { stdout } = await daemon.command('recordings', 'show', recordingId, '--json')
    expect(JSON.parse(stdout)).toMatchObject({ recordingId })
  })

  test('metadata in the BYE is kept', async () => {
    const { manifest } = await record('bye-with-metadata')
    expect(manifest.snapshots.length).toBe(2)
    expect(manifest.snapshots.every(({ valid }) => valid)).toBe(true)
  })
})
