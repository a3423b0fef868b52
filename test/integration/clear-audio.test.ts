import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { encodePcma, encodePcmu } from '../../src/media/g711.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { shippedSpeech } from '../support/recorded.ts'
import { simulate } from '../support/simulated.ts'

/** No clear audio on disk at any time: the whole data folder is searched while a recording session runs, and after. */
let dataDir: string
let daemon: RunningDaemon

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_CHUNK_SECONDS: '2' })
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

/** Signatures of Ogg and Opus, and stretches of the speech itself as linear, mu-law and A-law samples. */
async function signatures(): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map([
    ['Ogg page', Buffer.from('OggS')],
    ['Opus header', Buffer.from('OpusHead')],
    ['Opus tags', Buffer.from('OpusTags')],
    ['WAV header', Buffer.from('WAVEfmt ')],
  ])
  for (const [index, speech] of (await shippedSpeech()).entries()) {
    const from = loudestAt(speech, 64)
    const stretch = speech.slice(from, from + 64)
    found.set(`linear samples of speaker ${index}`, Buffer.from(stretch.buffer))
    found.set(`mu-law samples of speaker ${index}`, Buffer.from(encodePcmu(stretch)))
    found.set(`A-law samples of speaker ${index}`, Buffer.from(encodePcma(stretch)))
  }
  return found
}

/** Silence is in every file; where the speech is loudest its samples are like no other. */
function loudestAt(samples: Int16Array, length: number): number {
  let best = 0
  let bestEnergy = 0
  for (let from = 0; from + length <= samples.length; from += length) {
    let energy = 0
    for (let index = from; index < from + length; index += 1) energy += (samples[index] ?? 0) ** 2
    if (energy > bestEnergy) [best, bestEnergy] = [from, energy]
  }
  return best
}

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function search(): Promise<{ readonly found: readonly string[]; readonly bytes: number }> {
  const wanted = await signatures()
  const found: string[] = []
  let bytes = 0
  for (const path of await filesUnder(dataDir)) {
    // A file may be renamed or removed while we look; what is gone holds nothing.
    const content = await readFile(path).catch(() => Buffer.alloc(0))
    bytes += content.length
    for (const [name, signature] of wanted) {
      if (content.includes(signature)) found.push(`${name} in ${path}`)
    }
  }
  return { found, bytes }
}

test('neither during nor after a recording session', async () => {
  const session = simulate(daemon, '--calls', '2', '--duration', '9s')
  await eventually('the first chunks', async () => {
    const names = await filesUnder(join(dataDir, 'recordings'))
    return names.filter((name) => name.includes('chunk-')).length >= 4 ? true : undefined
  })
  const during = await search()
  expect(await session).toMatchObject({ code: 0 })
  await closedRecordings(daemon, 2)
  const after = await search()
  expect(during.found).toEqual([])
  expect(after.found).toEqual([])
  expect(after.bytes).toBeGreaterThan(10_000)
})

test('the search finds what it looks for', async () => {
  const [speech] = await shippedSpeech()
  const wanted = await signatures()
  const clear = Buffer.concat([Buffer.from('....OggS....OpusHead'), encodePcmu(speech), Buffer.from(speech.buffer)])
  const hits = [...wanted].filter(([, signature]) => clear.includes(signature)).map(([name]) => name)
  expect(hits).toContain('mu-law samples of speaker 0')
  expect(hits).toContain('linear samples of speaker 0')
  expect(hits).toContain('Ogg page')
})
