import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'
import { probeAudio } from '../support/ffmpeg.ts'
import { manifestOf } from '../support/recorded.ts'
import { startAuthority } from '../support/time-stamping-authority.ts'
import { simulatedRecording } from '../support/simulated.ts'

const run = promisify(execFile)
const README = join(import.meta.dirname, '..', '..', 'README.md')

/** An auditor has a bundle, the signer's public key, `unzip`, `openssl`, `jq` and `age`: the commands of README.md and VERIFY.md, as they stand there. */
let desk: string
let durationSeconds: number

beforeAll(async () => {
  desk = await mkdtemp(join(tmpdir(), 'earwitness-path-'))
  const dataDir = await makeDataDir()
  const authority = await startAuthority()
  const daemon = await startDaemon(dataDir, {
    ...{ EARWITNESS_RECORDING_CHUNK_SECONDS: '2', EARWITNESS_LEDGER_TIMESTAMP_URL: authority.url },
  })
  const recordingId = await simulatedRecording(daemon, '--duration', '5s')
  durationSeconds = (await manifestOf(daemon, recordingId)).durationSamples / 48_000
  // A recorder that stops signs a checkpoint over all it said.
  await daemon.stop()
  for (const [name, options] of [
    ['sealed.zip', []],
    ['opened.zip', ['--decrypted']],
  ] as const) {
    const { code, stderr } = await daemon.command('export', recordingId, '-o', join(desk, name), ...options)
    if (code !== 0) throw new Error(stderr)
  }
  for (const name of ['signer.pub.pem', 'vault.agekey']) await copyFile(join(dataDir, 'keys', name), join(desk, name))
  await copyFile(authority.certificateFile, join(desk, 'tsa.pem'))
  await authority.close()
  await removeDataDir(dataDir)
})

afterAll(async () => {
  await rm(desk, { recursive: true, force: true })
})

/** The commands of a text: its blocks marked `sh`. */
function commandsIn(markdown: string): string {
  const blocks = Array.from(markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm), (match) => match[1] ?? '')
  if (blocks.length === 0) throw new Error('no commands')
  return blocks.join('')
}

/** Runs them in one shell that stops at the first error; what they printed. */
async function shell(folder: string, commands: string): Promise<string> {
  const env = {
    PATH: process.env['PATH'] ?? '',
    SIGNER: join(desk, 'signer.pub.pem'),
    VAULT: join(desk, 'vault.agekey'),
    TSA: join(desk, 'tsa.pem'),
    TMPDIR: desk,
  }
  // pipefail: a decoder that fails must not be hidden by the reader behind it.
  const { stdout } = await run('bash', ['-eu', '-o', 'pipefail', '-c', commands], { cwd: folder, env })
  return stdout
}

async function expectPlays(file: string): Promise<void> {
  const probed = await probeAudio(file)
  expect(probed).toMatchObject({ codecName: 'opus', channels: 2 })
  expect(Math.abs(probed.durationSeconds - durationSeconds)).toBeLessThan(0.04)
}

describe.each(['sealed', 'opened'])('VERIFY.md of a bundle that is %s', (kind) => {
  let folder: string
  let commands: string

  beforeEach(async () => {
    folder = await mkdtemp(join(desk, `${kind}-`))
    await run('unzip', ['-q', join(desk, `${kind}.zip`), '-d', folder])
    commands = commandsIn(await readFile(join(folder, 'VERIFY.md'), 'utf8'))
  })

  test('leads to a verdict and to audio that plays', async () => {
    const printed = await shell(folder, commands)
    expect(printed).toContain('Signature Verified Successfully')
    expect(printed).toContain('Verification: OK')
    expect(printed).toMatch(/ recordingOpened /)
    expect(printed).toMatch(/ recordingClosed /)
    await expectPlays(printed.split('\n').find((line) => line.endsWith('/recording.ogg')) ?? '')
  })
})

describe('VERIFY.md', () => {
  test.each<readonly [string, (folder: string) => Promise<void>]>([
    ['a chunk is changed', (at) => flip(join(at, 'objects', 'chunk-000001.age'))],
    ['metadata is changed', (at) => flip(join(at, 'objects', 'metadata-000.age'))],
    ['a chunk is gone', (at) => rm(join(at, 'objects', 'chunk-000001.age'))],
    [
      'an object is added',
      (at) => copyFile(join(at, 'objects', 'chunk-000000.age'), join(at, 'objects', 'chunk-000099.age')),
    ],
    ['the manifest is changed', (at) => editManifest(join(at, 'objects', 'manifest.jws'))],
    ['the report is changed', (at) => flip(join(at, 'report.html'))],
    ['the list is changed', (at) => editText(join(at, 'bundle.json'), '"opened":', '"opened" :')],
    ['the signature over the list is gone', (at) => rm(join(at, 'bundle.jws'))],
    ['a hash of a proof is changed', (at) => editProof(at, '"inclusion":["', '"inclusion":["A')],
    ['what the ledger says is changed', (at) => editProof(at, '"seq":1}', '"seq":2}')],
  ])('ends with an error when %s', async (_what, change) => {
    const folder = await mkdtemp(join(desk, 'changed-'))
    await run('unzip', ['-q', join(desk, 'sealed.zip'), '-d', folder])
    const commands = commandsIn(await readFile(join(folder, 'VERIFY.md'), 'utf8'))
    await change(folder)
    await expect(shell(folder, commands)).rejects.toThrow()
  })
})

test('an opened bundle with other audio does not pass its VERIFY.md', async () => {
  const folder = await mkdtemp(join(desk, 'forged-'))
  await run('unzip', ['-q', join(desk, 'opened.zip'), '-d', folder])
  await expectPlays(join(folder, 'opened', 'recording.ogg'))
  await flip(join(folder, 'opened', 'recording.ogg'))
  const commands = commandsIn(await readFile(join(folder, 'VERIFY.md'), 'utf8'))
  await expect(shell(folder, commands)).rejects.toThrow()
})

test("the commands of README.md, An auditor's path, do what it says", async () => {
  const folder = join(desk, 'readme')
  await mkdir(folder)
  await copyFile(join(desk, 'sealed.zip'), join(folder, 'recording.zip'))
  for (const name of ['signer.pub.pem', 'vault.agekey']) await copyFile(join(desk, name), join(folder, name))
  const section = (await readFile(README, 'utf8')).split("### An auditor's path\n")[1]?.split('\n## ')[0] ?? ''
  const printed = await shell(folder, commandsIn(section))
  expect(printed).toContain('Signature Verified Successfully')
  const chunks = (await readdir(join(folder, 'recording', 'objects'))).filter((name) => name.startsWith('chunk-'))
  expect(printed.match(/: OK$/gm)).toHaveLength(chunks.length + 1)
  await expectPlays(join(folder, 'heard.ogg'))
})

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  await writeFile(file, bytes)
}

async function editText(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  if (!text.includes(from)) throw new Error(`nothing to edit in ${file}`)
  await writeFile(file, text.replace(from, to))
}

async function editProof(folder: string, from: string, to: string): Promise<void> {
  const [name = ''] = await readdir(join(folder, 'ledger'))
  await editText(join(folder, 'ledger', name), from, to)
}

async function editManifest(file: string): Promise<void> {
  const [header, payload = '', signature] = (await readFile(file, 'utf8')).split('.')
  const body = Buffer.from(payload, 'base64url').toString().replace('"endCause":"bye"', '"endCause":"noAck"')
  await writeFile(file, [header, Buffer.from(body).toString('base64url'), signature].join('.'))
}
