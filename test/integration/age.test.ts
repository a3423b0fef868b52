import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { generateIdentity } from '../../src/evidence/age-keys.ts'
import { openSealed } from '../../src/evidence/age-open.ts'
import { sealToRecipients } from '../../src/evidence/age-seal.ts'
import { signManifest } from '../../src/evidence/manifest.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../src/evidence/running-hash.ts'
import { verifyRecording } from '../../src/evidence/verify.ts'
import { FolderStore } from '../../src/server/storage/folder-store.ts'
import { loadOrCreateSigner, loadOrCreateVault } from '../../src/server/storage/key-files.ts'
import { objectKey, recordingPrefix } from '../../src/server/storage/layout.ts'
import { recordingObjects } from '../../src/server/storage/object-store.ts'
import { RECORDING_ID, sampleRecording, sha256, vectorFile } from '../vectors/evidence/sample-recording.ts'

// Nothing of ours opens or checks anything in this file: only what an auditor installs from a distribution.
const run = promisify(execFile)
const PIECE = 64 * 1024

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-age-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function openWithAge(sealedFile: string, identityFile: string): Promise<Buffer> {
  const { stdout } = await run('age', ['-d', '-i', identityFile, sealedFile], {
    encoding: 'buffer',
    maxBuffer: 2 ** 26,
  })
  return stdout
}

describe('the age command of the distribution', () => {
  it.each([0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])(
    'opens %d bytes with the vault file as it was made',
    async (length) => {
      const vault = await loadOrCreateVault(join(folder, 'keys'))
      const clear = randomBytes(length)
      const file = join(folder, `sealed-${length}.age`)
      await writeFile(file, sealToRecipients(clear, [vault.recipient], randomBytes))
      expect((await openWithAge(file, vault.identityFile)).equals(clear)).toBe(true)
    },
  )

  it('opens the recording’s key with each of two vault keys, and then a chunk with that key', async () => {
    const vaults = await Promise.all(['compliance', 'escrow'].map((name) => loadOrCreateVault(join(folder, name))))
    const recording = generateIdentity(randomBytes)
    const chunk = vectorFile('recording-1/clear/chunk-000000.ogg')
    const recipients = vaults.map(({ recipient }) => recipient)
    await writeFile(
      join(folder, 'key.age'),
      sealToRecipients(Buffer.from(`${recording.identity}\n`), recipients, randomBytes),
    )
    await writeFile(join(folder, 'chunk.age'), sealToRecipients(chunk, [recording.recipient], randomBytes))
    for (const { identityFile } of vaults) {
      await writeFile(join(folder, 'recording.agekey'), await openWithAge(join(folder, 'key.age'), identityFile))
      expect((await openWithAge(join(folder, 'chunk.age'), join(folder, 'recording.agekey'))).equals(chunk)).toBe(true)
    }
  })

  it('refuses the vault key of somebody else', async () => {
    const [mine, theirs] = [
      await loadOrCreateVault(join(folder, 'mine')),
      await loadOrCreateVault(join(folder, 'theirs')),
    ]
    await writeFile(join(folder, 'foreign.age'), sealToRecipients(randomBytes(9), [theirs.recipient], randomBytes))
    await expect(openWithAge(join(folder, 'foreign.age'), mine.identityFile)).rejects.toThrow(/no identity matched/)
  })

  it('derives the same recipient from our identity file, and we open what it sealed', async () => {
    const vault = await loadOrCreateVault(join(folder, 'keys'))
    const { stdout } = await run('age-keygen', ['-y', vault.identityFile])
    expect(stdout.trim()).toBe(vault.recipient)
    const clear = join(folder, 'clear')
    await writeFile(clear, 'from the command')
    await run('age', ['-r', vault.recipient, '-o', join(folder, 'theirs.age'), clear])
    const identity = (await readFile(vault.identityFile, 'utf8')).split('\n').find((line) => !line.startsWith('#'))
    const opened = await openSealed(await readFile(join(folder, 'theirs.age')), [identity ?? ''])
    expect(opened.ok && Buffer.from(opened.value).toString()).toBe('from the command')
  })
})

describe('openssl and sha256sum', () => {
  it('verify a manifest with the public file that the recorder left, and refuse it after one flipped bit', async () => {
    const signer = await loadOrCreateSigner(join(folder, 'keys'))
    const { body } = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [] })
    const [header, payload, signature] = (await signManifest(body, signer.signingKey)).split('.')
    const signedFile = join(folder, 'signed')
    const signatureFile = join(folder, 'signature')
    await writeFile(signatureFile, Buffer.from(signature ?? '', 'base64url'))
    const verify = ['pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', signer.publicKeyFile, '-in', signedFile]
    await writeFile(signedFile, `${header}.${payload}`)
    const { stdout } = await run('openssl', [...verify, '-sigfile', signatureFile])
    expect(stdout).toContain('Signature Verified Successfully')
    await writeFile(signedFile, `${header}.${payload?.slice(0, -1)}${payload?.endsWith('A') ? 'B' : 'A'}`)
    await expect(run('openssl', [...verify, '-sigfile', signatureFile])).rejects.toThrow(/Command failed/)
  })

  it('read our private signer file', async () => {
    const signer = await loadOrCreateSigner(join(folder, 'keys'))
    const { stdout } = await run('openssl', ['pkey', '-in', signer.keyFile, '-pubout'])
    expect(stdout).toBe(signer.publicKeyPem)
  })

  it('repeat the running hash as FORMAT.md says', async () => {
    const chunk = sha256(Buffer.from('chunk'))
    const script = `printf 'earwitness-chunk-chain/1\\n%s\\n%s\\n' "$1" "$2" | sha256sum`
    const { stdout } = await run('sh', ['-c', script, 'sh', RUNNING_HASH_START, chunk])
    expect(stdout.slice(0, 64)).toBe(nextRunningHash('chunk', RUNNING_HASH_START, chunk))
  })
})

it('a recording in a folder is verified there, and tampering on disk is found', async () => {
  const recording = await sampleRecording({
    chunks: [randomBytes(1_000), randomBytes(1_000)],
    snapshots: [randomBytes(50)],
  })
  const signer = await loadOrCreateSigner(join(folder, 'keys'))
  const store = new FolderStore(join(folder, 'objects'))
  const prefix = recordingPrefix('default', RECORDING_ID)
  recording.objects.set('manifest.jws', Buffer.from(await signManifest(recording.body, signer.signingKey)))
  for (const [name, bytes] of recording.objects) await store.put(objectKey(prefix, name), bytes)
  const options = { recordingId: RECORDING_ID, objects: recordingObjects(store, prefix), keys: [signer.verifyKey] }
  expect(await verifyRecording(options)).toMatchObject({ verified: true })
  const path = join(folder, 'objects', prefix, 'chunk-000001.age')
  const bytes = await readFile(path)
  bytes[300] = (bytes[300] ?? 0) ^ 1
  await writeFile(path, bytes)
  await writeFile(join(folder, 'objects', prefix, 'Extra File'), 'x')
  const { findings } = await verifyRecording(options)
  expect(findings.map(({ code, name }) => `${code} ${name}`)).toEqual([
    'object-added Extra File',
    'chunk-changed chunk-000001.age',
  ])
})
