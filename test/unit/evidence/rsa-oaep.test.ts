import { constants, createHash, privateDecrypt } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { encryptRsaOaep } from '../../../src/evidence/rsa-oaep.ts'
import { publicKeyOf, readRsaVaultKey, rsaVaultKeyPem } from '../../../src/evidence/rsa-vault-key.ts'
import { VAULT_PROVIDERS } from '../../../src/evidence/vault-recipient.ts'
import { rsaVault, vectorRandom, vectorText } from '../../vectors/evidence/sample-recording.ts'

interface OaepVector {
  readonly key: string
  readonly message: string
  readonly seed: string
  readonly ciphertext: string
}
const vectors = JSON.parse(vectorText('rsa-vault/oaep.json')) as readonly OaepVector[]

describe('RSA-OAEP', () => {
  it.each(vectors)('makes with the seed that OpenSSL drew what OpenSSL made ($key)', (vector) => {
    const key = readRsaVaultKey(vectorText(`rsa-vault/${vector.key}`), 'aws-kms')
    if (!key.ok) throw new Error(key.reason)
    const made = encryptRsaOaep(
      publicKeyOf(key.value.spki),
      Buffer.from(vector.message),
      Buffer.from(vector.seed, 'hex'),
    )
    expect(Buffer.from(made).toString('hex')).toBe(vector.ciphertext)
  })

  it.each(VAULT_PROVIDERS)('of every length that fits is opened by node:crypto (%s)', (provider) => {
    const random = vectorRandom('oaep')
    const lengthMax = (provider === 'aws-kms' ? 384 : 512) - 66
    const key = publicKeyOf(rsaVault[provider].spki)
    for (const length of [0, 1, 75, lengthMax]) {
      const message = Buffer.alloc(length, random(32))
      const opened = privateDecrypt(
        {
          key: vectorText(`rsa-vault/${provider}.pem`),
          ...{ padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
        },
        encryptRsaOaep(key, message, random(32)),
      )
      expect(opened.equals(message)).toBe(true)
    }
    expect(() => encryptRsaOaep(key, Buffer.alloc(lengthMax + 1), random(32))).toThrow(RangeError)
    expect(() => encryptRsaOaep(key, Buffer.alloc(1), random(31))).toThrow(RangeError)
  })
})

describe('the public half of a vault key', () => {
  const pem = vectorText('rsa-vault/aws-kms.pub.pem')

  it('has the fingerprint that `openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` prints', () => {
    const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/gu, ''), 'base64')
    const sha256 = createHash('sha256').update(der).digest('base64').replace('=', '')
    expect(readRsaVaultKey(pem, 'aws-kms')).toMatchObject({ ok: true, value: { fingerprint: sha256 } })
    expect(readRsaVaultKey(`# of the vault\r\n${pem.replaceAll('\n', '\r\n')}`, 'aws-kms')).toMatchObject({
      value: { fingerprint: sha256 },
    })
    expect(rsaVaultKeyPem(rsaVault['aws-kms'])).toBe(pem)
  })

  it.each([
    ['privateKey', vectorText('rsa-vault/aws-kms.pem')],
    ['privateKey', `${pem}${vectorText('rsa-vault/aws-kms.pem')}`],
    ['privateKey', vectorText('recording-1/vault.agekey')],
    ['notRsa', vectorText('recording-1/signer.pub.pem')],
    ['notPublicKey', pem.replaceAll('PUBLIC', 'RSA PUBLIC')],
    ['notPublicKey', pem.replace('MII', 'MIJ')],
    ['notPublicKey', ''],
    ['size', `${pem}${' '.repeat(20_000)}`],
    ['length', shortKey()],
    ['exponent', exponent3()],
  ])('is refused: %s', (reason, text) => {
    expect(readRsaVaultKey(text, 'aws-kms')).toMatchObject({ ok: false, reason })
  })
})

/** 2048 bits. */
function shortKey(): string {
  return pemOf(256, [1, 0, 1])
}

/** 3072 bits with e = 3. */
function exponent3(): string {
  return pemOf(384, [3])
}

/** A public key with a modulus of this many bytes, which nobody can open anything with. */
function pemOf(bytes: number, exponent: readonly number[]): string {
  const integer = (value: readonly number[]): Buffer =>
    der(2, Buffer.from((value[0] ?? 0) > 127 ? [0, ...value] : value))
  const key = der(0x30, Buffer.concat([integer(Array.from({ length: bytes }, () => 0xc1)), integer(exponent)]))
  const algorithm = Buffer.from('300d06092a864886f70d0101010500', 'hex')
  const spki = der(0x30, Buffer.concat([algorithm, der(3, Buffer.concat([Buffer.of(0), key]))]))
  return `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}
