import { loadNativeAddon } from '../../../src/server/media/native-addon.ts'
import type { RtpPortRange } from '../../support/rtp-port-range.ts'
import { cryptoLineOf, keysOf } from '../../support/srtp.ts'
import type { Contestant } from './contestant.ts'
import type { TalkPattern } from './conversation.ts'
import { startEarwitness } from './earwitness-contestant.ts'
import { ffmpeg, gstreamer, rtpengineDump } from './peers.ts'

/** Of the rows with SRTP. */
export const SUITE = 'AES_CM_128_HMAC_SHA1_80'

/** One program in one setting, to be measured. */
export interface Row {
  readonly name: string
  readonly pattern: TalkPattern
  readonly start: () => Promise<Contestant>
  readonly isSecure?: boolean
  /** Measured with many sessions too: what a program costs at rest weighs less then. */
  readonly isLoaded?: boolean
  /** The program without which it cannot be. */
  readonly needs?: string
}

interface Setting {
  readonly engine: 'opusscript' | 'libopus-wasm'
  readonly receiver: 'dgram' | 'native'
  readonly pattern: TalkPattern
  readonly isSecure?: boolean
  readonly complexity?: number
  readonly core?: number
}

/** Complexity 0 beside complexity 0 and beside what the peers do by default; one side talking, and both. */
export function mediaRows(ports: RtpPortRange): readonly Row[] {
  const ours = settings().flatMap((setting) => [
    earwitness(ports, { ...setting, pattern: 'turns' }),
    earwitness(ports, { ...setting, pattern: 'turns', isSecure: true }),
    earwitness(ports, { ...setting, pattern: 'both' }),
  ])
  const peers = (['turns', 'both'] as const).flatMap((pattern) => [
    peer(() => ffmpeg(0, ports), 'ffmpeg', pattern),
    peer(() => gstreamer(0, ports), 'gst-launch-1.0', pattern),
  ])
  return [
    ...ours,
    earwitness(ports, { engine: 'libopus-wasm', receiver: 'dgram', pattern: 'turns', complexity: 5 }),
    ...peers,
    peer(() => ffmpeg(10, ports), 'ffmpeg', 'turns'),
    peer(() => gstreamer(10, ports), 'gst-launch-1.0', 'turns'),
    { ...peer(() => rtpengineDump(ports), 'rtpengine', 'turns'), isLoaded: true },
  ]
}

/** What is asked how many sessions one core carries. */
export function sustainedRows(ports: RtpPortRange, core: number): readonly Row[] {
  return settings().map((setting) => earwitness(ports, { ...setting, pattern: 'turns', core }))
}

/** What works everywhere, the default engine, and that with the receiver in C where it has been built. */
function settings(): readonly Pick<Setting, 'engine' | 'receiver'>[] {
  const everywhere = [
    { engine: 'opusscript', receiver: 'dgram' },
    { engine: 'libopus-wasm', receiver: 'dgram' },
  ] as const
  return loadNativeAddon().ok ? [...everywhere, { engine: 'libopus-wasm', receiver: 'native' }] : everywhere
}

function earwitness(ports: RtpPortRange, setting: Setting): Row {
  const { engine, receiver, pattern, isSecure = false, complexity = 0, core } = setting
  const words = [`Earwitness, ${engine}, ${receiver}`]
  if (isSecure) words.push('SRTP')
  if (complexity > 0) words.push(`complexity ${complexity}`)
  if (core !== undefined) words.push('one core')
  const name = words.join(', ')
  const environment = {
    EARWITNESS_MEDIA_OPUS_ENGINE: engine,
    EARWITNESS_MEDIA_RECEIVER: receiver,
    EARWITNESS_RECORDING_OPUS_COMPLEXITY: String(complexity),
    EARWITNESS_RECORDING_OPUS_BITRATE: '16000',
  }
  return {
    name,
    pattern,
    isSecure,
    isLoaded: complexity === 0 && pattern === 'turns',
    start: () =>
      startEarwitness({
        ...{ name, ports, environment },
        ...(isSecure ? { crypto: cryptoLineOf(keysOf(SUITE)) } : {}),
        ...(core === undefined ? {} : { core }),
      }),
  }
}

function peer(make: () => Contestant, needs: string, pattern: TalkPattern): Row {
  return { name: make().name, pattern, needs, start: () => Promise.resolve(make()) }
}
