import { join } from 'node:path'

import { ExitCode } from '../errors.ts'
import { describeVerdict, verifyRecording } from '../evidence/verify.ts'
import { loadIdentities, loadVerifyKey, SIGNER_PUBLIC_FILE } from '../server/storage/key-files.ts'
import { textOption, textOptions } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { writeJson, writeLines } from './output.ts'
import { withLedger } from './recording-in-ledger.ts'
import { findRecording } from './stored-recording.ts'

export const command: Command = {
  name: 'verify',
  summary: 'checks that nothing of a recording was changed, cut out or added',
  usage: 'verify ID [--key SIGNER.pub.pem]... [--identity KEYFILE]',
  description:
    'Checks every object of the recording against its signed manifest, and the manifest against the ledger where one is at hand. It needs no private key; with --identity it also opens ' +
    'every chunk. Exit code 0: verified. 3: not verified, and the text says what was found.',
  examples: ['verify 01990000-0000-7000-8000-000000000000'],
  positionals: { min: 1, max: 1 },
  options: {
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of a trusted signer (default: data/keys/signer.pub.pem)',
    },
    identity: {
      type: 'string',
      placeholder: 'KEYFILE',
      description: 'private half of a vault key: open every chunk too',
    },
  },
  run: runVerify,
}

async function runVerify(context: CommandContext): Promise<ExitCode> {
  const id = context.args.positionals[0] ?? ''
  const config = context.config()
  const keyFiles = textOptions(context.args, 'key')
  const keys = await Promise.all(
    (keyFiles.length > 0 ? keyFiles : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)]).map(loadVerifyKey),
  )
  const identityFile = textOption(context.args, 'identity')
  const objects = await findRecording(config, id)
  const found = await verifyRecording({
    recordingId: id,
    objects,
    keys,
    ...(identityFile === undefined ? {} : { identities: await loadIdentities(identityFile) }),
  })
  const { verdict, lines } = await withLedger(config, found, { objects, keys })
  if (context.json) writeJson(context.stdout, verdict)
  else writeLines(context.stdout, [describeVerdict(verdict), ...lines])
  return verdict.verified ? ExitCode.done : ExitCode.verificationFailed
}
