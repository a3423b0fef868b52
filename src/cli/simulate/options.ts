import { randomInt } from 'node:crypto'
import { resolve } from 'node:path'
import { parseDuration } from '../../config/values.ts'
import type { EarwitnessError } from '../../errors.ts'
import { paramValue } from '../../protocol/sip/params.ts'
import type { SrtpSuite } from '../../protocol/srtp/srtp-keys.ts'
import { SUITES } from '../../protocol/srtp/suites.ts'
import { formatHostPort, parseSipUri } from '../../protocol/sip/uri.ts'
import { choiceOption, integerOption, numberOption, textOption, usageError } from '../arguments.ts'
import type { CommandContext, CommandOption, ParsedArguments } from '../command.ts'
import { AUDIO_FILES } from './audio-source.ts'
import type { ImpairmentProfile } from './impairment.ts'
import { OFFER_CODECS } from './offer.ts'
import type { OfferCodec } from './offer.ts'

/** Where the recorder listens. */
export interface SipTarget {
  readonly transport: 'udp' | 'tcp'
  /** Address or name, IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

export interface HoldPlan {
  /** After the answer. */
  readonly afterMs: number
  readonly durationMs: number
}

export interface SimulateOptions {
  readonly target: SipTarget
  readonly recordingSessions: number
  readonly perSecond: number
  readonly durationMs: number
  readonly codec: OfferCodec
  readonly seed: number
  readonly impairment: ImpairmentProfile
  /** The first media stream's clock runs this fast, the second's this slow. */
  readonly driftPpm: number
  readonly hold: HoldPlan | undefined
  /** Offers the media streams as SRTP; undefined for RTP in clear. */
  readonly srtp: SrtpSuite | undefined
  /** New keys with every re-INVITE. */
  readonly renewsKeys: boolean
  readonly sendBye: boolean
  readonly sendRtp: boolean
  /** Listens for RTCP as well: two ports for each media stream. */
  readonly receivesReports?: boolean
  /** One WAV file per media stream. */
  readonly audioFiles: readonly string[]
}

export const RECORDING_SESSIONS_MAX = 100_000
export const PER_SECOND_MAX = 1_000
export const DURATION_MAX_MS = 24 * 3_600_000
export const JITTER_MAX_MS = 5_000
export const DRIFT_MAX_PPM = 10_000
export const SEED_MAX = 2 ** 32 - 1
const DEFAULT_SIP_PORT = 5060

export const SIMULATE_OPTIONS: Readonly<Record<string, CommandOption>> = {
  to: {
    type: 'string',
    placeholder: 'URI',
    description: 'Recorder, as sip:HOST:PORT[;transport=tcp] (default: sip.listen)',
  },
  calls: { type: 'string', placeholder: 'N', description: 'Recording sessions to place (default 1)' },
  cps: { type: 'string', placeholder: 'R', description: 'Recording sessions begun per second (default 10)' },
  duration: { type: 'string', placeholder: 'DURATION', description: 'Length of each from its answer (default 10s)' },
  codec: { type: 'string', placeholder: 'NAME', description: 'PCMU (default) or PCMA' },
  caller: {
    type: 'string',
    placeholder: 'FILE',
    description: 'WAV file of the first media stream, looped (default: shipped)',
  },
  callee: {
    type: 'string',
    placeholder: 'FILE',
    description: 'WAV file of the second media stream, looped (default: shipped)',
  },
  loss: { type: 'string', placeholder: 'SHARE', description: 'RTP packets that never leave, such as 5%' },
  jitter: { type: 'string', placeholder: 'DURATION', description: 'Longest random delay of RTP packets, such as 60ms' },
  reorder: {
    type: 'string',
    placeholder: 'SHARE',
    description: 'RTP packets that leave after one to three of their followers',
  },
  duplicate: { type: 'string', placeholder: 'SHARE', description: 'RTP packets sent twice' },
  drift: {
    type: 'string',
    placeholder: 'PPM',
    description: 'Clock error: the first media stream this fast, the second this slow',
  },
  hold: {
    type: 'string',
    placeholder: 'LENGTH@AFTER',
    description: 'Hold by re-INVITE, such as 3s@2s: for 3 s, after 2 s',
  },
  srtp: {
    type: 'string',
    placeholder: 'SUITE',
    description: 'Send SRTP, with the key in the SDP, such as AES_CM_128_HMAC_SHA1_80',
  },
  rekey: { type: 'boolean', description: 'With --srtp and --hold: a new key in every re-INVITE' },
  rtcp: {
    type: 'boolean',
    description: 'Listen for RTCP too, and tell loss, jitter and round trip as the recorder reports them',
  },
  // parseArgs takes `--no-x` for the negation of `x`, and so these arrive as `bye: false` and `rtp: false`.
  'no-bye': { type: 'boolean', description: 'Fall silent at the end, without BYE' },
  'no-rtp': { type: 'boolean', description: 'Send no RTP at all' },
  seed: {
    type: 'string',
    placeholder: 'N',
    description: 'Repeat the impairments of an earlier run (its summary names the seed)',
  },
}

/** Reads the command line. @throws EarwitnessError `usage-invalid-value`, with exit code 2 */
export function readSimulateOptions(context: CommandContext): SimulateOptions {
  const { args } = context
  const seed = integerOption(args, 'seed', { fallback: randomInt(SEED_MAX), min: 0, max: SEED_MAX })
  const codecs = Object.keys(OFFER_CODECS) as OfferCodec[]
  return {
    target: readTarget(context),
    recordingSessions: integerOption(args, 'calls', { fallback: 1, min: 1, max: RECORDING_SESSIONS_MAX }),
    perSecond: numberOption(args, 'cps', { fallback: 10, min: 0.001, max: PER_SECOND_MAX }),
    durationMs: readDurationMs(args, 'duration', { fallback: 10_000, max: DURATION_MAX_MS }),
    codec: choiceOption(args, 'codec', codecs, 'PCMU'),
    seed,
    impairment: {
      lossFraction: fractionOption(args, 'loss'),
      jitterUs: readDurationMs(args, 'jitter', { fallback: 0, max: JITTER_MAX_MS }) * 1_000,
      reorderFraction: fractionOption(args, 'reorder'),
      duplicateFraction: fractionOption(args, 'duplicate'),
    },
    driftPpm: parsePpm(textOption(args, 'drift') ?? '0'),
    hold: readHold(textOption(args, 'hold')),
    srtp: readSuite(textOption(args, 'srtp')),
    renewsKeys: args.values['rekey'] === true,
    sendBye: args.values['bye'] !== false,
    sendRtp: args.values['rtp'] !== false,
    receivesReports: args.values['rtcp'] === true,
    audioFiles: ['caller', 'callee'].map((name, index) => {
      const file = textOption(args, name)
      return file === undefined ? (AUDIO_FILES[index] ?? '') : resolve(context.cwd, file)
    }),
  }
}

function invalid(name: string, text: string, what: string, example: string): EarwitnessError {
  return usageError(
    'usage-invalid-value',
    `--${name} wants ${what}, not "${text}".`,
    `For example --${name} ${example}.`,
  )
}

function readDurationMs(
  args: ParsedArguments,
  name: string,
  limits: { readonly fallback: number; readonly max: number },
): number {
  const text = textOption(args, name)
  return text === undefined ? limits.fallback : parseDurationMs(name, text, limits.max)
}

/** A duration with its unit; a bare number is seconds, as in `--duration 10`. */
export function parseDurationMs(name: string, text: string, maxMs: number): number {
  const durationMs = parseDuration(/^\d{1,6}$/u.test(text) ? `${text}s` : text)
  if (durationMs.ok && durationMs.value <= maxMs) return durationMs.value
  throw invalid(name, text, `a duration of at most ${maxMs / 1_000}s`, '500ms')
}

function fractionOption(args: ParsedArguments, name: string): number {
  const text = textOption(args, name)
  return text === undefined ? 0 : parseFraction(name, text)
}

/** `5%` or `0.05`, as a fraction 0..1. */
export function parseFraction(name: string, text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,9})?)(%)?$/u.exec(text)
  const fraction = Number(match?.[1]) / (match?.[2] === '%' ? 100 : 1)
  if (match !== null && fraction <= 1) return fraction
  throw invalid(name, text, 'a share between 0% and 100%', '5%')
}

/** `100ppm`, `-20.5ppm` or `100`. */
export function parsePpm(text: string): number {
  const match = /^(-?\d{1,6}(?:\.\d{1,6})?)(?:ppm)?$/u.exec(text)
  const ppm = Number(match?.[1])
  if (match !== null && Math.abs(ppm) <= DRIFT_MAX_PPM) return ppm
  throw invalid('drift', text, `a clock error of at most ${DRIFT_MAX_PPM}ppm`, '100ppm')
}

/** A crypto suite by its name in SDP, in either case. RFC 4568 6.2 */
export function readSuite(text: string | undefined): SrtpSuite | undefined {
  if (text === undefined) return undefined
  const suites = Object.keys(SUITES) as SrtpSuite[]
  const suite = suites.find((name) => name === text.toUpperCase())
  if (suite !== undefined) return suite
  throw invalid('srtp', text, `one of ${suites.join(', ')}`, 'AES_CM_128_HMAC_SHA1_80')
}

/** `3s@2s`: a hold of three seconds that begins two seconds after the answer. */
export function readHold(text: string | undefined): HoldPlan | undefined {
  if (text === undefined) return undefined
  const [length, after, ...rest] = text.split('@')
  if (length === undefined || after === undefined || rest.length > 0) {
    throw invalid('hold', text, 'how long and when', '3s@2s (for 3 s, after 2 s)')
  }
  return {
    durationMs: parseDurationMs('hold', length, DURATION_MAX_MS),
    afterMs: parseDurationMs('hold', after, DURATION_MAX_MS),
  }
}

/** `sip:HOST:PORT;transport=tcp`; scheme, port and transport may be left out. */
export function parseTarget(text: string): SipTarget {
  const uri = parseSipUri(text.startsWith('sip:') ? text : `sip:${text}`)
  const transport = uri.ok ? (paramValue(uri.value.params, 'transport')?.toLowerCase() ?? 'udp') : ''
  if (uri.ok && (transport === 'udp' || transport === 'tcp')) {
    return { transport, host: uri.value.host, port: uri.value.port ?? DEFAULT_SIP_PORT }
  }
  throw invalid('to', text, 'the SIP address of a recorder, over UDP or TCP', '"sip:192.0.2.10:5060;transport=tcp"')
}

/** The URI of the recorder as requests name it. */
export function targetUri(target: SipTarget): string {
  return `sip:${formatHostPort(target.host, target.port)}${target.transport === 'tcp' ? ';transport=tcp' : ''}`
}

// Without --to, the recorder of this configuration on this machine.
function readTarget(context: CommandContext): SipTarget {
  const text = textOption(context.args, 'to')
  if (text !== undefined) return parseTarget(text)
  for (const { transport, address, port } of context.config().sip.listen) {
    if (transport === 'tls' || port === 0) continue
    const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
    return { transport, host, port }
  }
  throw usageError(
    'simulate-no-target',
    'The configuration has no sip.listen address over UDP or TCP with a fixed port.',
    'Say where the recorder is: --to sip:HOST:PORT.',
  )
}
