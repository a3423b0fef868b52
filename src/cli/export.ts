import { link, open, unlink } from 'node:fs/promises'

import { EarwitnessError, ExitCode } from '../errors.ts'
import { readOggOpus, type OggOpusLink } from '../media/ogg-opus.ts'
import { loadIdentities } from '../server/storage/key-files.ts'
import { choiceOption, textOption, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { KeptAudio } from './export/kept-audio.ts'
import { keptStreams, type KeptStreamPackets } from './export/kept-packets.ts'
import { mixedOgg, separateOgg, toWav } from './export/render.ts'
import { writeRtpdumps } from './export/rtpdump-files.ts'
import { hintFor } from './export/write-hints.ts'
import { writeJson, writeLines } from './output.ts'
import { defaultIdentityFile, findRecording, openAudio, type OpenedAudio } from './stored-recording.ts'

const FORMATS = ['ogg', 'wav', 'rtpdump'] as const
const LAYOUTS = ['separate', 'mixed'] as const

export const command: Command = {
  name: 'export',
  summary: 'opens a recording with the vault key and writes it as a file to listen to',
  usage: 'export ID -o FILE [--format ogg|wav|rtpdump] [--layout separate|mixed] [--identity KEYFILE]',
  description:
    'ogg is the audio as it was recorded, one channel per participant, not encoded again; wav is decoded to 16-bit samples. ' +
    'The layout mixed puts all participants into one channel. Audio that was kept as it came (G.729, AMR, …) is decoded by ' +
    'the FFmpeg of this machine and put in its place; in ogg only its channel is encoded again. What cannot be decoded stays ' +
    'silent, is named, and ends the command with exit code 4. rtpdump writes the packets that were kept, a file per media ' +
    'stream and its SDP, into a new folder FILE.',
  examples: [
    'export 01990000-0000-7000-8000-000000000000 -o recording.ogg',
    'export 01990000-0000-7000-8000-000000000000 -o recording.wav --format wav --layout mixed',
    'export 01990000-0000-7000-8000-000000000000 -o packets --format rtpdump',
  ],
  positionals: { min: 1, max: 1 },
  options: {
    output: { type: 'string', short: 'o', placeholder: 'FILE', description: 'where to write; must not exist yet' },
    format: {
      type: 'string',
      placeholder: 'FORMAT',
      description: 'ogg, wav or rtpdump (default: by the name of FILE, else ogg)',
    },
    layout: { type: 'string', placeholder: 'LAYOUT', description: 'separate (default) or mixed' },
    identity: {
      type: 'string',
      placeholder: 'KEYFILE',
      description: 'private half of a vault key (default: data/keys/vault.agekey)',
    },
  },
  run: runExport,
}

interface ExportOptions {
  readonly id: string
  readonly output: string
  readonly format: (typeof FORMATS)[number]
  readonly layout: (typeof LAYOUTS)[number]
}

async function runExport(context: CommandContext): Promise<ExitCode> {
  const { args } = context
  const output = textOption(args, 'output')
  if (output === undefined) throw usageError('usage-no-output', 'No file to write to was given.', 'Add -o FILE.')
  const options: ExportOptions = {
    id: args.positionals[0] ?? '',
    output,
    format: choiceOption(args, 'format', FORMATS, output.endsWith('.wav') ? 'wav' : 'ogg'),
    layout: choiceOption(args, 'layout', LAYOUTS, 'separate'),
  }
  const config = context.config()
  const objects = await findRecording(config, options.id)
  const identities = await loadIdentities(textOption(args, 'identity') ?? defaultIdentityFile(config))
  const opened = await openAudio(objects, identities)
  const streams = keptStreams(opened.kept, opened.manifest ?? { streams: [] })
  if (streams === undefined) throw unreadable('the packets that were kept', 'notRtpdump')
  return options.format === 'rtpdump'
    ? exportPackets(context, options, streams)
    : exportAudio(context, options, { opened, streams })
}

async function exportPackets(
  context: CommandContext,
  { id, output, format }: ExportOptions,
  streams: readonly KeptStreamPackets[],
): Promise<ExitCode> {
  if (streams.length === 0) {
    throw new EarwitnessError(
      'recording-without-packets',
      'No packets of this recording were kept as they came: all of it was decoded.',
      'Export it as ogg or wav.',
    )
  }
  const files = await writeRtpdumps(output, streams)
  if (context.json) writeJson(context.stdout, { recordingId: id, folder: output, format, files })
  else {
    const packets = files.reduce((sum, file) => sum + file.packets, 0)
    writeLines(context.stderr, [`Wrote ${output}: ${files.length} media streams, ${packets} packets.`])
  }
  return ExitCode.done
}

async function exportAudio(
  context: CommandContext,
  options: ExportOptions,
  stored: { readonly opened: OpenedAudio; readonly streams: readonly KeptStreamPackets[] },
): Promise<ExitCode> {
  const { id, output, format, layout } = options
  const { ogg, chunks, manifest } = stored.opened
  if (chunks === 0) {
    throw new EarwitnessError(
      'recording-without-audio',
      'This recording holds no audio.',
      '`earwitness recordings show` says why: no RTP packet arrived, or its first chunk is not complete yet.',
    )
  }
  const links = readOggOpus(ogg)
  if (!links.ok) throw unreadable('the opened audio', links.reason)
  const kept = new KeptAudio(stored.streams)
  const bytes = await render(links.value, options, kept).catch((cause: unknown) => {
    if (cause instanceof EarwitnessError) throw cause
    throw unreadable('the opened audio', cause instanceof Error ? cause.message : 'unknown', cause)
  })
  await writeNewFile(output, bytes)
  const hasManifest = manifest !== undefined
  const facts = { recordingId: id, file: output, format, layout, chunks, hasManifest, sizeBytes: bytes.length }
  if (context.json) writeJson(context.stdout, { ...facts, undecoded: kept.undecoded })
  else if (!hasManifest)
    writeLines(context.stderr, [`Wrote ${output}: what is stored so far; there is no manifest yet to hold it against.`])
  else writeLines(context.stderr, [`Wrote ${output}: ${format}, ${layout}, ${chunks} chunks.`, ...kept.warnings])
  return kept.undecoded.length === 0 ? ExitCode.done : ExitCode.partlyDone
}

async function render(
  links: readonly OggOpusLink[],
  { format, layout }: ExportOptions,
  kept: KeptAudio,
): Promise<Uint8Array> {
  if (format === 'wav') return toWav(links, layout, kept)
  const rendered = layout === 'mixed' ? await mixedOgg(links, kept) : await separateOgg(links, kept)
  if (rendered !== undefined) return rendered
  throw new EarwitnessError(
    'export-not-ogg',
    'The audio that was kept as it came cannot be put among the packets of this recording.',
    'Export it as wav.',
  )
}

function unreadable(what: string, reason: string, cause?: unknown): EarwitnessError {
  const sentence = `In this recording, ${what} cannot be put together.`
  return new EarwitnessError('audio-unreadable', sentence, `Reason: ${reason}.`, { cause })
}

/** Writes beside the target and links it into place, so that there is never half a file and none is overwritten. */
async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const partial = `${path}.${process.pid}.part`
  try {
    const file = await open(partial, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
    } finally {
      await file.close()
    }
    await link(partial, path)
  } catch (cause) {
    throw new EarwitnessError('export-not-written', `The file ${path} could not be written.`, hintFor(cause), { cause })
  } finally {
    await unlink(partial).catch(() => {})
  }
}
