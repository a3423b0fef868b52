import { accepted, rejected, type Result } from '../../result.ts'
import type { SrtpKeys, SrtpMasterKey, SrtpSuite } from '../srtp/srtp-keys.ts'
import { MKI_LENGTH_MAX, SUITES } from '../srtp/suites.ts'

/** Master keys of one attribute, and session parameters; there are seven of those. More make the line unusable. */
export const MASTER_KEYS_MAX = 16
export const SESSION_PARAMETERS_MAX = 16
/** Packets that one master key may protect. RFC 3711 9.2, RFC 7714 12 */
export const LIFETIME_PACKETS_MAX = 2 ** 48

/** Why an `a=crypto` line is of no use to us. */
export type CryptoRejectReason = 'syntax' | 'suite' | 'keyMethod' | 'key' | 'lifetime' | 'mki' | 'parameter'

/** RFC 4568 6.1 */
export interface KeyParameter extends SrtpMasterKey {
  /** Undefined when it is left out, which stands for the greatest that the suite allows. */
  readonly lifetimePackets: number | undefined
}

/** RFC 4568 6.3 */
export interface SessionParameters {
  readonly unencryptedSrtp: boolean
  readonly unencryptedSrtcp: boolean
  readonly unauthenticatedSrtp: boolean
  /** Packets between two key derivations; 0 for a single one. RFC 3711 4.3.1 */
  readonly keyDerivationRate: number
  readonly fecOrder: 'FEC_SRTP' | 'SRTP_FEC' | undefined
  /** Packets; a hint. */
  readonly windowSizeHint: number | undefined
}

/** One `a=crypto` line. It holds keys: never for logs. RFC 4568 4 */
export interface CryptoAttribute {
  /** 0 to 999999999. */
  readonly tag: number
  readonly suite: SrtpSuite
  /** As written, for the answer to echo. */
  readonly suiteName: string
  /** One, or several of distinct MKIs of the same length. */
  readonly keyParameters: readonly KeyParameter[]
  readonly sessionParameters: SessionParameters
}

const SUITES_BY_NAME: ReadonlyMap<string, SrtpSuite> = new Map([
  ...(Object.keys(SUITES) as SrtpSuite[]).map((suite) => [suite, suite] as const),
  // Some clients order the words of RFC 6188 as those of the 128-bit suites are.
  ['AES_CM_256_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_80'],
  ['AES_CM_256_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_32'],
])

const NO_SESSION_PARAMETERS: SessionParameters = {
  unencryptedSrtp: false,
  unencryptedSrtcp: false,
  unauthenticatedSrtp: false,
  keyDerivationRate: 0,
  fecOrder: undefined,
  windowSizeHint: undefined,
}

/** How many octets of key and salt, in this order, a master key of the suite has. */
export function masterKeyBytes(suite: SrtpSuite): number {
  return SUITES[suite].keyLength + SUITES[suite].saltLength
}

/**
 * Reads what follows `a=crypto:`. RFC 4568 9, 6
 *
 * Letters count in either case, blanks in any number, also after the semicolon between keys; base64 may lack its padding.
 * What RFC 4568 declares invalid is refused: the wrong length of a key, lifetimes out of range, several keys without
 * distinct MKIs of one length, a session parameter that is unknown and not marked as optional. Never throws; linear.
 */
export function parseCryptoAttribute(value: string): Result<CryptoAttribute, CryptoRejectReason> {
  const [tag = '', suiteName = '', ...words] = value.trim().split(/\s+/)
  if (!/^[0-9]{1,9}$/.test(tag) || suiteName === '') return rejected('syntax')
  const suite = SUITES_BY_NAME.get(suiteName.toUpperCase())
  if (suite === undefined) return rejected('suite')
  const keyWords = countKeyWords(words)
  const keyParameters = parseKeyParameters(words.slice(0, keyWords).join(''), suite)
  if (!keyParameters.ok) return keyParameters
  const sessionParameters = parseSessionParameters(words.slice(keyWords), suite)
  if (!sessionParameters.ok) return sessionParameters
  return accepted({
    tag: Number(tag),
    suite,
    suiteName,
    keyParameters: keyParameters.value,
    sessionParameters: sessionParameters.value,
  })
}

/** What follows `a=crypto:`; read again, it is the same. */
export function formatCryptoAttribute(attribute: CryptoAttribute): string {
  const { unencryptedSrtp, unencryptedSrtcp, unauthenticatedSrtp, ...session } = attribute.sessionParameters
  return [
    String(attribute.tag),
    attribute.suiteName,
    attribute.keyParameters.map(formatKeyParameter).join(';'),
    ...(session.keyDerivationRate === 0 ? [] : [`KDR=${Math.round(Math.log2(session.keyDerivationRate))}`]),
    ...(unencryptedSrtp ? ['UNENCRYPTED_SRTP'] : []),
    ...(unencryptedSrtcp ? ['UNENCRYPTED_SRTCP'] : []),
    ...(unauthenticatedSrtp ? ['UNAUTHENTICATED_SRTP'] : []),
    ...(session.fecOrder === undefined ? [] : [`FEC_ORDER=${session.fecOrder}`]),
    ...(session.windowSizeHint === undefined ? [] : [`WSH=${session.windowSizeHint}`]),
  ].join(' ')
}

/**
 * The line that accepts `offered`: its tag and suite, a key of our own, and of the session parameters those that hold for
 * both directions. RFC 4568 5.1.2, 6.3
 *
 * @param masterKey random octets, as many as {@link masterKeyBytes} says
 */
export function acceptCrypto(offered: CryptoAttribute, masterKey: Uint8Array): CryptoAttribute {
  const { keyLength, saltLength } = SUITES[offered.suite]
  if (masterKey.length !== keyLength + saltLength) throw new RangeError('an SRTP master key of the wrong length')
  const { unencryptedSrtp, unencryptedSrtcp, unauthenticatedSrtp } = offered.sessionParameters
  return {
    ...offered,
    keyParameters: [{ ...splitMasterKey(masterKey, keyLength), mki: new Uint8Array(), lifetimePackets: undefined }],
    sessionParameters: { ...NO_SESSION_PARAMETERS, unencryptedSrtp, unencryptedSrtcp, unauthenticatedSrtp },
  }
}

/** What decrypts the packets of whoever wrote the line. */
export function srtpKeysOf({ suite, keyParameters, sessionParameters }: CryptoAttribute): SrtpKeys {
  const { unencryptedSrtp, unencryptedSrtcp, unauthenticatedSrtp, keyDerivationRate } = sessionParameters
  const masterKeys = keyParameters.map(({ key, salt, mki }): SrtpMasterKey => ({ key, salt, mki }))
  return {
    ...{ suite, masterKeys, unencryptedSrtp, unencryptedSrtcp, unauthenticatedSrtp },
    ...(keyDerivationRate === 0 ? {} : { keyDerivationRate }),
  }
}

// By the grammar there is one word of keys; RFC 4568 7.1.5 itself shows a blank after the semicolon.
function countKeyWords(words: readonly string[]): number {
  let count = Math.min(1, words.length)
  while (count < words.length && (words[count - 1]?.endsWith(';') === true || words[count]?.startsWith(';') === true)) {
    count += 1
  }
  return count
}

function parseKeyParameters(text: string, suite: SrtpSuite): Result<readonly KeyParameter[], CryptoRejectReason> {
  const parts = text.split(';').filter((part) => part !== '')
  if (parts.length === 0) return rejected('syntax')
  if (parts.length > MASTER_KEYS_MAX) return rejected('key')
  const parameters: KeyParameter[] = []
  for (const part of parts) {
    const parsed = parseKeyParameter(part, suite)
    if (!parsed.ok) return parsed
    parameters.push(parsed.value)
  }
  return areTold(parameters) ? accepted(parameters) : rejected('mki')
}

// RFC 4568 6.1: several keys are told apart by MKIs of one length. Trying each in turn is forbidden.
function areTold(parameters: readonly KeyParameter[]): boolean {
  if (parameters.length === 1) return true
  const lengths = new Set(parameters.map(({ mki }) => mki.length))
  const values = new Set(parameters.map(({ mki }) => integerOf(mki)))
  return lengths.size === 1 && !lengths.has(0) && values.size === parameters.length
}

// RFC 4568 6.1: `inline:<key and salt>["|"<lifetime>]["|"<MKI>:<length>]`; only the last has a colon.
function parseKeyParameter(text: string, suite: SrtpSuite): Result<KeyParameter, CryptoRejectReason> {
  const colon = text.indexOf(':')
  if (text.slice(0, Math.max(0, colon)).toLowerCase() !== 'inline') return rejected('keyMethod')
  const [base64 = '', ...fields] = text.slice(colon + 1).split('|')
  const written = fields.filter((field) => field !== '')
  const identifiers = written.filter((field) => field.includes(':'))
  const lifetimes = written.filter((field) => !field.includes(':'))
  if (identifiers.length > 1 || lifetimes.length > 1) return rejected('syntax')
  const bytes = decodeBase64(base64, masterKeyBytes(suite))
  if (bytes === undefined) return rejected('key')
  const lifetimePackets = lifetimes[0] === undefined ? undefined : parseLifetime(lifetimes[0])
  if (lifetimes.length > 0 && lifetimePackets === undefined) return rejected('lifetime')
  const mki = identifiers[0] === undefined ? new Uint8Array() : parseMki(identifiers[0])
  if (mki === undefined) return rejected('mki')
  return accepted({ ...splitMasterKey(bytes, SUITES[suite].keyLength), mki, lifetimePackets })
}

function splitMasterKey(bytes: Uint8Array, keyBytes: number): Pick<KeyParameter, 'key' | 'salt'> {
  return { key: bytes.slice(0, keyBytes), salt: bytes.slice(keyBytes) }
}

// RFC 4568 6.1 names 2^31 as the greatest for the suites of RFC 3711, which itself allows 2^48; both are in use.
function parseLifetime(text: string): number | undefined {
  const isPower = text.startsWith('2^')
  const digits = isPower ? text.slice(2) : text
  if (!/^[0-9]{1,15}$/.test(digits)) return undefined
  const packets = isPower ? 2 ** Number(digits) : Number(digits)
  return packets > 0 && packets <= LIFETIME_PACKETS_MAX ? packets : undefined
}

/** A big-endian number of so many octets. RFC 4568 6.1 */
function parseMki(text: string): Uint8Array | undefined {
  // 309 digits are the greatest number of 128 octets.
  const [, digits = '', lengthText = ''] = /^([0-9]{1,309}):([0-9]{1,3})$/.exec(text) ?? []
  const length = Number(lengthText)
  if (digits === '' || length < 1 || length > MKI_LENGTH_MAX) return undefined
  const hex = BigInt(digits)
    .toString(16)
    .padStart(length * 2, '0')
  return hex.length > length * 2
    ? undefined
    : Uint8Array.from({ length }, (_, index) => Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16))
}

function parseSessionParameters(
  words: readonly string[],
  suite: SrtpSuite,
): Result<SessionParameters, CryptoRejectReason> {
  if (words.length > SESSION_PARAMETERS_MAX) return rejected('parameter')
  let parameters = NO_SESSION_PARAMETERS
  for (const word of words) {
    // RFC 4568 6.3.7: what begins with a dash may be ignored.
    if (word.startsWith('-')) continue
    const parsed = parseSessionParameter(word, suite)
    if (parsed === undefined) return rejected('parameter')
    parameters = { ...parameters, ...parsed }
  }
  // RFC 7714 8.3: with AEAD every SRTP packet is encrypted and authenticated.
  const isBare = parameters.unencryptedSrtp || parameters.unauthenticatedSrtp
  return isBare && suite.startsWith('AEAD') ? rejected('parameter') : accepted(parameters)
}

function parseSessionParameter(word: string, suite: SrtpSuite): Partial<SessionParameters> | undefined {
  const equals = word.indexOf('=')
  const value = equals < 0 ? undefined : word.slice(equals + 1)
  switch (word.slice(0, equals < 0 ? word.length : equals).toUpperCase()) {
    case 'UNENCRYPTED_SRTP':
      return value === undefined ? { unencryptedSrtp: true } : undefined
    case 'UNENCRYPTED_SRTCP':
      return value === undefined ? { unencryptedSrtcp: true } : undefined
    case 'UNAUTHENTICATED_SRTP':
      return value === undefined ? { unauthenticatedSrtp: true } : undefined
    case 'KDR':
      return /^[0-9]{1,2}$/.test(value ?? '') && Number(value) <= 24
        ? { keyDerivationRate: Number(value) === 0 ? 0 : 2 ** Number(value) }
        : undefined
    case 'FEC_ORDER':
      return value === 'FEC_SRTP' || value === 'SRTP_FEC' ? { fecOrder: value } : undefined
    case 'FEC_KEY':
      // Of a stream beside this one that is not received: read, so that what is no key is refused, and not kept.
      return parseKeyParameters(value ?? '', suite).ok ? {} : undefined
    case 'WSH':
      return /^[0-9]{1,9}$/.test(value ?? '') ? { windowSizeHint: Number(value) } : undefined
    default:
      return undefined
  }
}

function formatKeyParameter({ key, salt, mki, lifetimePackets }: KeyParameter): string {
  const lifetime = lifetimePackets === undefined ? '' : `|${formatLifetime(lifetimePackets)}`
  const identifier = mki.length === 0 ? '' : `|${integerOf(mki)}:${mki.length}`
  return `inline:${btoa(String.fromCharCode(...key, ...salt))}${lifetime}${identifier}`
}

function formatLifetime(packets: number): string {
  const exponent = Math.round(Math.log2(packets))
  return 2 ** exponent === packets ? `2^${exponent}` : String(packets)
}

function integerOf(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n)
}

/** The octets, or undefined when it is not base64 of just so many. RFC 4648 4 */
function decodeBase64(text: string, length: number): Uint8Array | undefined {
  const characters = Math.ceil((length * 4) / 3)
  if (text.length < characters || text.length > characters + 2) return undefined
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  const digits = text.replaceAll('=', '')
  // The count of digits says the count of octets, whatever the padding.
  return digits.length === characters ? Uint8Array.from(atob(digits), (octet) => octet.charCodeAt(0)) : undefined
}
