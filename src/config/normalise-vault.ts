import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

import { PUBLIC_KEY_LENGTH_MAX, readRsaVaultKey, type RsaVaultKeyRejectReason } from '../evidence/rsa-vault-key.ts'
import type { RsaVaultKey, VaultProvider } from '../evidence/vault-recipient.ts'
import type { ServiceKeyConfig, VaultConfig } from './config.ts'
import type { NormaliseOptions } from './normalise.ts'
import type { RawConfig } from './schema.ts'
import { secretAt } from './secret-at.ts'
import { parseDuration } from './values.ts'

/** `vault`, with the public halves read: what is pinned must be there before a recorder starts. */
export function normaliseVault(raw: RawConfig['vault'], options: NormaliseOptions): VaultConfig {
  const { kind, recipients, awsKms: kms, vaultTransit: transit } = raw
  const path = (value: string | null): string | undefined => (value === null ? undefined : resolve(options.cwd, value))
  const timeoutMs = (text: string): number => {
    const parsed = parseDuration(text)
    return parsed.ok ? parsed.value : 0
  }
  const kmsSecret = (name: 'accessKeyId' | 'secretAccessKey' | 'sessionToken'): string | undefined =>
    secretAt(`vault.awsKms.${name}`, kms[name], options)
  const accessKeyId = kmsSecret('accessKeyId')
  const secretAccessKey = kmsSecret('secretAccessKey')
  const sessionToken = kmsSecret('sessionToken')
  return {
    kind,
    recipients: [...new Set(recipients)],
    awsKms: {
      keys: kms.keys.flatMap((key, index) => serviceKey(key, { provider: 'aws-kms', group: 'awsKms', index }, options)),
      region: kms.region ?? undefined,
      endpoint: kms.endpoint ?? undefined,
      credentials:
        accessKeyId === undefined || secretAccessKey === undefined
          ? undefined
          : { accessKeyId, secretAccessKey, sessionToken },
      caFile: path(kms.caFile),
      requestTimeoutMs: timeoutMs(kms.requestTimeout),
    },
    vaultTransit: {
      keys: transit.keys.flatMap((key, index) =>
        serviceKey(key, { provider: 'vault-transit', group: 'vaultTransit', index }, options),
      ),
      address: transit.address ?? undefined,
      mount: transit.mount,
      namespace: transit.namespace ?? undefined,
      token: secretAt('vault.vaultTransit.token', transit.token, options),
      caFile: path(transit.caFile),
      requestTimeoutMs: timeoutMs(transit.requestTimeout),
    },
  }
}

interface RawKey {
  readonly key: string
  readonly version?: number
  readonly publicKeyFile: string
  readonly retired: boolean
}

/** One, or none when its file is wrong, which is then told. */
function serviceKey(
  { key, version = 1, publicKeyFile, retired }: RawKey,
  place: { readonly provider: VaultProvider; readonly group: string; readonly index: number },
  options: NormaliseOptions,
): readonly ServiceKeyConfig[] {
  const path = `vault.${place.group}.keys[${place.index}].publicKeyFile`
  // A key that was not given has been told.
  if (typeof publicKeyFile !== 'string' || typeof key !== 'string' || options.problems.concerns(path)) return []
  const publicKey = readPublicKey(path, publicKeyFile, place.provider, options)
  return publicKey === undefined ? [] : [{ key, version, publicKey, isRetired: retired }]
}

function readPublicKey(
  path: string,
  file: string,
  provider: VaultProvider,
  { cwd, origins, problems }: NormaliseOptions,
): RsaVaultKey | undefined {
  const where = origins.get(path)
  let pem: string
  try {
    const full = resolve(cwd, file)
    pem =
      statSync(full).size > PUBLIC_KEY_LENGTH_MAX ? ' '.repeat(PUBLIC_KEY_LENGTH_MAX + 1) : readFileSync(full, 'latin1')
  } catch {
    const hint = '`earwitness keys fetch -o FILE` writes it; check the path, and that this user may read it.'
    problems.add(path, { code: 'config-vault-key', where, sentence: `${path} cannot be read: ${file}.`, hint })
    return undefined
  }
  const key = readRsaVaultKey(pem, provider)
  if (key.ok) return key.value
  const [sentence, hint] = REFUSALS[key.reason]
  problems.add(path, { code: 'config-vault-key', where, sentence: `${path} ${sentence}: ${file}.`, hint })
  return undefined
}

const PUBLIC_HINT = '`earwitness keys fetch -o FILE` writes it: a PEM file that begins with -----BEGIN PUBLIC KEY-----.'

const REFUSALS: Readonly<Record<RsaVaultKeyRejectReason, readonly [sentence: string, hint: string]>> = {
  size: ['is too long for a public key', PUBLIC_HINT],
  privateKey: [
    'holds a PRIVATE key, which must never be on a recorder',
    'Take that file away from this machine, and think of the key as lost to whoever could read it. What belongs here is the public half: `openssl pkey -in PRIVATE -pubout`.',
  ],
  notPublicKey: ['is not a public key', PUBLIC_HINT],
  notRsa: [
    'is a public key of another kind than RSA',
    'Make a key of type RSA_3072 or RSA_4096 (Vault: rsa-3072, rsa-4096) and fetch its public half.',
  ],
  length: [
    'has another length than 3072 or 4096 bits',
    'Make a key of one of these lengths: shorter ones do not last as long as recordings are kept.',
  ],
  exponent: [
    'has another public exponent than 65537',
    'Neither service makes such a key: fetch its public half again.',
  ],
}
