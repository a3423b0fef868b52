import { readdirSync } from 'node:fs'

import { expect, it } from 'vitest'

import { openSealed } from '../../../src/evidence/age-open.ts'
import { parseIdentityFile } from '../../../src/evidence/age-keys.ts'
import { canonicalJson } from '../../../src/evidence/canonical-json.ts'
import { openRecordingKey } from '../../../src/evidence/recording-key.ts'
import { describeVerdict, verifyRecording } from '../../../src/evidence/verify.ts'
import {
  readerOf,
  RECORDING_ID,
  sampleRecording,
  vault,
  vectorFile,
  vectorSigner,
  vectorText,
} from '../../vectors/evidence/sample-recording.ts'

const folder = new URL('../../vectors/evidence/recording-1/objects/', import.meta.url)
const stored = new Map(readdirSync(folder).map((name) => [name, vectorFile(`recording-1/objects/${name}`)]))
const { verifyKey } = await vectorSigner()

it('the vectors are what this software writes today, byte for byte', async () => {
  const recording = await sampleRecording({
    chunks: [vectorFile('recording-1/clear/chunk-000000.ogg'), vectorFile('recording-1/clear/chunk-000001.ogg')],
    ends: [479_688, 960_000],
    snapshots: [vectorFile('recording-1/clear/metadata-000.xml')],
  })
  expect([...stored.keys()].toSorted()).toEqual([...recording.objects.keys()].toSorted())
  for (const [name, bytes] of recording.objects)
    expect(Buffer.from(bytes).equals(stored.get(name) ?? Buffer.of())).toBe(true)
  expect(canonicalJson(recording.body)).toBe(vectorText('recording-1/manifest.json'))
})

it('the vectors verify, closed and opened', async () => {
  const options = { recordingId: RECORDING_ID, objects: readerOf(stored), keys: [verifyKey] }
  expect(await verifyRecording(options)).toMatchObject({ verified: true, findings: [] })
  const opened = await verifyRecording({ ...options, identities: [vault.identity] })
  expect(opened).toMatchObject({ verified: true, counts: { chunksOpened: 2 } })
  expect(describeVerdict(opened)).toContain('Opened with the vault key: 2 of 2 chunks.')
})

it('the chain from vault key to audio opens step by step', async () => {
  const identities = parseIdentityFile(vectorText('recording-1/vault.agekey'))
  if (!identities.ok) throw new Error(identities.reason)
  const key = await openRecordingKey(stored.get('key.age') ?? new Uint8Array(), identities.value)
  if (!key.ok) throw new Error(key.reason)
  expect(`${key.value.identity}\n`).toBe(vectorText('recording-1/recording.agekey'))
  for (const [name, clear] of [
    ['chunk-000000', 'clear/chunk-000000.ogg'],
    ['chunk-000001', 'clear/chunk-000001.ogg'],
    ['metadata-000', 'clear/metadata-000.xml'],
  ]) {
    const opened = await openSealed(stored.get(`${name}.age`) ?? new Uint8Array(), [key.value.identity])
    expect(opened.ok && Buffer.from(opened.value).equals(vectorFile(`recording-1/${clear}`))).toBe(true)
  }
})
