import type { Config } from '../../config/config.ts'
import { ADDON_MISSING } from '../media/receiver-choice.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { Probes } from './probes.ts'

/** Codecs that are kept as they came, and FFmpeg's decoders of them: any one will do. */
const DECODERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['G.729', ['g729']],
  ['G.723.1', ['g723_1']],
  ['G.726', ['g726', 'g726le']],
  ['AMR', ['amrnb', 'libopencore_amrnb']],
  ['AMR-WB', ['amrwb', 'libopencore_amrwb']],
  ['iLBC', ['ilbc', 'libilbc']],
  ['GSM', ['gsm', 'libgsm']],
  ['Speex', ['speex', 'libspeex']],
])

/** The programs and libraries the recorder is made of. */
export const PROGRAM_CHECKS = [checkNode, checkReceiver, checkOpus, checkFfmpeg]

export async function checkNode(_config: Config, probes: Probes): Promise<Finding> {
  const { nodeVersion, pinnedNodeVersion } = probes
  if (nodeVersion === pinnedNodeVersion) return ok('node', `Node ${nodeVersion}, the one that was tested.`)
  return warn(
    'node',
    `This is Node ${nodeVersion}; the recorder is tested with ${pinnedNodeVersion}.`,
    'Start it with `npm start` or `npx earwitness`, which bring the right one along.',
  )
}

export async function checkReceiver(config: Config, probes: Probes): Promise<Finding> {
  const { receiver } = config.media
  if (receiver === 'dgram')
    return ok('receiver', 'RTP is received through the sockets of Node, as media.receiver says.')
  const addon = probes.addon()
  if (addon === 'loaded') return ok('receiver', 'RTP is received in batches by the module in C.')
  const why = ADDON_MISSING[addon]
  const hint = 'Install a C compiler (Debian: apt-get install gcc libc6-dev) and type: npm run native'
  if (receiver === 'native') return fail('receiver', `media.receiver asks for the module in C, and ${why}.`, hint)
  return warn('receiver', `RTP is received through the sockets of Node, at several times the cost: ${why}.`, hint)
}

export async function checkOpus(config: Config, probes: Probes): Promise<Finding> {
  const { opusEngine } = config.media
  const problem = await probes.encodeAndDecode()
  if (problem === undefined) return ok('opus', `The Opus engine ${opusEngine} encodes and decodes.`)
  const other = opusEngine === 'opusscript' ? 'libopus-wasm' : 'opusscript'
  return fail(
    'opus',
    `The Opus engine ${opusEngine} does not encode and decode (${problem}).`,
    `\`npm ci\` brings back packages that are missing; media.opusEngine: ${other} is the other one.`,
  )
}

export async function checkFfmpeg(_config: Config, probes: Probes): Promise<Finding> {
  const output = await probes.output('ffmpeg', ['-hide_banner', '-decoders'])
  if (output === undefined) {
    return warn(
      'ffmpeg',
      'There is no FFmpeg: codecs that are kept as they came cannot be decoded on export here.',
      'Debian: apt-get install ffmpeg. Recording does not need it, and an export can be made on another machine.',
    )
  }
  const found = new Set(output.split('\n').map((line) => /^ [A-Z.]{6} (\S+)/u.exec(line)?.[1]))
  const missing = [...DECODERS].filter(([, names]) => !names.some((name) => found.has(name))).map(([codec]) => codec)
  if (missing.length === 0) return ok('ffmpeg', `FFmpeg decodes ${[...DECODERS.keys()].join(', ')} on export.`)
  return warn(
    'ffmpeg',
    `This FFmpeg does not decode ${missing.join(', ')}.`,
    'What comes in these codecs is kept, and can be exported as rtpdump or on a machine with another FFmpeg.',
  )
}
