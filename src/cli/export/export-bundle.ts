import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Config } from '../../config/config.ts'
import { EarwitnessError, ExitCode } from '../../errors.ts'
import type { SigningKey } from '../../evidence/signer-keys.ts'
import { loadSigner, loadVerifyKey, SIGNER_FILE, SIGNER_PUBLIC_FILE } from '../../server/storage/key-files.ts'
import { flag, textOption, textOptions } from '../arguments.ts'
import type { CommandContext } from '../command.ts'
import { noteAccess } from '../note-access.ts'
import { writeJson, writeLines } from '../output.ts'
import { withLedger } from '../ledger/recording-in-ledger.ts'
import { findRecording } from '../stored-recording.ts'
import { defaultIdentity, openIdentities } from '../vault-identities.ts'
import { writeBundle, type BundledSigner } from './bundle.ts'

const UNAVAILABLE: ReadonlySet<string> = new Set(['key-file-missing', 'key-file-unreadable'])
const UNSIGNED =
  'warning: the key of the recorder is not at hand, so nobody vouches for the list of the bundle: `verify` will ask for --allow-unsigned.'
const UNPROVED =
  'note: no proof from a ledger is in it. One that is being written covers a recording within a minute of its end: export it again then.'

/** `earwitness export ID --format bundle -o FILE`. Without an identity, and without `--decrypted`, no secret is read. */
export async function exportBundle(
  context: CommandContext,
  { id, output }: { readonly id: string; readonly output: string },
): Promise<ExitCode> {
  const config = context.config()
  const isOpened = flag(context.args, 'decrypted')
  const identityFile = textOption(context.args, 'identity') ?? (isOpened ? defaultIdentity(config) : undefined)
  const keyFiles = textOptions(context.args, 'key')
  const signerFiles = keyFiles.length > 0 ? keyFiles : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)]
  const objects = await findRecording(config, id)
  await noteAccess(context, config, { recordingId: id, action: 'export' })
  const signingKey = await recorderKey(config)
  const { verdict, members, namesPeople, statements } = await writeBundle(output, {
    recordingId: id,
    objects,
    signers: await Promise.all(signerFiles.map(loadBundledSigner)),
    identities: identityFile === undefined ? undefined : await openIdentities(() => config, identityFile),
    signingKey,
    withLedger: (found, keys) => withLedger(config, found, { objects, keys }),
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
      isSigned: signingKey !== undefined,
      namesPeople,
      statements,
      verified,
      findings,
    })
  } else {
    const count = findings.length + findingsDropped
    writeLines(context.stderr, [
      `Wrote ${output}: ${members} members${isOpened ? ', the audio in the clear and the key of the recording among them' : ''}.`,
      ...(namesPeople ? ['warning: report.html names the participants: hand it on only to those who may know.'] : []),
      ...(signingKey === undefined ? [UNSIGNED] : []),
      ...(statements === 0 ? [UNPROVED] : []),
      ...(verified
        ? []
        : [`warning: this recording is NOT VERIFIED, findings: ${count}; report.html in it tells them.`]),
    ])
  }
  return verified ? ExitCode.done : ExitCode.verificationFailed
}

/** The key of the recorder, if whoever exports has it: on the recorder itself, and nowhere else. */
async function recorderKey(config: Config): Promise<SigningKey | undefined> {
  const file = config.signer.keyFile ?? join(config.dataDir, 'keys', SIGNER_FILE)
  try {
    return (await loadSigner(file)).signingKey
  } catch (error) {
    if (error instanceof EarwitnessError && UNAVAILABLE.has(error.code)) return undefined
    throw error
  }
}

async function loadBundledSigner(file: string): Promise<BundledSigner> {
  return { verifyKey: await loadVerifyKey(file), publicKey: createPublicKey(await readFile(file)) }
}
