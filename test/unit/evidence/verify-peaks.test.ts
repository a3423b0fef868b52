import { beforeEach, expect, test } from 'vitest'

import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { PeaksEntry } from '../../../src/evidence/manifest.ts'
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

/** Puts peaks beside a recording and into its manifest. */
async function addPeaks(change: Partial<PeaksEntry> = {}): Promise<void> {
  const peaks = { name: 'peaks.age', sha256: sha256(sealed), sizeBytes: sealed.length, ...change }
  recording.objects.set('peaks.age', sealed)
  await storeManifest(recording.objects, { ...recording.body, peaks })
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
  sealed = sealToRecipients(Buffer.from('{}\n'), [recording.body.recipient], seededBytes(5))
})

test('peaks that the manifest names are verified and opened', async () => {
  await addPeaks()
  expect(await found()).toEqual([])
})

test('peaks that it does not name are an object too many', async () => {
  recording.objects.set('peaks.age', sealed)
  expect(await found()).toEqual(['object-added peaks.age'])
})

test('peaks that are gone, cut, or changed are found', async () => {
  await addPeaks()
  recording.objects.delete('peaks.age')
  expect(await found()).toEqual(['peaks-missing peaks.age'])
  recording.objects.set('peaks.age', sealed.subarray(0, -1))
  expect(await found()).toContain('peaks-truncated peaks.age')
  recording.objects.set('peaks.age', sealed.with(sealed.length - 1, (sealed.at(-1) ?? 0) ^ 1))
  expect(await found()).toEqual(['peaks-changed peaks.age', 'peaks-unreadable peaks.age'])
})

test('peaks that the key of the recording does not open are found', async () => {
  sealed = sealToRecipients(Buffer.from('{}\n'), [vault.recipient], seededBytes(5))
  await addPeaks()
  expect(await found()).toEqual(['peaks-unreadable peaks.age'])
})

test('peaks of another name are found, and those that are no entry refused', async () => {
  recording.objects.set('waveform.age', sealed)
  await addPeaks({ name: 'waveform.age' })
  expect(await found()).toContain('sequence-wrong waveform.age')
  expect(findShapeFault({ ...recording.body, peaks: { name: 'peaks.age' } })).toBe('peaks.sha256')
})
