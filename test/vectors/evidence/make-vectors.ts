/** Writes `recording-1/` again: `node test/vectors/evidence/make-vectors.ts`. Signer and clear content stay as they are. */
import { mkdirSync, writeFileSync } from 'node:fs'

import { identityFileText } from '../../../src/evidence/age-keys.ts'
import { canonicalJson } from '../../../src/evidence/canonical-json.ts'
import { sampleRecording, vault, vectorFile } from './sample-recording.ts'

const folder = new URL('./recording-1/', import.meta.url)
const recording = await sampleRecording({
  chunks: [vectorFile('recording-1/clear/chunk-000000.ogg'), vectorFile('recording-1/clear/chunk-000001.ogg')],
  // RFC 7845 4: granule position minus pre-skip, of the last page in each chunk.
  ends: [479_688, 960_000],
  snapshots: [vectorFile('recording-1/clear/metadata-000.xml')],
})
mkdirSync(new URL('objects/', folder), { recursive: true })
for (const [name, bytes] of recording.objects) writeFileSync(new URL(`objects/${name}`, folder), bytes)
writeFileSync(new URL('manifest.json', folder), canonicalJson(recording.body))
writeFileSync(new URL('recording.agekey', folder), `${recording.identity}\n`)
writeFileSync(new URL('vault.agekey', folder), identityFileText({ ...vault, createdAt: '2025-11-23T09:00:00Z' }))
