import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'

import type { Config } from '../../config/config.ts'
import { openAudio, findRecording, unwrapKey } from '../stored-recording.ts'
import { openIdentities } from '../vault-identities.ts'
import { EarwitnessError, ExitCode } from '../../errors.ts'
import { decodeConsentEvent, CONSENT_EVENTS_MAX, type ConsentEvent } from '../../evidence/consent-event.ts'
import { decodeManifest } from '../../evidence/manifest.ts'
import { consentName, isConsentName, MANIFEST_NAME } from '../../evidence/object-names.ts'
import { signVcon } from '../../evidence/signed-vcon.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { vconOf } from '../../evidence/vcon.ts'
import { verifyRecording, type ObjectReader } from '../../evidence/verify.ts'
import { loadSigner, loadVerifyKey, SIGNER_FILE } from '../../server/storage/key-files.ts'
import { loadRsaKey, loadSignerCertificates } from '../../server/storage/signer-certificates.ts'
import { flag, textOption, textOptions } from '../arguments.ts'
import type { CommandContext } from '../command.ts'
import { withLedger } from '../ledger/recording-in-ledger.ts'
import { noteAccess } from '../note-access.ts'
import { writeJson, writeLines } from '../output.ts'
import { writeNewFile } from './new-file.ts'
import { reportedPeople } from './reported-people.ts'

const UNSIGNED =
  'note: the vCon itself is unsigned, and nothing in it was checked: its draft asks for a certificate of the signer key, and none is used (signer.certificateFile). The manifest and the consent events in it bear signatures of their own: run `earwitness verify`.'
const SIGNED = {
  EdDSA: 'It is signed with the signer key of this recorder (JWS, EdDSA), whose certificate is in it.',
  RS256: 'It is signed with the RSA key in signer.certificateKeyFile (JWS, RS256), whose certificate is in it.',
} as const
const SEALED = 'note: the audio is not in it, as no --identity was given: the manifest in it lists the sealed pieces.'

/**
 * `earwitness export ID --format vcon -o FILE`. Without an identity no secret is read: ids for people, and no audio.
 *
 * What the recorder puts its name to must be proved: it signs the vCon of a recording that verifies, and of no other.
 */
export async function exportVcon(
  context: CommandContext,
  { id, output }: { readonly id: string; readonly output: string },
): Promise<ExitCode> {
  const config = context.config()
  const identityFile = textOption(context.args, 'identity')
  // Before anything is opened: a certificate that does not fit must not cost an access.
  const signing = flag(context.args, 'unsigned') ? undefined : await signingOf(context, config)
  const objects = readOnce(await findRecording(config, id))
  await noteAccess(context, config, { recordingId: id, action: 'export' })
  if (signing !== undefined) await refuseUnverified(config, id, { objects, keys: signing.keys })
  const { manifest, manifestJws } = await readManifest(objects)
  const identities = identityFile === undefined ? undefined : await openIdentities(() => config, identityFile)
  const opened = identities === undefined ? undefined : await openAudio(objects, identities)
  const people =
    identities === undefined
      ? undefined
      : await reportedPeople(manifest, objects, await unwrapKey(objects, identities, manifest.recipient))
  const audio =
    opened === undefined || opened.chunks === 0
      ? undefined
      : { mediatype: 'audio/ogg', filename: `${id}.ogg`, base64url: Buffer.from(opened.ogg).toString('base64url') }
  const events = await readEvents(objects, id)
  const vcon = vconOf({ manifest, manifestJws, events, people, audio, createdAt: new Date().toISOString() })
  const signed = signing === undefined ? undefined : await signVcon(vcon, id, signing)
  await writeNewFile(output, Buffer.from(`${JSON.stringify(signed ?? vcon)}\n`))
  const facts = {
    recordingId: id,
    file: output,
    format: 'vcon',
    consentEvents: events.length,
    hasAudio: audio !== undefined,
  }
  if (context.json) writeJson(context.stdout, { ...facts, isSigned: signed !== undefined })
  else {
    const wrote = `Wrote ${output}: vCon, ${events.length} consent events.`
    writeLines(context.stderr, [
      wrote,
      signing === undefined ? UNSIGNED : SIGNED[signing.key.algorithm],
      ...(audio === undefined ? [SEALED] : []),
    ])
  }
  return ExitCode.done
}

/** Undefined when there is no certificate. `keys`: whose recordings are signed. @throws EarwitnessError `certificate-…`, `key-file-…` */
async function signingOf({ args }: CommandContext, { signer, dataDir }: Config) {
  if (signer.certificateFile === undefined) return undefined
  const own = await loadSigner(signer.keyFile ?? join(dataDir, 'keys', SIGNER_FILE))
  const { verifyKey } = own
  const { key, publicKey, setting } =
    signer.certificateKeyFile === undefined
      ? {
          key: { algorithm: 'EdDSA', privateKey: own.signingKey.privateKey } as const,
          publicKey: createPublicKey(own.publicKeyPem),
          setting: 'signer.keyFile',
        }
      : { ...(await loadRsaKey(signer.certificateKeyFile)), setting: 'signer.certificateKeyFile' }
  const expected = { publicKey, setting, nowUnixMs: Date.now() }
  const certificates = await loadSignerCertificates(signer.certificateFile, expected)
  const keys = [verifyKey, ...(await Promise.all(textOptions(args, 'key').map(loadVerifyKey)))]
  return { key, certificates, keys }
}

/** What is signed must be the very bytes that were verified, whoever writes to the store meanwhile. */
function readOnce(objects: ObjectReader): ObjectReader {
  const read = new Map<string, Promise<Uint8Array | undefined>>()
  return {
    list: () => objects.list(),
    get: (name) => {
      if (name !== MANIFEST_NAME && !isConsentName(name)) return objects.get(name)
      const bytes = read.get(name) ?? objects.get(name)
      read.set(name, bytes)
      return bytes
    },
  }
}

/** @throws EarwitnessError `vcon-not-verified` */
async function refuseUnverified(
  config: Config,
  recordingId: string,
  stored: { readonly objects: ObjectReader; readonly keys: readonly VerifyKey[] },
): Promise<void> {
  if ((await stored.objects.get(MANIFEST_NAME)) === undefined) throw withoutManifest()
  const found = await verifyRecording({ recordingId, ...stored })
  const { verified, findings, findingsDropped } = (await withLedger(config, found, stored)).verdict
  if (verified) return
  throw new EarwitnessError(
    'vcon-not-verified',
    `This recording is NOT VERIFIED (${findings[0]?.code ?? 'unknown'}; findings: ${findings.length + findingsDropped}), so its vCon is not signed, and none was written.`,
    'Run `earwitness verify` on it: it says what was changed. If another key signed it, name that one: --key signer.pub.pem. --unsigned writes a vCon of what is stored, unsigned.',
    { exitCode: ExitCode.verificationFailed },
  )
}

function withoutManifest(): EarwitnessError {
  return new EarwitnessError(
    'recording-without-manifest',
    'This recording has no manifest yet.',
    'Export it when the recording is over.',
  )
}

async function readManifest(objects: ObjectReader) {
  const bytes = await objects.get(MANIFEST_NAME)
  const manifestJws = new TextDecoder('latin1').decode(bytes)
  if (bytes === undefined) throw withoutManifest()
  const decoded = decodeManifest(manifestJws)
  if (decoded.ok) return { manifest: decoded.value.body, manifestJws }
  throw new EarwitnessError(
    'manifest-unreadable',
    'The manifest of this recording cannot be read.',
    'Run `earwitness verify` on this recording: it says what was changed.',
  )
}

async function readEvents(
  objects: ObjectReader,
  recordingId: string,
): Promise<readonly { readonly event: ConsentEvent; readonly jws: string }[]> {
  const events: { readonly event: ConsentEvent; readonly jws: string }[] = []
  for (let number = 0; number < CONSENT_EVENTS_MAX; number += 1) {
    const bytes = await objects.get(consentName(number))
    const jws = new TextDecoder('latin1').decode(bytes)
    const decoded = decodeConsentEvent(jws)
    if (!decoded.ok || decoded.value.event.recordingId !== recordingId) return events
    events.push({ event: decoded.value.event, jws })
  }
  return events
}
