import { link, open, unlink } from 'node:fs/promises'

import { EarwitnessError, ExitCode } from '../errors.ts'
import { flattenLinks } from '../media/flatten-links.ts'
import { readOggOpus, type OggOpusLink } from '../media/ogg-opus.ts'
import { loadIdentities } from '../server/storage/key-files.ts'
import { choiceOption, textOption, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { mixedOgg, toWav } from './export/render.ts'
import { writeJson, writeLines } from './output.ts'
import { defaultIdentityFile, findRecording, openAudio } from './stored-recording.ts'

const FORMATS = ['ogg', 'wav'] as const
const LAYOUTS = ['separate', 'mixed'] as const

export const command: Command = {
  name: 'export',
  summary: 'opens a recording with the vault key and writes it as a file to listen to',
  usage: 'export ID -o FILE [--format ogg|wav] [--layout separate|mixed] [--identity KEYFILE]',
  description:
    'ogg is the audio as it was recorded, one channel per participant, not encoded again; wav is decoded to 16-bit samples. ' +
    'The layout mixed puts all participants into one channel.',
  examples: [
    'export 01990000-0000-7000-8000-000000000000 -o recording.ogg',
    'export 01990000-0000-7000-8000-000000000000 -o recording.wav --format wav --layout mixed',
  ],
  positionals: { min: 1, max: 1 },
  options: {
    output: { type: 'string', short: 'o', placeholder: 'FILE', description: 'where to write; must not exist yet' },
    format: {
      type: 'string',
      placeholder: 'FORMAT',
      description: 'ogg or wav (default: by the name of FILE, else ogg)',
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

async function runExport(context: CommandContext): Promise<ExitCode> {
  const { args, stderr } = context
  const id = args.positionals[0] ?? ''
  const output = textOption(args, 'output')
  if (output === undefined) throw usageError('usage-no-output', 'No file to write to was given.', 'Add -o FILE.')
  const format = choiceOption(args, 'format', FORMATS, output.endsWith('.wav') ? 'wav' : 'ogg')
  const layout = choiceOption(args, 'layout', LAYOUTS, 'separate')
  const config = context.config()
  const objects = await findRecording(config, id)
  const identities = await loadIdentities(textOption(args, 'identity') ?? defaultIdentityFile(config))
  const { ogg, chunks, hasManifest } = await openAudio(objects, identities)
  if (chunks === 0) {
    throw new EarwitnessError(
      'recording-without-audio',
      'This recording holds no audio.',
      '`earwitness recordings show` says why: no RTP packet arrived, or its first chunk is not complete yet.',
    )
  }
  const links = readOggOpus(ogg)
  if (!links.ok) {
    throw new EarwitnessError(
      'audio-unreadable',
      'The opened audio is not an Ogg Opus file.',
      `Reason: ${links.reason}.`,
    )
  }
  const bytes = await render(links.value, format, layout).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : 'unknown'
    throw new EarwitnessError('audio-unreadable', 'The opened audio cannot be put together.', `Reason: ${reason}.`, {
      cause,
    })
  })
  await writeNewFile(output, bytes)
  const facts = { recordingId: id, file: output, format, layout, chunks, hasManifest, sizeBytes: bytes.length }
  if (context.json) writeJson(context.stdout, facts)
  else if (!hasManifest)
    writeLines(stderr, [`Wrote ${output}: what is stored so far; there is no manifest yet to hold it against.`])
  else writeLines(stderr, [`Wrote ${output}: ${format}, ${layout}, ${chunks} chunks.`])
  return ExitCode.done
}

async function render(
  links: readonly OggOpusLink[],
  format: (typeof FORMATS)[number],
  layout: (typeof LAYOUTS)[number],
): Promise<Uint8Array> {
  if (format === 'wav') return toWav(links, layout)
  return layout === 'mixed' ? mixedOgg(links) : flattenLinks(links, { serialNumber: 1 })
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

function hintFor(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'EEXIST') return 'It exists already; name another one.'
  if (code === 'ENOENT') return 'The folder does not exist; make it first.'
  if (code === 'ENOSPC') return 'The disk is full.'
  return `Reason: ${typeof code === 'string' ? code : 'unknown'}.`
}
