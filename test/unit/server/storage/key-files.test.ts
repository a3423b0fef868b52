import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { parseRecipient } from '../../../../src/evidence/age-keys.ts'
import {
  createVaultIdentity,
  KEY_FILE_BYTES_MAX,
  loadIdentities,
  loadOrCreateSigner,
  loadOrCreateVault,
  loadSigner,
  loadVerifyKey,
} from '../../../../src/server/storage/key-files.ts'
import { vault } from '../../../vectors/evidence/sample-recording.ts'

let folder: string
let keys: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-keys-'))
  keys = join(folder, 'keys')
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof EarwitnessError)) throw new Error(`not an EarwitnessError: ${String(error)}`)
  expect(error.hint).not.toBe('')
  return error.code
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}

describe('the signer', () => {
  it('is made once, with a private half that only its owner may read', async () => {
    const first = await loadOrCreateSigner(keys)
    expect(first).toMatchObject({ created: true, exposed: false })
    expect(first.signingKey.keyId).toBe(first.verifyKey.keyId)
    expect(await modeOf(join(keys, 'signer.pem'))).toBe(0o600)
    expect(await modeOf(join(keys, 'signer.pub.pem'))).toBe(0o644)
    expect(await modeOf(keys)).toBe(0o700)
    const second = await loadOrCreateSigner(keys)
    expect(second).toMatchObject({ created: false, verifyKey: { keyId: first.verifyKey.keyId } })
    expect((await readdir(keys)).toSorted()).toEqual(['signer.pem', 'signer.pub.pem'])
  })

  it('is one and the same for two recorders that start at once', async () => {
    const signers = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateSigner(keys)))
    expect(new Set(signers.map(({ verifyKey }) => verifyKey.keyId)).size).toBe(1)
    expect(signers.filter(({ created }) => created)).toHaveLength(1)
  })

  it('gets its public file back when that was lost', async () => {
    const first = await loadOrCreateSigner(keys)
    await rm(first.publicKeyFile)
    await loadSigner(first.keyFile)
    expect((await loadVerifyKey(first.publicKeyFile)).keyId).toBe(first.verifyKey.keyId)
  })

  it('is not used when the public file beside it is that of another', async () => {
    const { keyFile } = await loadOrCreateSigner(keys)
    const other = await loadOrCreateSigner(join(folder, 'other'))
    await rename(other.publicKeyFile, join(keys, 'signer.pub.pem'))
    expect(await codeOf(loadSigner(keyFile))).toBe('key-pair-mismatch')
  })

  it('is reported when others may read it', async () => {
    const { keyFile } = await loadOrCreateSigner(keys)
    await chmod(keyFile, 0o640)
    expect((await loadSigner(keyFile)).exposed).toBe(true)
  })

  it.each([
    ['empty', ''],
    ['text', 'hello'],
    [
      'an RSA key',
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
    ],
    ['a public key', generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' })],
    [
      'an encrypted key',
      generateKeyPairSync('ed25519').privateKey.export({
        format: 'pem',
        type: 'pkcs8',
        cipher: 'aes-256-cbc',
        passphrase: 'x',
      }),
    ],
  ])('is refused with a hint when its file is %s, and the file is left alone', async (_what, content) => {
    await mkdir(keys)
    await writeFile(join(keys, 'signer.pem'), content)
    expect(await codeOf(loadOrCreateSigner(keys))).toBe('signer-invalid')
    expect(await readFile(join(keys, 'signer.pem'), 'utf8')).toBe(content.toString())
  })
})

describe('the vault', () => {
  it('is made once, in the text format of age-keygen', async () => {
    const made = await loadOrCreateVault(keys, { nowUnixMs: () => Date.parse('2026-11-23T09:00:00.123Z') })
    expect(made).toMatchObject({ created: true, identityPresent: true })
    expect(parseRecipient(made.recipient).ok).toBe(true)
    expect(await modeOf(made.identityFile)).toBe(0o600)
    const lines = (await readFile(made.identityFile, 'utf8')).split('\n')
    expect(lines.slice(0, 2)).toEqual(['# created: 2026-11-23T09:00:00Z', `# public key: ${made.recipient}`])
    expect(await readFile(made.recipientFile, 'utf8')).toBe(`${made.recipient}\n`)
    expect(await loadOrCreateVault(keys)).toEqual({ ...made, created: false })
  })

  it('goes on without its private half once that was moved away, and never makes another', async () => {
    const made = await loadOrCreateVault(keys)
    await rename(made.identityFile, join(folder, 'in-the-safe.agekey'))
    expect(await loadOrCreateVault(keys)).toEqual({ ...made, created: false, identityPresent: false })
    expect(await readdir(keys)).toEqual(['vault.recipient'])
  })

  it('finds its recipient again from the identity', async () => {
    const made = await loadOrCreateVault(keys)
    await rm(made.recipientFile)
    expect(await loadOrCreateVault(keys)).toEqual({ ...made, created: false })
  })

  it('is one and the same for two recorders that start at once', async () => {
    const vaults = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateVault(keys)))
    expect(new Set(vaults.map(({ recipient }) => recipient)).size).toBe(1)
  })

  it.each([
    ['an identity', vault.identity],
    ['a typing error', vault.recipient.slice(0, -1)],
    ['nothing', ''],
  ])('is refused with a hint when its recipient file holds %s', async (_what, content) => {
    await mkdir(keys)
    await writeFile(join(keys, 'vault.recipient'), content)
    expect(await codeOf(loadOrCreateVault(keys))).toBe('vault-recipient-invalid')
  })

  it('never overwrites an identity', async () => {
    const file = join(keys, 'vault.agekey')
    expect(await createVaultIdentity(file, Date.now)).toBe(true)
    const before = await readFile(file, 'utf8')
    expect(await createVaultIdentity(file, Date.now)).toBe(false)
    expect(await readFile(file, 'utf8')).toBe(before)
  })
})

describe('key files that a person names', () => {
  it('are read', async () => {
    const { identityFile } = await loadOrCreateVault(keys)
    expect(await loadIdentities(identityFile)).toHaveLength(1)
  })

  it.each([
    ['missing', undefined, 'key-file-missing'],
    ['no identity file', 'hello', 'identity-invalid'],
    ['far too long', '#'.repeat(KEY_FILE_BYTES_MAX + 1), 'key-file-invalid'],
  ])('are refused with a hint when %s', async (_what, content, code) => {
    const file = join(folder, 'some.agekey')
    if (content !== undefined) await writeFile(file, content)
    expect(await codeOf(loadIdentities(file))).toBe(code)
  })

  it('are refused with a hint when the path is a folder, or leads through a file', async () => {
    expect(await codeOf(loadIdentities(folder))).toBe('key-file-unreadable')
    await writeFile(join(folder, 'file'), '')
    expect(await codeOf(loadIdentities(join(folder, 'file', 'key')))).toBe('key-file-unreadable')
    expect(await codeOf(loadOrCreateSigner(join(folder, 'file')))).toBe('key-file-unreadable')
  })

  it('are refused with a hint when a private key stands where the public one belongs', async () => {
    const { keyFile } = await loadOrCreateSigner(keys)
    expect(await codeOf(loadVerifyKey(keyFile))).toBe('signer-invalid')
  })
})
