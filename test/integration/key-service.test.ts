import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import type { AwsKmsConfig, VaultTransitConfig } from '../../src/config/config.ts'
import { encryptRsaOaep } from '../../src/evidence/rsa-oaep.ts'
import { publicKeyOf } from '../../src/evidence/rsa-vault-key.ts'
import type { RsaStanza } from '../../src/evidence/rsa-stanza.ts'
import { VAULT_PROVIDERS, type VaultProvider } from '../../src/evidence/vault-recipient.ts'
import { AWAY_MAX, openKeyService, type KeyService } from '../../src/server/vault/key-service.ts'
import {
  KMS_CREDENTIALS,
  KMS_KEY,
  startKeyService,
  TRANSIT_KEY,
  TRANSIT_NAMESPACE,
  TRANSIT_TOKEN,
  type TestKeyService,
} from '../support/key-service/key-service.ts'
import { rsaVault, vectorRandom } from '../vectors/evidence/sample-recording.ts'

/** The openers of both services against a server that speaks their protocols; see its README for what that is worth. */
const message = Buffer.from('AGE-SECRET-KEY-1…\n')
let service: TestKeyService

beforeEach(async () => {
  service = await startKeyService()
})

afterEach(async () => {
  await service.stop()
})

interface Changes {
  readonly awsKms?: Partial<AwsKmsConfig>
  readonly vaultTransit?: Partial<VaultTransitConfig>
  readonly key?: string
}

function opener(provider: VaultProvider, { awsKms = {}, vaultTransit = {}, key }: Changes = {}): Promise<KeyService> {
  const keyOf = (name: string, of: VaultProvider) => [
    { key: key ?? name, version: 1, publicKey: rsaVault[of], isRetired: false },
  ]
  const common = { caFile: undefined, requestTimeoutMs: 5_000 }
  return openKeyService(
    {
      kind: provider,
      recipients: [],
      awsKms: {
        ...common,
        ...{ keys: keyOf(KMS_KEY, 'aws-kms'), region: undefined, endpoint: service.url },
        ...{ credentials: { ...KMS_CREDENTIALS, sessionToken: undefined }, ...awsKms },
      },
      vaultTransit: {
        ...common,
        ...{ keys: keyOf(TRANSIT_KEY, 'vault-transit'), address: service.url, mount: 'teams/transit' },
        ...{ namespace: TRANSIT_NAMESPACE, token: TRANSIT_TOKEN, ...vaultTransit },
      },
    },
    provider,
  )
}

function stanzaFor(provider: VaultProvider, seed = 'a'): RsaStanza {
  const { spki, fingerprint } = rsaVault[provider]
  const ciphertext = encryptRsaOaep(publicKeyOf(spki), message, vectorRandom(seed)(32))
  return { provider, fingerprint, ciphertext }
}

describe.each(VAULT_PROVIDERS)('%s', (provider) => {
  it('opens what was sealed without it, and is asked once for one thing', async () => {
    const opened = await opener(provider)
    const stanza = stanzaFor(provider)
    for (const result of [await opened.open(stanza), await opened.open(stanza)]) {
      expect(result).toMatchObject({ ok: true })
      if (result.ok) expect(Buffer.from(result.value).equals(message)).toBe(true)
      // Whoever opened it wipes it.
      if (result.ok) result.value.fill(0)
    }
    const asked =
      provider === 'aws-kms' ? `TrentService.Decrypt ${KMS_KEY}` : 'POST /v1/teams/transit/decrypt/recordings'
    expect(service.log).toEqual([asked])
  })

  it('gives the public half that is pinned', async () => {
    const name = { key: provider === 'aws-kms' ? KMS_KEY : TRANSIT_KEY, version: 1 }
    expect(await (await opener(provider)).fetch(name)).toEqual(rsaVault[provider])
  })

  it('says that a ciphertext was changed only when it has the very key', async () => {
    const stanza = stanzaFor(provider)
    const changed = Uint8Array.from(stanza.ciphertext)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    expect(await (await opener(provider)).open({ ...stanza, ciphertext: changed })).toEqual({
      ok: false,
      reason: 'damaged',
    })
    const other = provider === 'aws-kms' ? 'vault-transit' : 'aws-kms'
    service.keys = { ...service.keys, [provider]: other }
    await expect((await opener(provider)).open(stanza)).rejects.toMatchObject({ code: 'vault-key-wrong' })
  })

  it('is asked for its public half once, and for nothing that does not fit to that', async () => {
    const opened = await opener(provider)
    for (const seed of ['b', 'c']) {
      const ciphertext = stanzaFor(provider, seed).ciphertext.toReversed()
      ciphertext[0] = 0
      expect(await opened.open({ ...stanzaFor(provider), ciphertext })).toMatchObject({ reason: 'damaged' })
    }
    expect(service.log).toHaveLength(3)
    const { length } = stanzaFor(provider).ciphertext
    const ciphertext = new Uint8Array(length === 384 ? 512 : 384).fill(1)
    expect(await opened.open({ ...stanzaFor(provider), ciphertext })).toMatchObject({ reason: 'damaged' })
    expect(service.log).toHaveLength(3)
  })

  it('that does not know the key says so', async () => {
    const opened = await opener(provider, { key: provider === 'aws-kms' ? KMS_KEY.replace(/1$/u, '2') : 'other' })
    await expect(opened.open(stanzaFor(provider))).rejects.toMatchObject({ code: 'vault-key-missing' })
  })

  it('that denies says so, at once', async () => {
    const opened = await opener(provider, {
      awsKms: { credentials: { ...KMS_CREDENTIALS, secretAccessKey: 'wrong', sessionToken: undefined } },
      vaultTransit: { token: 'hvs.wrong' },
    })
    const denied = opened.open(stanzaFor(provider))
    await expect(denied).rejects.toMatchObject({ code: 'vault-service-denied' })
    await expect(denied).rejects.not.toThrow('wrong')
    expect(service.log).toEqual([])
  })

  it('that stumbles is asked again', async () => {
    service.fault = { status: 503, body: '{"errors":["Vault is sealed"]}' }
    service.faultsLeft = 2
    expect(await (await opener(provider)).open(stanzaFor(provider))).toMatchObject({ ok: true })
    service.fault = 'hangUp'
    service.faultsLeft = 1
    expect(await (await opener(provider)).open(stanzaFor(provider, 'b'))).toMatchObject({ ok: true })
  })

  it('that is away is away, and is not waited for again and again', async () => {
    const opened = await opener(provider)
    service.fault = { status: 503, body: '{"errors":["Vault is sealed"]}' }
    for (let index = 0; index < AWAY_MAX; index += 1) {
      const open = opened.open(stanzaFor(provider, `away ${index}`))
      await expect(open).rejects.toMatchObject({ code: 'vault-service-away' })
    }
    service.fault = undefined
    await expect(opened.open(stanzaFor(provider, 'later'))).rejects.toMatchObject({ code: 'vault-service-away' })
    expect(service.log).toEqual([])
    await service.stop()
    await expect((await opener(provider)).open(stanzaFor(provider))).rejects.toMatchObject({
      code: 'vault-service-away',
    })
    service = await startKeyService()
  })

  it('is not taken for what answers in its place', async () => {
    for (const body of ['<html>log in</html>', '{}', '{"data":{"plaintext":7}}', '[]', `"${'x'.repeat(2_000_000)}"`]) {
      service.fault = { status: 200, body }
      const open = (await opener(provider)).open(stanzaFor(provider))
      await expect(open).rejects.toMatchObject({ code: 'vault-service-answer' })
    }
    service.fault = { status: 307, body: '' }
    const open = (await opener(provider)).open(stanzaFor(provider))
    await expect(open).rejects.toMatchObject({ code: 'vault-service-answer' })
  })

  it('for some of its keys has no others', async () => {
    const none = (await opener(provider)).only(new Set())
    expect([...none.fingerprints]).toEqual([])
    const same = (await opener(provider)).only(new Set([rsaVault[provider].fingerprint]))
    expect(await same.open(stanzaFor(provider))).toMatchObject({ ok: true })
  })
})

describe('faults that only one has', () => {
  it.each([
    ['DisabledException', 'vault-key-disabled'],
    ['KMSInvalidStateException', 'vault-key-disabled'],
    ['AccessDeniedException', 'vault-service-denied'],
    ['ExpiredTokenException', 'vault-service-denied'],
    ['InvalidKeyUsageException', 'vault-key-wrong'],
    ['SomethingNewException', 'vault-service-answer'],
  ])('aws-kms: %s is %s', async (type, code) => {
    service.fault = { status: 400, body: JSON.stringify({ __type: type, message: 'no' }) }
    await expect((await opener('aws-kms')).open(stanzaFor('aws-kms'))).rejects.toMatchObject({ code })
  })

  it.each([
    [400, 'ciphertext or signature version is disallowed by policy (too old)', 'vault-key-disabled'],
    [404, 'no handler for route "x"', 'vault-key-missing'],
    [400, 'something else', 'vault-service-answer'],
    [429, 'request limit', 'vault-service-away'],
    [473, '', 'vault-service-away'],
  ])('vault-transit: %d %s is %s', async (status, error, code) => {
    service.fault = { status, body: JSON.stringify({ errors: [error] }) }
    await expect((await opener('vault-transit')).open(stanzaFor('vault-transit'))).rejects.toMatchObject({ code })
  })

  it('a key version that Vault does not have is missing, and not a sign of tampering', async () => {
    const keys = [{ key: TRANSIT_KEY, version: 2, publicKey: rsaVault['vault-transit'], isRetired: false }]
    const opened = await opener('vault-transit', { vaultTransit: { keys } })
    await expect(opened.open(stanzaFor('vault-transit'))).rejects.toMatchObject({ code: 'vault-key-missing' })
  })

  it('Vault without an address or a token is unset', async () => {
    for (const vaultTransit of [{ address: undefined }, { token: undefined }]) {
      const opened = await opener('vault-transit', { vaultTransit })
      await expect(opened.open(stanzaFor('vault-transit'))).rejects.toMatchObject({ code: 'vault-service-unset' })
    }
  })
})

describe('over TLS', () => {
  let folder: string
  let secure: TestKeyService

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'earwitness-key-service-'))
    const subject = ['-subj', '/CN=key service', '-addext', 'subjectAltName=IP:127.0.0.1']
    const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'ca.pem')]
    await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ed25519', '-nodes', ...files, ...subject])
    const [cert, key] = await Promise.all(['ca.pem', 'key.pem'].map((name) => readFile(join(folder, name))))
    secure = await startKeyService({ cert, key })
  })

  afterAll(async () => {
    await secure.stop()
    await rm(folder, { recursive: true })
  })

  it.each(VAULT_PROVIDERS)('%s is trusted by its CA alone', async (provider) => {
    const at = (caFile: string | undefined): Changes => ({
      awsKms: { endpoint: secure.url, caFile },
      vaultTransit: { address: secure.url, caFile },
    })
    expect(await (await opener(provider, at(join(folder, 'ca.pem')))).open(stanzaFor(provider))).toMatchObject({
      ok: true,
    })
    const untrusted = (await opener(provider, at(undefined))).open(stanzaFor(provider))
    await expect(untrusted).rejects.toMatchObject({ code: 'vault-service-tls' })
    const missing = async () => (await opener(provider, at(join(folder, 'none.pem')))).open(stanzaFor(provider))
    await expect(missing()).rejects.toMatchObject({ code: 'vault-ca-unreadable' })
  })
})

describe('a server that does not come to an end', () => {
  let endless: Server
  let listener: RequestListener

  beforeAll(async () => {
    endless = createServer((request, response) => listener(request, response))
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve))
  })

  afterAll(() => {
    endless.closeAllConnections()
    endless.close()
  })

  const openBy = async (provider: VaultProvider, requestTimeoutMs: number) => {
    const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`
    const changes = {
      awsKms: { endpoint: url, requestTimeoutMs },
      vaultTransit: { address: url, requestTimeoutMs },
    }
    return (await opener(provider, changes)).open(stanzaFor(provider))
  }

  it.each(VAULT_PROVIDERS)('since it never answers is away for %s', async (provider) => {
    listener = () => {}
    await expect(openBy(provider, 100)).rejects.toMatchObject({ code: 'vault-service-away' })
  })

  it.each(VAULT_PROVIDERS)('since its answer stops in the middle is away for %s', async (provider) => {
    for (const status of [200, 400]) {
      listener = (_, response) => response.writeHead(status, { 'content-length': 100 }).write('{"__type"')
      await expect(openBy(provider, 100)).rejects.toMatchObject({ code: 'vault-service-away' })
    }
  })

  it.each(VAULT_PROVIDERS)('since its answer goes on and on is none to %s', async (provider) => {
    listener = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.writeHead(200).on('drain', more)
      more()
    }
    await expect(openBy(provider, 30_000)).rejects.toMatchObject({ code: 'vault-service-answer' })
  })
})
