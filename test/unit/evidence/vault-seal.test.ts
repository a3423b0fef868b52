import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../src/errors.ts'
import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { sealedSize } from '../../../src/evidence/age-seal.ts'
import { openNote, sealNote } from '../../../src/evidence/custody/custody-note.ts'
import { CUSTODY_LENGTH_MAX } from '../../../src/evidence/custody/custody-record.ts'
import { openNewestKey, openRecordingKey, SERVICE_KEYS_MAX } from '../../../src/evidence/recording-key.ts'
import { isSealedTo, rewrapKey } from '../../../src/evidence/rewrapped-key.ts'
import { readWrappedKeyHeader, rsaStanzaText } from '../../../src/evidence/rsa-stanza.ts'
import {
  isSealedToService,
  openVaultSealed,
  type VaultIdentity,
  type VaultService,
} from '../../../src/evidence/vault-open.ts'
import { RSA_VAULT_KEYS_MAX, VAULT_PROVIDERS, type VaultProvider } from '../../../src/evidence/vault-recipient.ts'
import { sealToVault } from '../../../src/evidence/vault-seal.ts'
import { verifyRecording } from '../../../src/evidence/verify.ts'
import { accepted, rejected } from '../../../src/result.ts'
import { rsaOpener } from '../../support/rsa-opener.ts'
import {
  newVault,
  readerOf,
  RECORDING_ID,
  rsaVault,
  sampleRecording,
  vault,
  vectorContents,
  vectorFile,
  vectorRandom,
  vectorSigner,
} from '../../vectors/evidence/sample-recording.ts'

const kms = rsaVault['aws-kms']
const transit = rsaVault['vault-transit']
const clear = Buffer.from('a recording’s key\n')
const sealed = sealToVault(clear, [vault.recipient, kms, transit], vectorRandom('sealed'))
const text = Buffer.from(sealed).toString('latin1')
const inLatin1 = (changed: string): Uint8Array => Buffer.from(changed, 'latin1')

describe('sealing to a vault of a key service', () => {
  it('opens with each key of its own, and asks nobody where an age identity opens', async () => {
    const services = VAULT_PROVIDERS.map(rsaOpener)
    for (const service of services)
      expect(await openVaultSealed(sealed, [service])).toEqual(accepted(Uint8Array.from(clear)))
    expect(await openVaultSealed(sealed, [...services, vault.identity])).toMatchObject({ ok: true })
    expect(services.map((service) => service.asked())).toEqual([1, 1])
    const stranger = generateIdentity(vectorRandom('stranger'))
    expect(await openVaultSealed(sealed, [stranger.identity])).toMatchObject({ reason: 'noIdentityMatches' })
  })

  it('is the same for the same randomness, taken in the order of FORMAT.md', () => {
    const asked: number[] = []
    const random = vectorRandom('order')
    sealToVault(clear, [kms, vault.recipient], (length) => {
      asked.push(length)
      return random(length)
    })
    expect(asked).toEqual([16, 32, 32, 32, 32, 16])
    expect(sealToVault(clear, [vault.recipient, kms, transit], vectorRandom('sealed'))).toEqual(sealed)
  })

  it('to age recipients alone is what it always was', () => {
    expect(sealToVault(clear, [vault.recipient], vectorRandom('age'))).toHaveLength(sealedSize(clear.length, 1))
  })

  it('adds to the size what FORMAT.md says', () => {
    const added = (keys: Parameters<typeof sealToVault>[1]): number =>
      sealToVault(clear, [vault.recipient, ...keys], vectorRandom('size')).length -
      sealedSize(clear.length, 1 + keys.length)
    expect(added([kms])).toBe(75 + 'aws-kms'.length + 512 + 9)
    expect(added([transit])).toBe(75 + 'vault-transit'.length + 683 + 11)
  })

  it('takes no more recipients than it should', () => {
    const many = Array.from({ length: RSA_VAULT_KEYS_MAX + 1 }, () => kms)
    expect(() => sealToVault(clear, many, vectorRandom('many'))).toThrow(RangeError)
    expect(() => sealToVault(clear, [], vectorRandom('many'))).toThrow(RangeError)
    const most = [...many.slice(1), ...Array.from({ length: 20 - RSA_VAULT_KEYS_MAX }, () => vault.recipient)]
    const largest = sealToVault(clear, most, vectorRandom('many'))
    expect(readWrappedKeyHeader(largest)).toMatchObject({ ok: true, value: { x25519: 20 } })
    expect(() => sealToVault(clear, [...most, vault.recipient], vectorRandom('many'))).toThrow(RangeError)
  })

  it('holds for what is noted of a decision too', async () => {
    const note = sealNote({ by: 'A. Auditor', reason: 'court order' }, [kms], vectorRandom('note'))
    expect(await openNote(note, [rsaOpener('aws-kms')])).toEqual(accepted({ by: 'A. Auditor', reason: 'court order' }))
    expect(await openNote(note, [rsaOpener('vault-transit')])).toMatchObject({ reason: 'sealed' })
    // Base64 in a JWS, which is Base64url itself: the longest text to the largest vault must fit into a record.
    const largest = [
      ...Array.from({ length: RSA_VAULT_KEYS_MAX }, () => transit),
      ...Array.from({ length: 12 }, () => vault.recipient),
    ]
    const long = sealNote({ by: '…'.repeat(200), reason: '…'.repeat(2_000) }, largest, vectorRandom('long'))
    expect((long.length * 4) / 3 + 1_000).toBeLessThan(CUSTODY_LENGTH_MAX)
  })
})

describe('a wrapped key of a key service', () => {
  it('of the vectors opens with each of its three keys to that of the recording, and is made anew byte for byte', async () => {
    const { identity } = await sampleRecording(vectorContents('recording-1'))
    const name = 'key-001.age'
    const stored = vectorFile(`rsa-vault/${name}`)
    const recipients = [newVault[0]?.recipient ?? '', kms, transit]
    expect(Buffer.from(rewrapKey({ identity, recipients, name })).equals(stored)).toBe(true)
    for (const opener of [newVault[0]?.identity ?? '', rsaOpener('aws-kms'), rsaOpener('vault-transit')])
      expect(await openRecordingKey(stored, [opener])).toMatchObject({ ok: true, value: { identity } })
    expect(isSealedTo(stored, recipients)).toBe(true)
    expect(isSealedTo(stored, [recipients[0] ?? '', { ...kms, provider: 'vault-transit' }, transit])).toBe(false)
    expect(isSealedTo(stored, [newVault[0]?.recipient ?? '', transit, kms])).toBe(true)
    for (const others of [[kms, transit], recipients.slice(0, 2)]) expect(isSealedTo(stored, others)).toBe(false)
  })

  it('whose key is not configured is told from one of another vault, and neither asks the service', async () => {
    const asks = (fingerprints: string[]): VaultService => ({
      ...{ provider: 'aws-kms', fingerprints: new Set(fingerprints) },
      open: () => Promise.reject(new Error('asked')),
    })
    const names = ['key.age']
    const open = (wrapped: Uint8Array) =>
      openNewestKey({ names, get: async () => wrapped, identities: [asks([])], recipient: undefined })
    const own = sealToVault(Buffer.from(`${vault.identity}\n`), [kms], vectorRandom('own'))
    expect(await open(own)).toMatchObject({ reason: 'keyNotConfigured', detail: 'key.age' })
    const foreign = sealToVault(Buffer.from(`${vault.identity}\n`), [transit], vectorRandom('own'))
    expect(await open(foreign)).toMatchObject({ reason: 'noIdentityMatches', detail: 'key.age' })
    await expect(openVaultSealed(own, [asks([kms.fingerprint])])).rejects.toThrow('asked')
    expect(isSealedToService(own, asks([kms.fingerprint]))).toBe(true)
    expect(isSealedToService(own, asks([]))).toBe(false)
    expect(isSealedToService(foreign, asks([transit.fingerprint]))).toBe(false)
  })

  it('that one key does not open is opened by another, or by the one before it', async () => {
    const gone: VaultService = {
      ...{ provider: 'aws-kms', fingerprints: new Set([kms.fingerprint]) },
      open: () => Promise.reject(new Error('the key is gone')),
    }
    expect(await openVaultSealed(sealed, [gone, rsaOpener('vault-transit')])).toMatchObject({ ok: true })
    const files = new Map([
      ['key.age', sealToVault(Buffer.from(`${vault.identity}\n`), [transit], vectorRandom('before'))],
      ['key-001.age', sealToVault(Buffer.from(`${vault.identity}\n`), [kms], vectorRandom('after'))],
    ])
    const open = (recipient: string) =>
      openNewestKey({
        ...{ names: [...files.keys()], get: async (name) => files.get(name), recipient },
        identities: [gone, rsaOpener('vault-transit')],
      })
    expect(await open(vault.recipient)).toMatchObject({ ok: true, value: { name: 'key.age' } })
    await expect(open(newVault[0]?.recipient ?? '')).rejects.toThrow('the key is gone')
  })

  it('that somebody made many of asks the service a few times only, and opens with an age identity still', async () => {
    const service = rsaOpener('aws-kms')
    const [, stanzas = ''] = /(-> X25519 .*\n.*\n-> earwitness-rsa[^]*?)-> X25519/u.exec(text) ?? []
    const repeated = inLatin1(text.replace(stanzas, stanzas.repeat(RSA_VAULT_KEYS_MAX - 1)))
    expect(readWrappedKeyHeader(repeated)).toMatchObject({ ok: true, value: { rsa: { length: RSA_VAULT_KEYS_MAX } } })
    await openVaultSealed(repeated, [service])
    expect(service.asked()).toBe(1)
    const foreign = sealToVault(Buffer.from(`${newVault[0]?.identity}\n`), [kms], vectorRandom('planted'))
    const own = sealToVault(Buffer.from(`${vault.identity}\n`), [newVault[0]?.recipient ?? ''], vectorRandom('own'))
    const names = ['key.age', ...Array.from({ length: 40 }, (_, index) => `key-9${String(index + 10)}.age`)]
    const open = (identities: readonly VaultIdentity[]) =>
      openNewestKey({
        ...{ names, get: async (name) => (name === 'key.age' ? own : foreign), recipient: vault.recipient },
        identities,
      })
    expect(await open([service])).toMatchObject({ ok: false })
    expect(service.asked()).toBe(1 + SERVICE_KEYS_MAX)
    expect(await open([service, newVault[0]?.identity ?? ''])).toMatchObject({ ok: true, value: { name: 'key.age' } })
  })

  it('that is too long is not looked into', async () => {
    const long = Buffer.concat([sealed, Buffer.alloc(16 * 1024)])
    expect(await openRecordingKey(long, [vault.identity])).toMatchObject({ reason: 'tooLarge' })
  })

  it('that the service does not have is told after what another key of it says', async () => {
    const refusing = (provider: VaultProvider, code: string): VaultService => ({
      ...{ provider, fingerprints: new Set([rsaVault[provider].fingerprint]) },
      open: () => Promise.reject(new EarwitnessError(code, 'refused', 'hint')),
    })
    const both = [refusing('aws-kms', 'vault-key-missing'), refusing('vault-transit', 'vault-service-away')]
    await expect(openVaultSealed(sealed, both)).rejects.toMatchObject({ code: 'vault-service-away' })
  })

  it('of which a stanza was replaced is damaged, and not of another vault', async () => {
    const answers = async (answer: Awaited<ReturnType<VaultService['open']>>) =>
      openVaultSealed(sealed, [
        { provider: 'aws-kms', fingerprints: new Set([kms.fingerprint]), open: async () => answer },
      ])
    const other = generateIdentity(vectorRandom('replaced'))
    const bytes = (identity: string): Uint8Array => new TextEncoder().encode(identity)
    expect(await answers(rejected('damaged'))).toMatchObject({ reason: 'damaged' })
    expect(await answers(accepted(bytes(`${other.identity}\n`)))).toMatchObject({ reason: 'damaged' })
    expect(await answers(accepted(bytes(other.identity)))).toMatchObject({ reason: 'damaged' })
    expect(await answers(accepted(bytes('AGE-SECRET-KEY-1AAAA\n')))).toMatchObject({ reason: 'damaged' })
    expect(await answers(accepted(new Uint8Array(5_000)))).toMatchObject({ reason: 'damaged' })
  })

  it('is no finding of verify when the service is away: that goes through as it came', async () => {
    const { verifyKey } = await vectorSigner()
    const recording = await sampleRecording(vectorContents('recording-1'))
    const objects = new Map(recording.objects).set('key-001.age', vectorFile('rsa-vault/key-001.age'))
    const away: VaultService = {
      ...{ provider: 'aws-kms', fingerprints: new Set([kms.fingerprint]) },
      open: () => Promise.reject(new Error('the service is away')),
    }
    const trust = { recordingId: RECORDING_ID, objects: readerOf(objects), keys: [verifyKey] }
    await expect(verifyRecording({ ...trust, identities: [away] })).rejects.toThrow('the service is away')
  })
})

describe('the reader of its header', () => {
  it('writes and reads a stanza with an empty last line, and one without', () => {
    for (const [length, lines] of [
      [384, 10],
      [512, 12],
    ] as const) {
      const stanza = rsaStanzaText({ provider: 'aws-kms', fingerprint: 'x', ciphertext: vectorRandomBytes(length) })
      expect(stanza.split('\n')).toHaveLength(lines + 1)
      expect(stanza.endsWith('\n\n')).toBe(length === 384)
    }
  })

  it('refuses what no recorder writes', () => {
    const [, x25519 = ''] = /(-> X25519 .*\n.*\n)-> earwitness/u.exec(text) ?? []
    const [, rsa = ''] = /(-> earwitness-rsa[^]*?)-> X25519/u.exec(text) ?? []
    for (const changed of [
      text.replace('aws-kms ', 'aws-kmz '),
      text.replace('aws-kms ', 'aws-kms  '),
      text.replace(kms.fingerprint, kms.fingerprint.slice(1)),
      text.replace(kms.fingerprint, `${kms.fingerprint} more`),
      text.replace('earwitness-rsa-oaep-sha256', 'earwitness-rsa-oaep-sha1'),
      text.replace(rsa, rsa + rsa),
      text.replace(rsa, rsa.slice(0, -1)),
      text.replace(rsa, rsa.replace(/\n\n$/u, '=\n')),
      text.replace(rsa, `${rsa.slice(0, 200)}\n${rsa.slice(200)}`),
      text.replace('/v1\n', `/v1\n${rsa}`),
      text.replace(x25519, x25519.replace('X25519', 'scrypt')),
      text.replace(rsa, (x25519 + rsa).repeat(RSA_VAULT_KEYS_MAX + 1)),
      text.replace('/v1', '/v2'),
      text.slice(0, 900),
    ]) {
      expect(changed).not.toBe(text)
      expect(readWrappedKeyHeader(inLatin1(changed))).toMatchObject({ ok: false, reason: 'notSealed' })
    }
  })

  it('never throws, whatever is changed, and neither does opening', async () => {
    const service = rsaOpener('aws-kms')
    await fc.assert(
      fc.asyncProperty(
        fc.nat(sealed.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.boolean(),
        async (at, bytes, isInserted) => {
          const rest = sealed.subarray(isInserted ? at : Math.min(sealed.length, at + bytes.length))
          const changed = Buffer.concat([sealed.subarray(0, at), bytes, rest])
          readWrappedKeyHeader(changed)
          readWrappedKeyHeader(bytes)
          const opened = await openVaultSealed(changed, [service])
          // age.md: the header is authenticated, and so is the content.
          if (!changed.equals(sealed)) expect(opened.ok).toBe(false)
        },
      ),
      { numRuns: 200 },
    )
  })
})

function vectorRandomBytes(length: number): Uint8Array {
  const random = vectorRandom('body')
  return Uint8Array.from({ length }, () => random(1)[0] ?? 0)
}
