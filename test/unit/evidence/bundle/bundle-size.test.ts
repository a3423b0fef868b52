import { expect, test } from 'vitest'

import { BUNDLE_BYTES_MAX, checkBundleSize } from '../../../../src/evidence/bundle/bundle-size.ts'
import { sampleRecording } from '../../../vectors/evidence/sample-recording.ts'

const { body } = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [Buffer.from('<recording/>')] })
const [chunk] = body.chunks

test('a recording of any ordinary size fits', () => {
  expect(checkBundleSize(body, { objects: 5, isOpened: true })).toBeUndefined()
  // Beyond what a zip without ZIP64 could hold.
  expect(checkBundleSize(body, { objects: 70_000, isOpened: false })).toBeUndefined()
})

test('one with too many objects, or too many bytes, does not; opened it is twice as large', () => {
  expect(checkBundleSize(body, { objects: 99_900, isOpened: false })).toBe('members')
  const sizeBytes = BUNDLE_BYTES_MAX / 2 - 1024 ** 2
  const large = { ...body, chunks: chunk === undefined ? [] : [{ ...chunk, sizeBytes }] }
  expect(checkBundleSize(large, { objects: 5, isOpened: false })).toBeUndefined()
  expect(checkBundleSize(large, { objects: 5, isOpened: true })).toBe('bytes')
})
