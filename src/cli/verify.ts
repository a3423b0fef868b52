import { join } from 'node:path'

import { ExitCode } from '../errors.ts'
import { verifyBundle, type BundleFacts } from '../evidence/bundle/verify-bundle.ts'
import { testimonyLine } from '../evidence/ledger/ledger-text.ts'
import type { VerifyKey } from '../evidence/signer-keys.ts'
import type { VaultIdentity } from '../evidence/vault-open.ts'
import { describeVerdict, verifyRecording, type Verdict } from '../evidence/verify.ts'
import { isUuidV7 } from '../ids.ts'
import { witnessKeyOf } from '../server/ledger/witness-keys.ts'
import { loadVerifyKey, SIGNER_PUBLIC_FILE } from '../server/storage/key-files.ts'
import { flag, textOption, textOptions, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { noteAccess } from './note-access.ts'
import { printable, writeJson, writeLines } from './output.ts'
import { withLedger } from './ledger/recording-in-ledger.ts'
import { findRecording } from './stored-recording.ts'
import { noBundle, openBundle } from './verify/bundle-file.ts'
import { deletedObjects, describeDeleted } from './verify/deleted-objects.ts'
import { IDENTITY_WORDS, openIdentities } from './vault-identities.ts'

export const command: Command = {
  name: 'verify',
  summary: 'checks that nothing of a recording was changed, cut out or added',
  usage: 'verify ID|FILE.zip [--key SIGNER.pub.pem]... [--identity KEYFILE] [--witness KEY]... [--allow-unsigned]',
  description:
    'Checks every object of the recording against its signed manifest, and the manifest against the ledger where one is at hand. It needs no private key; with --identity it also opens ' +
    'every chunk. Exit code 0: verified. 3: not verified, and the text says what was found. ' +
    'A bundle that `export --format bundle` wrote is checked where it lies, without network, database and configuration; --key must name the ' +
    'signer, since the key inside proves nothing. Exit code 2: it is no bundle.',
  examples: ['verify 01990000-0000-7000-8000-000000000000', 'verify recording.zip --key signer.pub.pem'],
  positionals: { min: 1, max: 1 },
  options: {
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of a trusted signer (default: data/keys/signer.pub.pem; none for a bundle)',
    },
    identity: {
      type: 'string',
      placeholder: 'KEYFILE',
      description: `private half of a vault key: open every chunk too; ${IDENTITY_WORDS}`,
    },
    witness: {
      type: 'string',
      multiple: true,
      placeholder: 'KEY',
      description: 'of a bundle: key of a witness of the ledger, NAME+KEYID+KEY',
    },
    'allow-unsigned': {
      type: 'boolean',
      description: 'of a bundle: take one whose list nobody signed; its report then proves nothing',
    },
  },
  run: runVerify,
}

async function runVerify(context: CommandContext): Promise<ExitCode> {
  const target = context.args.positionals[0] ?? ''
  const keyFiles = textOptions(context.args, 'key')
  const identityFile = textOption(context.args, 'identity')
  const identities =
    identityFile === undefined ? {} : { identities: await openIdentities(() => context.config(), identityFile) }
  if (isBundle(target)) return runVerifyBundle(context, target, { keys: await bundleKeys(keyFiles), ...identities })
  if (textOptions(context.args, 'witness').length > 0) {
    const hint =
      'Give the file of a bundle, or ask `earwitness ledger verify --witness KEY`: it checks the whole ledger.'
    throw usageError('usage-witness-no-bundle', 'Only of a bundle can a witness be named (--witness).', hint)
  }
  const config = context.config()
  const keys = await loadKeys(keyFiles.length > 0 ? keyFiles : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)])
  const objects = await findRecording(config, target)
  if (identityFile !== undefined) await noteAccess(context, config, { recordingId: target, action: 'open' })
  const found = await verifyRecording({ recordingId: target, objects, keys, ...identities })
  const { verdict, lines } = await withLedger(config, found, { objects, keys })
  const deleted = await deletedObjects(config, verdict)
  if (context.json) writeJson(context.stdout, deleted.length === 0 ? verdict : { ...verdict, deleted })
  else writeLines(context.stdout, [describeVerdict(verdict), ...deleted.map(describeDeleted), ...lines])
  return exitCodeOf(verdict)
}

/** A file, not an id: ids have neither dots nor slashes. */
function isBundle(target: string): boolean {
  return !isUuidV7(target) && /[./\\]/u.test(target)
}

async function bundleKeys(keyFiles: readonly string[]): Promise<readonly VerifyKey[]> {
  if (keyFiles.length > 0) return loadKeys(keyFiles)
  throw usageError(
    'usage-no-key',
    'A bundle cannot vouch for itself: no public key of a signer was given.',
    'Add --key signer.pub.pem, with the file from whoever runs the recorder, not from the bundle.',
  )
}

function loadKeys(files: readonly string[]): Promise<readonly VerifyKey[]> {
  return Promise.all(files.map(loadVerifyKey))
}

async function runVerifyBundle(
  context: CommandContext,
  file: string,
  trusted: { readonly keys: readonly VerifyKey[]; readonly identities?: readonly VaultIdentity[] },
): Promise<ExitCode> {
  const witnesses = await Promise.all(textOptions(context.args, 'witness').map(witnessKeyOf))
  const members = await openBundle(file)
  try {
    const checked = await verifyBundle({
      ...{ members, witnesses, ...trusted },
      allowUnsigned: flag(context.args, 'allow-unsigned'),
    })
    if (checked === undefined) throw noBundle(file, 'it holds neither a list nor a manifest')
    const { verdict, bundle } = checked
    if (context.json) writeJson(context.stdout, { ...verdict, bundle: { file, ...bundle } })
    else writeLines(context.stdout, [describeVerdict(verdict), ...bundleLines(bundle)])
    return exitCodeOf(verdict)
  } finally {
    members.close()
  }
}

function bundleLines({ members, exportedAt, software, opened, signerKeyId, ledger }: BundleFacts): readonly string[] {
  if (exportedAt === undefined || software === undefined)
    return [`The bundle holds ${members} members and no readable list.`]
  const holds = opened === true ? 'It holds the audio in the clear, and the key to it: keep it like the audio.' : ''
  const by = `${printable(software.name)} ${printable(software.version)}`
  return [
    ledger === undefined ? 'The bundle holds no proof from a ledger.' : testimonyLine(ledger),
    `The bundle says that it was made at ${exportedAt} by ${by}, of ${members} members. ${holds}`.trimEnd(),
    signerKeyId === undefined
      ? 'No key that you trust has signed its list: nobody vouches for its report and instructions.'
      : `Its list of members is signed by the key with fingerprint ${signerKeyId}.`,
  ]
}

function exitCodeOf(verdict: Verdict): ExitCode {
  return verdict.verified ? ExitCode.done : ExitCode.verificationFailed
}
