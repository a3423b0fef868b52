import { beforeEach, expect, test } from 'vitest'

import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { IndexEntry } from '../../../src/evidence/manifest.ts'
import { seededBytes } from '../../support/recording-rig.ts'
import {
  findingsOf,
  sampleRecording,
  sha256,
  storeManifest,
  vault,
  type SampleRecording,
} from '../../vectors/evidence/sample-recording.ts'

let recording: SampleRecording
let sealed: Uint8Array

/** Puts index facts beside a recording and into its manifest. */
async function addIndex(change: Partial<IndexEntry> = {}): Promise<void> {
  const index = { name: 'index.age', sha256: sha256(sealed), sizeBytes: sealed.length, ...change }
  recording.objects.set('index.age', sealed)
  await storeManifest(recording.objects, { ...recording.body, index })
}

beforeEach(async () => {
  recording = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [Buffer.from('<recording/>')] })
  sealed = sealToRecipients(Buffer.from('{}'), [recording.body.recipient], seededBytes(6))
})

test('index facts that the manifest names are verified and opened', async () => {
  await addIndex()
  expect(await findingsOf(recording)).toEqual([])
})

test('index facts that it does not name are an object too many', async () => {
  recording.objects.set('index.age', sealed)
  expect(await findingsOf(recording)).toEqual(['object-added index.age'])
})

test('index facts that are gone, changed, or sealed to another key are found', async () => {
  await addIndex()
  recording.objects.delete('index.age')
  expect(await findingsOf(recording)).toEqual(['index-missing index.age'])
  recording.objects.set('index.age', sealed.with(sealed.length - 1, (sealed.at(-1) ?? 0) ^ 1))
  expect(await findingsOf(recording)).toEqual(['index-changed index.age', 'index-unreadable index.age'])
  sealed = sealToRecipients(Buffer.from('{}'), [vault.recipient], seededBytes(6))
  await addIndex()
  expect(await findingsOf(recording)).toEqual(['index-unreadable index.age'])
})

test('index facts of another name are found, and what is no entry refused', async () => {
  recording.objects.set('facts.age', sealed)
  await addIndex({ name: 'facts.age' })
  expect(await findingsOf(recording)).toContain('sequence-wrong facts.age')
  expect(findShapeFault({ ...recording.body, index: { name: 'index.age' } })).toBe('index.sha256')
})
