import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod, link, mkdir, readFile, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import {
  generateIdentity,
  identityFileText,
  parseIdentityFile,
  parseRecipient,
  recipientOfIdentity,
} from '../../evidence/age-keys.ts'
import { readSigningKey, readVerifyKey, type SigningKey, type VerifyKey } from '../../evidence/signer-keys.ts'
import { nodeFiles } from './file-operations.ts'
import { errnoOf } from './storage-error.ts'

export const SIGNER_FILE = 'signer.pem'
export const SIGNER_PUBLIC_FILE = 'signer.pub.pem'
export const VAULT_IDENTITY_FILE = 'vault.agekey'
export const VAULT_RECIPIENT_FILE = 'vault.recipient'
/** No key file is longer. */
export const KEY_FILE_BYTES_MAX = 64 * 1024

const PRIVATE_MODE = 0o600
const PUBLIC_MODE = 0o644
const OTHERS_MASK = 0o077

export interface SignerFiles {
  readonly signingKey: SigningKey
  readonly verifyKey: VerifyKey
  readonly publicKeyPem: string
  readonly keyFile: string
  readonly publicKeyFile: string
  readonly created: boolean
  /** Somebody besides the owner may read the private key: worth a warning. */
  readonly exposed: boolean
}

export interface VaultFiles {
  readonly recipient: string
  readonly recipientFile: string
  readonly identityFile: string
  readonly created: boolean
  /** The private half still lies beside the recorder, which does not need it: worth a loud notice. */
  readonly identityPresent: boolean
}

/** Loads the recorder's signing key pair out of `keysDir`, or makes it the first time. */
export async function loadOrCreateSigner(keysDir: string): Promise<SignerFiles> {
  const keyFile = join(keysDir, SIGNER_FILE)
  let created = false
  if ((await readText(keyFile)) === undefined) {
    const { privateKey } = generateKeyPairSync('ed25519')
    created = await createFile(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), PRIVATE_MODE)
  }
  return { ...(await loadSigner(keyFile)), created }
}

/** Loads the signing key pair from its private file; the public file beside it is written when it is missing. */
export async function loadSigner(keyFile: string): Promise<SignerFiles> {
  const pem = await requireText(keyFile, 'signer')
  const signingKey = await readSigningKey(pem)
  if (!signingKey.ok) {
    throw new EarwitnessError(
      'signer-invalid',
      `This is not the private Ed25519 key of a signer: ${keyFile}`,
      'It must be an unencrypted PKCS #8 PEM file; `openssl genpkey -algorithm ed25519` writes one.',
    )
  }
  const publicKeyPem = createPublicKey(pem).export({ format: 'pem', type: 'spki' }).toString()
  const verifyKey = await readVerifyKey(publicKeyPem)
  if (!verifyKey.ok) throw new Error('The public half of a valid Ed25519 key could not be read.')
  const publicKeyFile = publicFileBeside(keyFile)
  await writeOrCompare(publicKeyFile, publicKeyPem, async (text) => {
    const existing = await readVerifyKey(text)
    return existing.ok && existing.value.keyId === verifyKey.value.keyId
  })
  const exposed = await isExposed(keyFile)
  const keys = { signingKey: signingKey.value, verifyKey: verifyKey.value }
  return { ...keys, publicKeyPem, keyFile, publicKeyFile, created: false, exposed }
}

/**
 * Loads the vault's recipient out of `keysDir`, or makes a vault key pair the first time.
 *
 * Once `vault.recipient` is there, `vault.agekey` is never needed and never made again: it should be moved away.
 */
export async function loadOrCreateVault(
  keysDir: string,
  options: { readonly nowUnixMs?: () => number } = {},
): Promise<VaultFiles> {
  const identityFile = join(keysDir, VAULT_IDENTITY_FILE)
  const recipientFile = join(keysDir, VAULT_RECIPIENT_FILE)
  const stored = await readText(recipientFile)
  if (stored !== undefined) {
    const recipient = requireRecipient(stored, recipientFile)
    return { recipient, recipientFile, identityFile, created: false, identityPresent: await exists(identityFile) }
  }
  let created = false
  if (!(await exists(identityFile))) {
    created = await createVaultIdentity(identityFile, options.nowUnixMs ?? Date.now)
  }
  const [identity] = await loadIdentities(identityFile)
  const recipient = recipientOfIdentity(identity ?? '')
  if (!recipient.ok) throw new Error('The recipient of a valid identity could not be derived.')
  await writeOrCompare(recipientFile, `${recipient.value}\n`, (text) => text.trim() === recipient.value)
  return { recipient: recipient.value, recipientFile, identityFile, created, identityPresent: true }
}

/**
 * Writes a new vault identity in the text format of `age-keygen`, readable by its owner alone; false when there is one
 * already, which is left as it is.
 */
export async function createVaultIdentity(identityFile: string, nowUnixMs: () => number): Promise<boolean> {
  const pair = generateIdentity((length) => randomBytes(length))
  // Seconds are enough, and age-keygen writes no more.
  const createdAt = new Date(nowUnixMs()).toISOString().replace(/\.\d+Z$/, 'Z')
  return createFile(identityFile, identityFileText({ ...pair, createdAt }), PRIVATE_MODE)
}

/** The identities in an age identity file, for those who may listen. */
export async function loadIdentities(file: string): Promise<readonly string[]> {
  const identities = parseIdentityFile(await requireText(file, 'identity'))
  if (identities.ok) return identities.value
  throw new EarwitnessError(
    'identity-invalid',
    `This is not an age identity file (${identities.reason}): ${file}`,
    'It must hold a line that begins with AGE-SECRET-KEY-1, as `earwitness keygen` and `age-keygen` write it.',
  )
}

/** The public key that manifests are verified with, as `signer.pub.pem`. */
export async function loadVerifyKey(file: string): Promise<VerifyKey> {
  const key = await readVerifyKey(await requireText(file, 'signer'))
  if (key.ok) return key.value
  throw new EarwitnessError(
    'signer-invalid',
    `This is not the public Ed25519 key of a signer: ${file}`,
    'Give the file signer.pub.pem of the recorder: a PEM file that begins with -----BEGIN PUBLIC KEY-----.',
  )
}

function requireRecipient(text: string, file: string): string {
  const recipient = text.trim()
  const parsed = parseRecipient(recipient)
  if (parsed.ok) return recipient
  throw new EarwitnessError(
    'vault-recipient-invalid',
    `This is not an age X25519 recipient (${parsed.reason}): ${file}`,
    'It must hold one line that begins with age1; `age-keygen -y vault.agekey` prints it.',
  )
}

/** `signer.pem` → `signer.pub.pem` */
function publicFileBeside(keyFile: string): string {
  return keyFile.endsWith('.pem') ? `${keyFile.slice(0, -'.pem'.length)}.pub.pem` : `${keyFile}.pub.pem`
}

/** A public file that contradicts its private one would make every later verification fail: better to stop now. */
async function writeOrCompare(
  file: string,
  text: string,
  isSame: (existing: string) => boolean | Promise<boolean>,
): Promise<void> {
  const existing = await readText(file)
  if (existing === undefined) {
    // A folder of secrets may be mounted read-only; the public half can be derived again whenever it is needed.
    await createFile(file, text, PUBLIC_MODE).catch((error: unknown) => {
      if (!(error instanceof EarwitnessError && error.code === 'key-file-unwritable')) throw error
    })
    return
  }
  if (await isSame(existing)) return
  throw new EarwitnessError(
    'key-pair-mismatch',
    `This public file does not belong to the private key beside it: ${file}`,
    'Put the right private key back, or move the public file away to have it written again.',
  )
}

async function requireText(file: string, what: string): Promise<string> {
  const text = await readText(file)
  if (text !== undefined) return text
  throw new EarwitnessError(
    'key-file-missing',
    `There is no ${what} key file ${file}.`,
    'Check the path; `earwitness keygen` makes new keys.',
  )
}

async function readText(file: string): Promise<string | undefined> {
  try {
    if ((await stat(file)).size > KEY_FILE_BYTES_MAX) {
      throw new EarwitnessError('key-file-invalid', `This is too long for a key file: ${file}`, 'Check the path.')
    }
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (error instanceof EarwitnessError) throw error
    throw new EarwitnessError(
      'key-file-unreadable',
      `The key file cannot be read (${errnoOf(error)}): ${file}`,
      'Give the user that runs this command read permission on it and on the folders above it.',
      { cause: error },
    )
  }
}

async function exists(file: string): Promise<boolean> {
  return (await readText(file)) !== undefined
}

async function isExposed(file: string): Promise<boolean> {
  return ((await stat(file)).mode & OTHERS_MASK) !== 0
}

/**
 * Creates a key file whole or not at all, and never over another one: it is written beside under a name of its own,
 * synced, and linked into place. False when the name is taken.
 */
async function createFile(file: string, text: string, mode: number): Promise<boolean> {
  const incoming = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await nodeFiles.writeNew(incoming, new TextEncoder().encode(text), PRIVATE_MODE)
    await chmod(incoming, mode)
    await link(incoming, file)
    await nodeFiles.syncDirectory(dirname(file))
    // The folder itself may be new: a vault key lost in a power cut would take every recording with it.
    await nodeFiles.syncDirectory(dirname(dirname(file))).catch(() => undefined)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw new EarwitnessError(
      'key-file-unwritable',
      `The key file cannot be written (${errnoOf(error)}): ${file}`,
      'Give the user that runs this command write permission on the folder, and check that the disk is not full.',
      { cause: error },
    )
  } finally {
    await unlink(incoming).catch(() => undefined)
  }
}
