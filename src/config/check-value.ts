import { isIP } from 'node:net'
import { Errors } from 'typebox/value'
import { parseRecipient } from '../evidence/age-keys.ts'
import type { Result } from '../result.ts'
import { checkCountry, checkJurisdictionId, checkKeys, checkPartyPattern } from './check-consent-value.ts'
import { checkKmsKey, checkTransitMount, checkTransitName } from './check-vault-value.ts'
import { checkBucket, checkHttpUrl, checkObjectPrefix } from './check-storage-value.ts'
import type { LeafSchema } from './leaves.ts'
import { parseNetwork, withoutHostBits } from './network.ts'
import type { ValueKind } from './schema-parts.ts'
import { closest } from './suggest.ts'
import { parseDuration, parseListen, parseSipListen, parseSize, type QuantityRejectReason } from './values.ts'

/** What is wrong with a value, to follow the name of its key: `rtp.portMin` + ` is below 1024`. */
export interface Complaint {
  readonly sentence: string
  readonly hint: string
}

const TEXT_SHOWN_MAX = 60

/** A value as a message shows it. Private keys that landed in the wrong place are not shown. */
function shown(value: unknown): string {
  if (typeof value === 'string') {
    if (/age-secret-key-/iu.test(value)) return '"***"'
    return JSON.stringify(value.length > TEXT_SHOWN_MAX ? `${value.slice(0, TEXT_SHOWN_MAX)}…` : value)
  }
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'a group of keys'
}

/** Checks one value against the schema of its leaf; undefined when it is fine. */
export function checkValue(schema: LeafSchema, value: unknown): Complaint | undefined {
  const kind = schema['x-kind']
  const secret = schema['x-secret'] === true
  for (const error of Errors(schema, value)) {
    // A text of a kind is judged by the rule of its kind, which can say more than "does not match".
    if (error.keyword === 'pattern') continue
    return explain(schema, secret ? undefined : value, error.keyword)
  }
  if (kind === undefined || secret || typeof value !== 'string') return undefined
  const quantity = QUANTITIES.get(kind)
  return quantity === undefined ? KIND_RULES.get(kind)?.(value) : checkQuantity(value, schema, quantity)
}

function explain(schema: LeafSchema, value: unknown, keyword: string): Complaint {
  const rules = schema as {
    readonly type?: unknown
    readonly minimum?: number
    readonly maximum?: number
    readonly enum?: readonly string[]
  }
  switch (keyword) {
    case 'minimum':
    case 'maximum':
      return { sentence: `is ${shown(value)}`, hint: `Give a value from ${rules.minimum} to ${rules.maximum}.` }
    case 'enum': {
      const choices = rules.enum ?? []
      const near = typeof value === 'string' ? closest(value, choices) : undefined
      const meant = near === undefined ? '' : `Did you mean ${near}? `
      return { sentence: `does not know ${shown(value)}`, hint: `${meant}It is one of ${choices.join(', ')}.` }
    }
    case 'minItems':
      return { sentence: 'is an empty list', hint: 'Give at least one item, or leave the key out for its default.' }
    case 'maxItems':
      return { sentence: 'has too many items', hint: `At most ${(schema as { maxItems?: number }).maxItems}.` }
    default:
      return explainType(schema, value, rules.type)
  }
}

function explainType(schema: LeafSchema, value: unknown, type: unknown): Complaint {
  const kind = schema['x-kind']
  const quantity = kind === undefined ? undefined : QUANTITIES.get(kind)
  const wanted = quantity?.noun ?? wantedType(type)
  const sentence = `wants ${wanted}, not ${shown(value)}`
  if (quantity !== undefined) return { sentence, hint: `Write ${wanted} with its unit: ${quantity.examples}.` }
  const isNumberOrBoolean = typeof value === 'number' || typeof value === 'boolean'
  if (wanted === 'a text' && isNumberOrBoolean) return { sentence, hint: `Put it in quotes: "${value}".` }
  return { sentence, hint: schema.description ?? '' }
}

function wantedType(type: unknown): string {
  if (type === 'integer') return 'a whole number'
  if (type === 'boolean') return 'true or false'
  if (type === 'array') return 'a list'
  return 'a text'
}

interface Quantity {
  readonly noun: string
  readonly examples: string
  readonly parse: (text: string) => Result<number, QuantityRejectReason>
}

const QUANTITIES: ReadonlyMap<ValueKind, Quantity> = new Map([
  ['duration', { noun: 'a duration', examples: '250ms, 20s, 5m, 1h, 2d', parse: parseDuration }],
  ['size', { noun: 'a size', examples: '512B, 64KiB, 4MiB, 1GiB', parse: parseSize }],
])

type KindRule = (value: string) => Complaint | undefined

const KIND_RULES: ReadonlyMap<ValueKind, KindRule> = new Map<ValueKind, KindRule>([
  ['ipAddress', checkIpAddress],
  ['host', checkHost],
  ['bucket', checkBucket],
  ['country', checkCountry],
  ['jurisdiction', checkJurisdictionId],
  ['keys', checkKeys],
  ['partyPattern', checkPartyPattern],
  ['objectPrefix', checkObjectPrefix],
  ['httpUrl', checkHttpUrl],
  ['listen', checkListen],
  ['sipListen', checkSipListen],
  ['sipTarget', checkSipTarget],
  ['network', checkNetwork],
  ['recipient', checkRecipient],
  [
    'path',
    (value) =>
      value.trim() === '' || value.includes('\0')
        ? { sentence: 'is not a path', hint: 'Give a path, or leave the key out.' }
        : undefined,
  ],
  ['sourceName', checkSourceName],
  ['realm', checkRealm],
  ['tlsName', checkTlsName],
  ['userName', checkUserName],
  ['kmsKey', checkKmsKey],
  ['transitMount', checkTransitMount],
  ['transitName', checkTransitName],
  ['tenant', (value) => checkSlug(value, 'a tenant name')],
])

function checkQuantity(value: string, schema: LeafSchema, quantity: Quantity): Complaint | undefined {
  const { noun, examples, parse } = quantity
  const parsed = parse(value)
  if (!parsed.ok) {
    const sentence =
      parsed.reason === 'noUnit' ? `has no unit in ${shown(value)}` : `wants ${noun}, not ${shown(value)}`
    return { sentence, hint: `Write ${noun} with its unit: ${examples}.` }
  }
  const [minimum, maximum] = [schema['x-minimum'], schema['x-maximum']]
  const low = minimum === undefined ? undefined : parse(minimum)
  const high = maximum === undefined ? undefined : parse(maximum)
  const outside = (low?.ok === true && parsed.value < low.value) || (high?.ok === true && parsed.value > high.value)
  return outside ? { sentence: `is ${value}`, hint: `Give a value from ${minimum} to ${maximum}.` } : undefined
}

function checkIpAddress(value: string): Complaint | undefined {
  if (isIP(value) !== 0 && !value.includes('%')) return undefined
  return {
    sentence: `wants an IP address, not ${shown(value)}`,
    hint: 'Names are not looked up; write 192.0.2.10 or 2001:db8::10.',
  }
}

/** A name of letters, digits, hyphens and dots (RFC 1123 2.1; compose services may have an underscore), or an address. */
function checkHost(value: string): Complaint | undefined {
  if (isIP(value) !== 0 || /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/u.test(value)) return undefined
  return {
    sentence: `wants a host name or an IP address, not ${shown(value)}`,
    hint: 'Write it without a port and without brackets: sip.example.com, 192.0.2.10 or 2001:db8::10.',
  }
}

const ADDRESS_HINT =
  'Write an address of this machine and a port, as in 127.0.0.1:8080 or [::1]:8080; names are not looked up.'

function checkListen(value: string): Complaint | undefined {
  const parsed = parseListen(value)
  if (parsed.ok) return undefined
  const sentence =
    parsed.reason === 'port' ? `has no valid port in ${shown(value)}` : `has no valid IP address in ${shown(value)}`
  return { sentence, hint: ADDRESS_HINT }
}

function checkSipListen(value: string): Complaint | undefined {
  const parsed = parseSipListen(value)
  if (parsed.ok) return undefined
  const hint =
    'Write transport, address and port, as in "udp:0.0.0.0:5060" or "tcp:[::]:5060"; names are not looked up.'
  if (parsed.reason === 'transport') return { sentence: `has no transport in ${shown(value)}`, hint }
  const what = parsed.reason === 'port' ? 'port' : 'IP address'
  return { sentence: `has no valid ${what} in ${shown(value)}`, hint }
}

/** As `parseTargetPattern` of `protocol/sip` will read it. */
function checkSipTarget(value: string): Complaint | undefined {
  if (/^sips?:[A-Za-z0-9\-_.!~'()&=+$*]+@(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/u.test(value))
    return undefined
  return {
    sentence: `wants a SIP URI with a user part, not ${shown(value)}`,
    hint: 'Write "sip:*@pbx.example.com" for every user there, or "sip:+49*@192.0.2.10:5061"; the port must be given where the target has one.',
  }
}

function checkNetwork(value: string): Complaint | undefined {
  const parsed = parseNetwork(value)
  if (parsed.ok) return undefined
  if (parsed.reason === 'hostBits') {
    const block = withoutHostBits(value)
    const meant = block === undefined ? 'Set the bits after the prefix to zero' : `Did you mean ${block}`
    return {
      sentence: `names one address and a whole network in ${shown(value)}`,
      hint: `${meant}, or the address alone?`,
    }
  }
  return {
    sentence: `wants an IP address or a network, not ${shown(value)}`,
    hint: 'Write 192.0.2.10, 192.0.2.0/24 or 2001:db8::/32; names are not looked up.',
  }
}

function checkRecipient(value: string): Complaint | undefined {
  if (/^age-secret-key-/iu.test(value)) {
    return {
      sentence: 'holds a private key',
      hint:
        'Take it out of here at once: only the public half belongs on a recorder. "earwitness keygen" prints ' +
        'both; it is the one that begins with age1.',
    }
  }
  const parsed = parseRecipient(value)
  if (parsed.ok) return undefined
  if (parsed.reason === 'damaged') {
    return { sentence: `has a mistake in ${shown(value)}`, hint: 'Its checksum does not fit; copy it again, whole.' }
  }
  return {
    sentence: `wants an age X25519 recipient, not ${shown(value)}`,
    hint: '"earwitness keygen" makes one; it begins with age1.',
  }
}

const SLUG = /^[a-z0-9][a-z0-9_-]{0,62}$/u

function checkSlug(value: string, noun: string): Complaint | undefined {
  if (SLUG.test(value)) return undefined
  return {
    sentence: `wants ${noun}, not ${shown(value)}`,
    hint: 'Lower case letters, digits, "-" and "_", at most 63, a letter or digit first.',
  }
}

function checkSourceName(value: string): Complaint | undefined {
  if (value === 'other')
    return { sentence: 'is "other", which stands for every SRC that is not listed', hint: 'Take another name.' }
  return checkSlug(value, 'a short name')
}

/** What can stand between quotes in a header without being escaped. */
const QUOTABLE = /^[ !#-[\]-~\u{a0}-\u{10ffff}]{1,128}$/u

function checkRealm(value: string): Complaint | undefined {
  if (QUOTABLE.test(value) && value.trim() === value) return undefined
  return {
    sentence: `cannot be ${shown(value)}`,
    hint: 'Up to 128 characters without quotes, backslashes and control characters, as in earwitness or rec.example.com.',
  }
}

function checkUserName(value: string): Complaint | undefined {
  if (QUOTABLE.test(value) && value.trim() === value && !value.includes(':')) return undefined
  return {
    sentence: `wants a user name, not ${shown(value)}`,
    hint: 'Up to 128 characters without colons, quotes, backslashes and control characters.',
  }
}

const DNS_NAME = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/iu

function checkTlsName(value: string): Complaint | undefined {
  if ((isIP(value) !== 0 && !value.includes('%')) || (value.length <= 253 && DNS_NAME.test(value))) return undefined
  return {
    sentence: `wants a name as certificates have it, not ${shown(value)}`,
    hint: 'Write sbc.example.com, *.example.com for any one label, or an IP address.',
  }
}
