import { beforeEach, expect, test } from 'vitest'

import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { IndexEntry } from '../../../src/evidence/manifest.ts'
import { verifyRecording } from '../../../src/evidence/verify.ts'
import { seededBytes } from '../../support/recording-rig.ts'
import {
  readerOf,
  RECORDING_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vault,
  vectorSigner,
  type SampleRecording,
} from '../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()
let recording: SampleRecording
let sealed: Uint8Array

/** Puts index facts beside a recording and into its manifest. */
async function addIndex(change: Partial<IndexEntry> = {}): Promise<void> {
  const index = { name: 'index.age', sha256: sha256(sealed), sizeBytes: sealed.length, ...change }
  recording.objects.set('index.age', sealed)
  await storeManifest(recording.objects, { ...recording.body, index })
}

async function found(): Promise<string[]> {
  const { findings } = await verifyRecording({
    recordingId: RECORDING_ID,
    objects: readerOf(recording.objects),
    keys: [verifyKey],
    identities: [vault.identity],
  })
  return findings.map(({ code, name }) => `${code} ${name}`)
}

beforeEach(async () => {
  recording = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [Buffer.from('<recording/>')] })
  sealed = sealToRecipients(Buffer.from('{}'), [recording.body.recipient], seededBytes(6))
})

test('index facts that the manifest names are verified and opened', async () => {
  await addIndex()
  expect(await found()).toEqual([])
})

test('index facts that it does not name are an object too many', async () => {
  recording.objects.set('index.age', sealed)
  expect(await found()).toEqual(['object-added index.age'])
})

test('index facts that are gone, changed, or sealed to another key are found', async () => {
  await addIndex()
  recording.objects.delete('index.age')
  expect(await found()).toEqual(['index-missing index.age'])
  recording.objects.set('index.age', sealed.with(sealed.length - 1, (sealed.at(-1) ?? 0) ^ 1))
  expect(await found()).toEqual(['index-changed index.age', 'index-unreadable index.age'])
  sealed = sealToRecipients(Buffer.from('{}'), [vault.recipient], seededBytes(6))
  await addIndex()
  expect(await found()).toEqual(['index-unreadable index.age'])
})

test('index facts of another name are found, and what is no entry refused', async () => {
  recording.objects.set('facts.age', sealed)
  await addIndex({ name: 'facts.age' })
  expect(await found()).toContain('sequence-wrong facts.age')
  expect(findShapeFault({ ...recording.body, index: { name: 'index.age' } })).toBe('index.sha256')
})
