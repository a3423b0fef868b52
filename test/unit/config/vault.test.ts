import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { effectiveValues } from '../../../src/cli/check-config.ts'
import { configuredVault } from '../../../src/server/keys-at-start.ts'
import { rsaVault, vault, vectorText } from '../../vectors/evidence/sample-recording.ts'
import { load, problemsOf } from './support.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-vault-'))
  for (const name of ['aws-kms.pub.pem', 'vault-transit.pub.pem', 'aws-kms.pem'])
    writeFileSync(join(folder, name), vectorText(`rsa-vault/${name}`))
  writeFileSync(join(folder, 'signer.pub.pem'), vectorText('recording-1/signer.pub.pem'))
  writeFileSync(join(folder, 'long.pem'), ' '.repeat(100_000))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const kmsKey = (file: string, more = ''): string =>
  `{key: alias/recordings, publicKeyFile: ${join(folder, file)}${more}}`
const kms = (keys: string, more = '', kind = 'aws-kms'): string =>
  `vault: {kind: ${kind}, recipients: [${vault.recipient}], awsKms: {keys: [${keys}]${more}}}`
const transit = (more: string, version = ''): string =>
  `vault: {kind: vault-transit, vaultTransit: {keys: [{key: recordings, publicKeyFile: ${join(folder, 'vault-transit.pub.pem')}${version}}]${more}}}`

describe('vault.kind', () => {
  it('is age, with nothing of a service, where nobody says anything', () => {
    const { vault: config } = load(undefined).config
    expect(config).toMatchObject({ kind: 'age', recipients: [], awsKms: { keys: [] }, vaultTransit: { keys: [] } })
    expect(configuredVault(config)).toEqual([])
  })

  it('aws-kms seals to its keys and to the recipients beside them, without region and credentials', () => {
    const { vault: config } = load(kms(kmsKey('aws-kms.pub.pem'))).config
    expect(config.awsKms).toMatchObject({
      keys: [{ key: 'alias/recordings', version: 1, publicKey: rsaVault['aws-kms'], isRetired: false }],
      ...{ region: undefined, endpoint: undefined, credentials: undefined, requestTimeoutMs: 10_000 },
    })
    expect(configuredVault(config)).toEqual([rsaVault['aws-kms'], vault.recipient])
  })

  it('vault-transit has a mount, a version and a namespace', () => {
    const more =
      ', address: "https://vault.example.com:8200", mount: teams/transit, namespace: voice, token: "env:TOKEN"'
    const loaded = load(transit(more, ', version: 3'), { TOKEN: 'hvs.secret' })
    expect(loaded.config.vault.vaultTransit).toMatchObject({
      keys: [{ key: 'recordings', version: 3, publicKey: rsaVault['vault-transit'] }],
      ...{ address: 'https://vault.example.com:8200', mount: 'teams/transit', namespace: 'voice', token: 'hvs.secret' },
    })
    expect(configuredVault(loaded.config.vault)).toEqual([rsaVault['vault-transit']])
    expect(JSON.stringify(effectiveValues(loaded))).not.toContain('hvs.secret')
  })

  it('age seals to nothing of a service, whose keys still open', () => {
    const { vault: config } = load(kms(kmsKey('aws-kms.pub.pem'), '', 'age')).config
    expect(configuredVault(config)).toEqual([vault.recipient])
    expect(config.awsKms.keys).toHaveLength(1)
  })

  it('passes over keys that are retired', () => {
    const keys = `${kmsKey('aws-kms.pub.pem', ', retired: true')}, ${kmsKey('vault-transit.pub.pem')}`
    const { vault: config } = load(kms(keys)).config
    expect(configuredVault(config)).toEqual([{ ...rsaVault['vault-transit'], provider: 'aws-kms' }, vault.recipient])
  })

  it('comes from the environment as well', () => {
    const env = {
      EARWITNESS_VAULT_KIND: 'aws-kms',
      EARWITNESS_VAULT_AWS_KMS_KEYS_0_KEY: 'alias/recordings',
      EARWITNESS_VAULT_AWS_KMS_KEYS_0_PUBLIC_KEY_FILE: join(folder, 'aws-kms.pub.pem'),
    }
    expect(configuredVault(load(undefined, env).config.vault)).toEqual([rsaVault['aws-kms']])
  })
})

describe('a public key', () => {
  it.each([
    ['aws-kms.pem', 'PRIVATE'],
    ['signer.pub.pem', 'another kind than RSA'],
    ['long.pem', 'too long'],
    ['not-there.pem', 'cannot be read'],
  ])('in %s is refused, with its place: %s', (file, words) => {
    const problems = problemsOf(kms(kmsKey(file)))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({
      code: 'config-vault-key',
      where: expect.stringContaining('test.yaml:1:') as string,
    })
    expect(problems[0]?.sentence).toContain('vault.awsKms.keys[0].publicKeyFile')
    expect(problems[0]?.sentence).toContain(words)
    expect(`${problems[0]?.sentence}${problems[0]?.hint}`).not.toMatch(/MII[A-Za-z0-9+/]{20}/u)
  })
})

describe('what does not go together', () => {
  it.each([
    ['a kind without keys', () => 'vault: {kind: aws-kms}', 'vault.awsKms.keys is empty'],
    [
      'the keys of the other service',
      () => kms(kmsKey('aws-kms.pub.pem'), '', 'vault-transit'),
      'vault.vaultTransit.keys is empty',
    ],
    ['keys that are all retired', () => kms(kmsKey('aws-kms.pub.pem', ', retired: true')), 'is retired'],
    [
      'a key twice',
      () => kms(`${kmsKey('aws-kms.pub.pem')}, ${kmsKey('aws-kms.pub.pem')}`),
      'the same public key twice',
    ],
    [
      'an access key alone',
      () => kms(kmsKey('aws-kms.pub.pem'), ', accessKeyId: x'),
      'without vault.awsKms.secretAccessKey',
    ],
    [
      'a session token alone',
      () => kms(kmsKey('aws-kms.pub.pem'), ', sessionToken: x'),
      'without vault.awsKms.accessKeyId',
    ],
    [
      'a token in the clear on a network',
      () => transit(', address: "http://vault.example.com:8200"'),
      'http:// to another machine',
    ],
    [
      'keys of recordings in the clear on a network',
      () => kms(kmsKey('aws-kms.pub.pem'), ', endpoint: "http://kms.example.com"'),
      'vault.awsKms.endpoint is http:// to another machine',
    ],
    ['a path in the address', () => transit(', address: "https://vault.example.com/v1"'), 'has a path in it'],
    ['a mount that climbs', () => transit(', mount: "../sys"'), 'is not a path of Vault'],
    ['a key with a path', () => kms('{key: "a b", publicKeyFile: x}'), 'is not the name of a key of AWS KMS'],
  ])('%s is refused', (_, yaml, words) => {
    expect(problemsOf(yaml()).map(({ sentence }) => sentence)).toEqual([expect.stringContaining(words)])
  })

  it('is http on this machine itself: it is allowed', () => {
    for (const host of ['127.0.0.1:8200', '[::1]:8200', 'localhost']) {
      expect(problemsOf(transit(`, address: "http://${host}"`))).toEqual([])
      expect(problemsOf(kms(kmsKey('aws-kms.pub.pem'), `, endpoint: "http://${host}"`))).toEqual([])
    }
    expect(problemsOf(kms(kmsKey('aws-kms.pub.pem'), ', endpoint: "https://proxy.example.com/kms"'))).toEqual([])
  })

  it('is more recipients than a vault has', () => {
    const keys = kmsKey('aws-kms.pub.pem')
    const many = Array.from({ length: 9 }, () => keys).join(', ')
    expect(problemsOf(kms(many)).map(({ sentence }) => sentence)).toContain('vault.awsKms.keys has too many items.')
    const list = (count: number, one: string): string => Array.from({ length: count }, () => one).join(', ')
    const sentences = (count: number) =>
      problemsOf(kms(list(count, keys)).replace(vault.recipient, list(16, vault.recipient))).map((one) => one.sentence)
    expect(sentences(5)).toContain('The vault has 21 recipients, and may have 20.')
    expect(sentences(4).join('\n')).not.toContain('The vault has')
  })
})
