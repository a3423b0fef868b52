import { EarwitnessError, ExitCode } from '../errors.ts'
import type { ManifestBody } from '../evidence/manifest.ts'
import { readOggOpus, type OggOpusLink } from '../media/ogg-opus.ts'
import { choiceOption, flag, textOption, textOptions, usageError } from './arguments.ts'
import type { Command, CommandContext, ParsedArguments } from './command.ts'
import { exportBundle } from './export/export-bundle.ts'
import { heldWarnings, withSilenceBefore } from './export/held-silence.ts'
import { exportVcon } from './export/export-vcon.ts'
import { KeptAudio } from './export/kept-audio.ts'
import { filledSamples, labelTrack, unlistedGapSamples, withoutFilling } from './export/gap-places.ts'
import { keptStreams, type KeptStreamPackets } from './export/kept-packets.ts'
import { writeNewFile } from './export/new-file.ts'
import { mixedOgg, separateOgg, toWav, type AddedAudio } from './export/render.ts'
import { writeRtpdumps } from './export/rtpdump-files.ts'
import { noteAccess } from './note-access.ts'
import { writeJson, writeLines } from './output.ts'
import { findRecording, openAudio, type OpenedAudio } from './stored-recording.ts'
import { defaultIdentity, IDENTITY_WORDS, openIdentities } from './vault-identities.ts'

const FORMATS = ['ogg', 'wav', 'rtpdump', 'bundle', 'vcon'] as const
const LAYOUTS = ['separate', 'mixed'] as const
/** Of the recording timeline. */
const SAMPLES_PER_SECOND = 48_000

export const command: Command = {
  name: 'export',
  summary: 'opens a recording with the vault key and writes it as a file to listen to',
  usage:
    'export ID -o FILE [--format ogg|wav|rtpdump|bundle|vcon] [--layout separate|mixed] [--labels FILE] [--received-only] [--decrypted] [--unsigned] ' +
    '[--identity KEYFILE] [--key SIGNER.pub.pem]...',
  description:
    'ogg is the audio as it was recorded, one channel per participant, not encoded again; wav is decoded to 16-bit samples. ' +
    'The layout mixed puts all participants into one channel. Audio that was kept as it came (G.729, AMR, …) is decoded by ' +
    'the FFmpeg of this machine and put in its place; in ogg only its channel is encoded again. What cannot be decoded stays ' +
    'silent, is named, and ends the command with exit code 4. Where packets were lost, a short signal that the recorder made up may stand: ' +
    '--labels writes where, --received-only leaves it silent. rtpdump writes the packets that were kept, a file per media ' +
    'stream and its SDP, into a new folder FILE. bundle is one zip for an auditor: all that is stored, sealed as it is, with the signer’s public key, a report and ' +
    'instructions; it needs no key. With --identity the report names the participants; --decrypted adds the audio in the clear and the key of ' +
    'this recording. Exit code 3: it was written, and is not verified. vcon is one JSON file (draft-ietf-vcon-vcon-core) with manifest and consent events ' +
    'as they were signed; with --identity it names people and holds the audio. It is signed as a whole where signer.certificateFile names a certificate of the signer key, or of the RSA key in signer.certificateKeyFile, and the recording verifies; where it does not, exit code 3 and nothing is written.',
  examples: [
    'export 01990000-0000-7000-8000-000000000000 -o recording.ogg',
    'export 01990000-0000-7000-8000-000000000000 -o recording.wav --format wav --layout mixed',
    'export 01990000-0000-7000-8000-000000000000 -o packets --format rtpdump',
    'export 01990000-0000-7000-8000-000000000000 -o recording.zip --format bundle',
  ],
  positionals: { min: 1, max: 1 },
  options: {
    output: { type: 'string', short: 'o', placeholder: 'FILE', description: 'where to write; must not exist yet' },
    format: {
      type: 'string',
      placeholder: 'FORMAT',
      description: 'ogg, wav, rtpdump, bundle or vcon (default: by the name of FILE, else ogg)',
    },
    layout: { type: 'string', placeholder: 'LAYOUT', description: 'separate (default) or mixed' },
    labels: {
      type: 'string',
      placeholder: 'FILE',
      description: 'writes gaps and incidents with their places, as a label track for Audacity',
    },
    'received-only': { type: 'boolean', description: 'of wav: silence where packets were lost, nothing made up' },
    identity: {
      type: 'string',
      placeholder: 'KEYFILE',
      description: `private half of a vault key (default: data/keys/vault.agekey, or the key service of vault.kind; of a bundle and vcon: none, unless --decrypted); ${IDENTITY_WORDS}`,
    },
    decrypted: {
      type: 'boolean',
      description: 'of a bundle: add the audio in the clear, and the key of the recording',
    },
    unsigned: { type: 'boolean', description: 'of a vCon: not signed, although signer.certificateFile is set' },
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description:
        'public key of a trusted signer: of a bundle (default: data/keys/signer.pub.pem), or besides the own one of a vCon that is signed',
    },
  },
  run: runExport,
}

const KEPT_UNNAMED =
  'warning: packets that were kept as they came are not in it: which stream they are of, and what codec, the manifest will say when the recording is over.'

const HELD_UNNAMED =
  'warning: what is held until consent is not in it: it is silent here, unless somebody decides that it may be kept.'

interface ExportOptions {
  readonly id: string
  readonly output: string
  readonly format: (typeof FORMATS)[number]
  readonly layout: (typeof LAYOUTS)[number]
  readonly labels: string | undefined
  readonly isReceivedOnly: boolean
}

async function runExport(context: CommandContext): Promise<ExitCode> {
  const { args } = context
  const output = textOption(args, 'output')
  if (output === undefined) throw usageError('usage-no-output', 'No file to write to was given.', 'Add -o FILE.')
  const options: ExportOptions = {
    id: args.positionals[0] ?? '',
    output,
    format: choiceOption(args, 'format', FORMATS, formatOf(output)),
    layout: choiceOption(args, 'layout', LAYOUTS, 'separate'),
    labels: textOption(args, 'labels'),
    isReceivedOnly: flag(args, 'received-only'),
  }
  checkOptions(options, args)
  if (options.format === 'bundle') return exportBundle(context, options)
  if (options.format === 'vcon') return exportVcon(context, options)
  const config = context.config()
  const objects = await findRecording(config, options.id)
  const identities = await openIdentities(() => config, textOption(args, 'identity') ?? defaultIdentity(config))
  await noteAccess(context, config, { recordingId: options.id, action: 'export' })
  const opened = await openAudio(objects, identities)
  const streams = keptStreams(opened.kept, opened.manifest ?? { streams: [] })
  if (streams === undefined) throw unreadable('the packets that were kept', 'notRtpdump')
  return options.format === 'rtpdump'
    ? exportPackets(context, options, { opened, streams })
    : exportAudio(context, options, { opened, streams })
}

function formatOf(output: string): (typeof FORMATS)[number] {
  if (output.endsWith('.zip')) return 'bundle'
  if (output.endsWith('.vcon')) return 'vcon'
  return output.endsWith('.wav') ? 'wav' : 'ogg'
}

function checkOptions({ format, labels, isReceivedOnly }: ExportOptions, args: ParsedArguments): void {
  if (flag(args, 'decrypted') && format !== 'bundle') {
    const sentence = '--decrypted is for bundles: every other export is opened.'
    throw usageError('usage-not-bundle', sentence, 'Leave it out, or add --format bundle.')
  }
  if (textOptions(args, 'key').length > 0 && format !== 'bundle' && format !== 'vcon') {
    const sentence = '--key is for bundles and vCons: no other export is signed.'
    throw usageError('usage-not-bundle', sentence, 'Leave it out, or add --format bundle.')
  }
  if (flag(args, 'unsigned') && format !== 'vcon') {
    throw usageError('usage-not-vcon', '--unsigned is for vCons.', 'Leave it out, or add --format vcon.')
  }
  if (isReceivedOnly && format !== 'wav') {
    const sentence =
      'Only a wav export can leave out what the recorder made up: the others hold the audio as it was encoded.'
    throw usageError('usage-received-only', sentence, 'Add --format wav.')
  }
  if (labels !== undefined && (format === 'rtpdump' || format === 'bundle' || format === 'vcon')) {
    const sentence = 'Only audio has a label track: packets and bundles have none.'
    throw usageError('usage-labels', sentence, 'Leave out --labels, or export as ogg or wav.')
  }
}

async function exportPackets(
  context: CommandContext,
  { id, output, format }: ExportOptions,
  { opened, streams }: { readonly opened: OpenedAudio; readonly streams: readonly KeptStreamPackets[] },
): Promise<ExitCode> {
  if (opened.manifest === undefined) {
    throw new EarwitnessError(
      'recording-running',
      'This recording has no manifest yet, and only that says whose packets were kept and what codec they are of.',
      'Export its packets when the recording is over; what was decoded so far can be exported as ogg or wav now.',
    )
  }
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
  const { ogg, chunks, manifest, keptUnnamed, closed, heldUnnamed } = stored.opened
  if (chunks === 0 && (closed.length > 0 || heldUnnamed > 0)) throw allHeld()
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
  const added = options.isReceivedOnly ? withoutFilling(placesOf(manifest), kept) : kept
  const bytes = await render(withSilenceBefore(links.value), options, added).catch((cause: unknown) => {
    if (cause instanceof EarwitnessError) throw cause
    throw unreadable('the opened audio', cause instanceof Error ? cause.message : 'unknown', cause)
  })
  await writeNewFile(output, bytes)
  if (options.labels !== undefined && manifest !== undefined) {
    await writeNewFile(options.labels, Buffer.from(labelTrack(manifest)))
  }
  const hasManifest = manifest !== undefined
  const filled = manifest === undefined || options.isReceivedOnly ? 0 : filledSamples(manifest)
  const facts = { recordingId: id, file: output, format, layout, chunks, hasManifest, sizeBytes: bytes.length }
  if (context.json)
    writeJson(context.stdout, {
      ...facts,
      undecoded: kept.undecoded,
      keptUnnamed,
      filledSamples: filled,
      notOpened: closed,
    })
  else if (!hasManifest) {
    const wrote = `Wrote ${output}: what is stored so far; there is no manifest yet to hold it against.`
    writeLines(context.stderr, [
      wrote,
      ...(keptUnnamed === 0 ? [] : [KEPT_UNNAMED]),
      ...(heldUnnamed === 0 ? [] : [HELD_UNNAMED]),
    ])
  } else {
    const wrote = `Wrote ${output}: ${format}, ${layout}, ${chunks} chunks.`
    const notes = [...heldWarnings(closed), ...kept.warnings, ...notesOnGaps(manifest, filled, options)]
    writeLines(context.stderr, [wrote, ...notes])
  }
  return kept.undecoded.length === 0 && keptUnnamed === 0 ? ExitCode.done : ExitCode.partlyDone
}

function allHeld(): EarwitnessError {
  return new EarwitnessError(
    'audio-held',
    'All audio of this recording was held until consent, and its key is not there.',
    '`earwitness verify` says whether that key was destroyed, or nobody has decided about it.',
  )
}

/** @throws EarwitnessError `export-not-separable`, when it is not known where on which channel something was lost. */
function placesOf(manifest: ManifestBody | undefined): ManifestBody {
  if (manifest?.layout === 'separate') return manifest
  throw new EarwitnessError(
    'export-not-separable',
    'What the recorder made up cannot be told from what it received: there is no manifest yet, or all were mixed while they were recorded.',
    'Leave out --received-only; --labels shows where packets were lost.',
  )
}

/** What must be said of an export in which not all was received. */
function notesOnGaps(
  manifest: ManifestBody,
  filled: number,
  { labels, isReceivedOnly }: ExportOptions,
): readonly string[] {
  const unlisted = unlistedGapSamples(manifest)
  const seconds = (samples: number): string => (samples / SAMPLES_PER_SECOND).toFixed(2)
  return [
    ...(filled === 0
      ? []
      : [`note: ${seconds(filled)} s were lost and are filled with a signal that the recorder made up.`]),
    ...(filled > 0 && labels === undefined
      ? ['hint: --labels FILE writes where; --received-only (wav) leaves it silent.']
      : []),
    ...(unlisted > 0 && (labels !== undefined || isReceivedOnly)
      ? [`warning: the manifest does not say where another ${seconds(unlisted)} s of gaps are.`]
      : []),
  ]
}

async function render(
  links: readonly OggOpusLink[],
  { format, layout }: ExportOptions,
  added: AddedAudio,
): Promise<Uint8Array> {
  if (format === 'wav') return toWav(links, layout, added)
  const rendered = layout === 'mixed' ? await mixedOgg(links, added) : await separateOgg(links, added)
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
