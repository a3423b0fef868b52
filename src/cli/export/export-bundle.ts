import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { ExitCode } from '../../errors.ts'
import { loadIdentities, loadVerifyKey, SIGNER_PUBLIC_FILE } from '../../server/storage/key-files.ts'
import { flag, textOption, textOptions } from '../arguments.ts'
import type { CommandContext } from '../command.ts'
import { writeJson, writeLines } from '../output.ts'
import { defaultIdentityFile, findRecording } from '../stored-recording.ts'
import { writeBundle, type BundledSigner } from './bundle.ts'

/** `earwitness export ID --format bundle -o FILE`. Without an identity, and without `--decrypted`, no secret is read. */
export async function exportBundle(
  context: CommandContext,
  { id, output }: { readonly id: string; readonly output: string },
): Promise<ExitCode> {
  const config = context.config()
  const isOpened = flag(context.args, 'decrypted')
  const identityFile = textOption(context.args, 'identity') ?? (isOpened ? defaultIdentityFile(config) : undefined)
  const keyFiles = textOptions(context.args, 'key')
  const signerFiles = keyFiles.length > 0 ? keyFiles : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)]
  const objects = await findRecording(config, id)
  const { verdict, members } = await writeBundle(output, {
    recordingId: id,
    objects,
    signers: await Promise.all(signerFiles.map(loadSigner)),
    identities: identityFile === undefined ? undefined : await loadIdentities(identityFile),
    isOpened,
    exportedAt: new Date(),
  })
  const { verified, findings, findingsDropped } = verdict
  if (context.json) {
    writeJson(context.stdout, {
      recordingId: id,
      file: output,
      format: 'bundle',
      members,
      isOpened,
      verified,
      findings,
    })
  } else {
    const count = findings.length + findingsDropped
    writeLines(context.stderr, [
      `Wrote ${output}: ${members} members${isOpened ? ', the audio in the clear and the key of the recording among them' : ''}.`,
      ...(verified
        ? []
        : [`warning: this recording is NOT VERIFIED, findings: ${count}; report.html in it tells them.`]),
    ])
  }
  return verified ? ExitCode.done : ExitCode.verificationFailed
}

async function loadSigner(file: string): Promise<BundledSigner> {
  return { verifyKey: await loadVerifyKey(file), publicKey: createPublicKey(await readFile(file)) }
}
