import { beforeEach, expect, test } from 'vitest'

import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { PeaksEntry } from '../../../src/evidence/manifest.ts'
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

/** Puts peaks beside a recording and into its manifest. */
async function addPeaks(change: Partial<PeaksEntry> = {}): Promise<void> {
  const peaks = { name: 'peaks.age', sha256: sha256(sealed), sizeBytes: sealed.length, ...change }
  recording.objects.set('peaks.age', sealed)
  await storeManifest(recording.objects, { ...recording.body, peaks })
}

beforeEach(async () => {
  recording = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [Buffer.from('<recording/>')] })
  sealed = sealToRecipients(Buffer.from('{}\n'), [recording.body.recipient], seededBytes(5))
})

test('peaks that the manifest names are verified and opened', async () => {
  await addPeaks()
  expect(await findingsOf(recording)).toEqual([])
})

test('peaks that it does not name are an object too many', async () => {
  recording.objects.set('peaks.age', sealed)
  expect(await findingsOf(recording)).toEqual(['object-added peaks.age'])
})

test('peaks that are gone, cut, or changed are found', async () => {
  await addPeaks()
  recording.objects.delete('peaks.age')
  expect(await findingsOf(recording)).toEqual(['peaks-missing peaks.age'])
  recording.objects.set('peaks.age', sealed.subarray(0, -1))
  expect(await findingsOf(recording)).toContain('peaks-truncated peaks.age')
  recording.objects.set('peaks.age', sealed.with(sealed.length - 1, (sealed.at(-1) ?? 0) ^ 1))
  expect(await findingsOf(recording)).toEqual(['peaks-changed peaks.age', 'peaks-unreadable peaks.age'])
})

test('peaks that the key of the recording does not open are found', async () => {
  sealed = sealToRecipients(Buffer.from('{}\n'), [vault.recipient], seededBytes(5))
  await addPeaks()
  expect(await findingsOf(recording)).toEqual(['peaks-unreadable peaks.age'])
})

test('peaks of another name are found, and those that are no entry refused', async () => {
  recording.objects.set('waveform.age', sealed)
  await addPeaks({ name: 'waveform.age' })
  expect(await findingsOf(recording)).toContain('sequence-wrong waveform.age')
  expect(findShapeFault({ ...recording.body, peaks: { name: 'peaks.age' } })).toBe('peaks.sha256')
})
