import { hash } from 'node:crypto'
import type { DigestAlgorithm, SourceConfig, SourceUser } from './config.ts'
import { normaliseSourceConsent } from './normalise-consent.ts'
import type { RawConfig } from './schema.ts'
import { secretAt, type SecretContext } from './secret-at.ts'

type RawUser = RawConfig['sources'][number]['users'][number]

const HASH_NAMES: Readonly<Record<DigestAlgorithm, string>> = {
  'SHA-512-256': 'sha512-256',
  'SHA-256': 'sha256',
  MD5: 'md5',
}
const HA1_KEYS = [
  { key: 'ha1Sha256', algorithm: 'SHA-256', digits: 64 },
  { key: 'ha1Md5', algorithm: 'MD5', digits: 32 },
] as const

/** The sources that are not known to be wrong, their passwords turned into hashes. */
export function normaliseSources(raw: RawConfig, context: SecretContext): readonly SourceConfig[] {
  return raw.sources.flatMap((source, index) => {
    const path = `sources[${index}]`
    if (context.problems.concerns(path)) return []
    const users = source.users.map((user, number) => ({
      name: user.name,
      ha1: hashesOf(user, { path: `${path}.users[${number}]`, realm: raw.sip.realm, context }),
    }))
    return context.problems.concerns(path)
      ? []
      : [{ ...source, users, consent: normaliseSourceConsent(raw.consent, source.consent) }]
  })
}

function hashesOf(
  user: RawUser,
  { path, realm, context }: { readonly path: string; readonly realm: string; readonly context: SecretContext },
): SourceUser['ha1'] {
  const password = secretAt(`${path}.password`, user.password, context)
  const hashes = new Map<DigestAlgorithm, string>()
  if (password !== undefined) {
    for (const [algorithm, name] of Object.entries(HASH_NAMES) as [DigestAlgorithm, string][]) {
      const value = hashOrNothing(name, `${user.name}:${realm}:${password}`)
      if (value !== undefined) hashes.set(algorithm, value)
    }
  }
  for (const { key, algorithm, digits } of HA1_KEYS) {
    const text = secretAt(`${path}.${key}`, user[key], context)
    if (text === undefined) continue
    if (text.length === digits && /^[0-9a-f]+$/iu.test(text)) {
      hashes.set(algorithm, text.toLowerCase())
      continue
    }
    context.problems.add(`${path}.${key}`, {
      code: 'config-invalid-value',
      where: context.origins.get(`${path}.${key}`),
      sentence: `${path}.${key} wants ${digits} hex digits.`,
      hint: `It is the ${algorithm} hash of "USER:${realm}:PASSWORD", without a line feed.`,
    })
  }
  return hashes
}

/** A system under FIPS rules knows no MD5: then it is not offered. */
function hashOrNothing(name: string, text: string): string | undefined {
  try {
    return hash(name, text)
  } catch {
    return undefined
  }
}
