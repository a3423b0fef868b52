import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { objectFolder } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'

/** What was stored is changed behind the recorder's back; `verify` must say so, and say which object. */
let dataDir: string
let daemon: RunningDaemon
let recordingId: string
let folder: string
let pristine: string

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_CHUNK_SECONDS: '2' })
  recordingId = await simulatedRecording(daemon, '--duration', '7s')
  folder = objectFolder(daemon, recordingId)
  pristine = join(await mkdtemp(join(dataDir, 'pristine-')), 'objects')
  await cp(folder, pristine, { recursive: true })
})

beforeEach(async () => {
  await rm(folder, { recursive: true })
  await cp(pristine, folder, { recursive: true })
})

afterAll(async () => {
  await daemon.stop()
  await removeDataDir(dataDir)
})

/** `verify --json`: the exit code and the findings as `code name`. */
async function verify(): Promise<{ code: number; findings: readonly string[]; text: string }> {
  const { code, stdout } = await daemon.command('verify', recordingId, '--json')
  const verdict = JSON.parse(stdout) as { findings: { code: string; name?: string; sentence: string }[] }
  return {
    code,
    findings: verdict.findings.map((finding) => `${finding.code} ${finding.name ?? ''}`.trim()),
    text: (await daemon.command('verify', recordingId)).stdout,
  }
}

async function flipByte(name: string, at: (length: number) => number): Promise<void> {
  const path = join(folder, name)
  const bytes = await readFile(path)
  const index = at(bytes.length)
  bytes[index] = (bytes[index] ?? 0) ^ 1
  await writeFile(path, bytes)
}

async function chunkNames(): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('chunk-')).toSorted()
}

test('an untouched recording verifies', async () => {
  expect(await verify()).toMatchObject({ code: 0, findings: [] })
  expect((await chunkNames()).length).toBeGreaterThanOrEqual(3)
})

describe('one flipped byte', () => {
  test.each([
    ['first', () => 0],
    ['middle', (length: number) => length >> 1],
    ['last', (length: number) => length - 1],
  ])('in the %s byte of any chunk is found and the chunk named', async (_where, at) => {
    for (const name of await chunkNames()) {
      await flipByte(name, at)
      const { code, findings, text } = await verify()
      expect(code).toBe(3)
      expect(findings).toContain(`chunk-changed ${name}`)
      expect(text).toContain(name)
      await cp(join(pristine, name), join(folder, name))
    }
  })

  test('in the wrapped key is found', async () => {
    await flipByte('key.age', (length) => length - 1)
    expect(await verify()).toMatchObject({ code: 3, findings: ['key-changed key.age'] })
  })

  test('in a metadata snapshot is found', async () => {
    await flipByte('metadata-000.age', (length) => length - 1)
    expect(await verify()).toMatchObject({ code: 3, findings: ['snapshot-changed metadata-000.age'] })
  })
})

test('a removed chunk is found and named', async () => {
  await rm(join(folder, 'chunk-000001.age'))
  expect(await verify()).toMatchObject({ code: 3, findings: ['chunk-missing chunk-000001.age'] })
})

test('two swapped chunks are found and both named', async () => {
  await rename(join(folder, 'chunk-000000.age'), join(folder, 'held'))
  await rename(join(folder, 'chunk-000001.age'), join(folder, 'chunk-000000.age'))
  await rename(join(folder, 'held'), join(folder, 'chunk-000001.age'))
  const { code, findings } = await verify()
  expect(code).toBe(3)
  expect(findings).toEqual(['chunk-swapped chunk-000000.age', 'chunk-swapped chunk-000001.age'])
})

test('an added chunk is found and named', async () => {
  const last = (await chunkNames()).at(-1) ?? ''
  const added = `chunk-${String((await chunkNames()).length).padStart(6, '0')}.age`
  await cp(join(folder, last), join(folder, added))
  const { code, findings } = await verify()
  expect(code).toBe(3)
  expect(findings.some((finding) => finding.endsWith(added))).toBe(true)
})

test('an added chunk is not exported as if it were part of the recording, a changed one stops the export', async () => {
  const names = await chunkNames()
  const file = (name: string): string => join(dataDir, name)
  expect(await daemon.command('export', recordingId, '-o', file('before.ogg'))).toMatchObject({ code: 0 })
  await cp(join(folder, names[0] ?? ''), join(folder, `chunk-${String(names.length).padStart(6, '0')}.age`))
  expect(await daemon.command('export', recordingId, '-o', file('after.ogg'))).toMatchObject({ code: 0 })
  expect((await readFile(file('after.ogg'))).equals(await readFile(file('before.ogg')))).toBe(true)
  await flipByte(names[1] ?? '', (length) => length - 1)
  const refused = await daemon.command('export', recordingId, '-o', file('changed.ogg'))
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('chunk-unreadable')
})

test('an edited manifest is found', async () => {
  const path = join(folder, 'manifest.jws')
  const [header, payload = '', signature] = (await readFile(path, 'utf8')).split('.')
  const body = Buffer.from(payload, 'base64url').toString('utf8').replace('"endCause":"bye"', '"endCause":"noAck"')
  expect(body).toContain('noAck')
  await writeFile(path, [header, Buffer.from(body).toString('base64url'), signature].join('.'))
  const { code, findings } = await verify()
  expect(code).toBe(3)
  expect(findings.some((finding) => finding.startsWith('manifest-'))).toBe(true)
})

test('a missing manifest is found', async () => {
  await rm(join(folder, 'manifest.jws'))
  const { code, findings } = await verify()
  expect(code).toBe(3)
  expect(findings).toContain('manifest-missing manifest.jws')
})
