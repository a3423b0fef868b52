/** Writes `recording-1/` to `recording-3/`, and `custody/`, again: `node test/vectors/evidence/make-vectors.ts`. Signer and clear content stay as they are. */
import { mkdirSync, writeFileSync } from 'node:fs'

import { identityFileText } from '../../../src/evidence/age-keys.ts'
import { canonicalJson } from '../../../src/evidence/canonical-json.ts'
import { rewrapKey } from '../../../src/evidence/rewrapped-key.ts'
import { CUSTODY_VECTORS, writeCustody } from './sample-custody.ts'
import { newVault, rsaVault, sampleRecording, vault, vectorContents } from './sample-recording.ts'

for (const name of ['recording-1', 'recording-2', 'recording-3'] as const) {
  const folder = new URL(`./${name}/`, import.meta.url)
  const recording = await sampleRecording(vectorContents(name))
  mkdirSync(new URL('objects/', folder), { recursive: true })
  for (const [object, bytes] of recording.objects) writeFileSync(new URL(`objects/${object}`, folder), bytes)
  writeFileSync(new URL('manifest.json', folder), canonicalJson(recording.body))
  writeFileSync(new URL('recording.agekey', folder), `${recording.identity}\n`)
  writeFileSync(new URL('vault.agekey', folder), identityFileText({ ...vault, createdAt: '2025-11-23T09:00:00Z' }))
}

const rotated = new URL('./recording-1/rotated/', import.meta.url)
const { identity } = await sampleRecording(vectorContents('recording-1'))
const recipients = newVault.map(({ recipient }) => recipient)
mkdirSync(rotated, { recursive: true })
for (const name of ['key-001.age', 'key-002.age'])
  writeFileSync(new URL(name, rotated), rewrapKey({ identity, recipients, name }))
const files = newVault.map((pair) => identityFileText({ ...pair, createdAt: '2025-11-23T09:00:00Z' }))
writeFileSync(new URL('vault.agekey', rotated), files.join(''))

for (const name of CUSTODY_VECTORS) {
  const folder = new URL(`./custody/${name}/`, import.meta.url)
  mkdirSync(folder, { recursive: true })
  for (const [object, bytes] of await writeCustody(name)) {
    writeFileSync(new URL(object, folder), bytes)
    const [, payload = ''] = Buffer.from(bytes).toString('latin1').split('.')
    writeFileSync(new URL(object.replace('.jws', '.json'), folder), Buffer.from(payload, 'base64url'))
  }
}

const wrappedName = 'key-001.age'
const mixed = [newVault[0]?.recipient ?? '', rsaVault['aws-kms'], rsaVault['vault-transit']]
writeFileSync(new URL(`./rsa-vault/${wrappedName}`, import.meta.url), rewrapKey({ identity, recipients: mixed, name: wrappedName }))
