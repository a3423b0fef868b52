import { expect, it } from 'vitest'

import {
  JOURNALLED_BYTES_MAX,
  JOURNALLED_SUM_BYTES_MAX,
  JournalledObjects,
} from '../../../../src/server/recording/journalled-objects.ts'

it('takes small objects whole, up to a sum for each recording, and counts what it leaves out', () => {
  const journalled = new JournalledObjects()
  const object = new Uint8Array(JOURNALLED_BYTES_MAX).fill(7)
  expect(Buffer.from(journalled.encode('one', object).bytesBase64 ?? '', 'base64')).toEqual(Buffer.from(object))
  expect(journalled.encode('one', new Uint8Array(JOURNALLED_BYTES_MAX + 1))).toEqual({})
  expect(journalled.omitted).toBe(1)
  for (let taken = 1; taken < JOURNALLED_SUM_BYTES_MAX / JOURNALLED_BYTES_MAX; taken += 1) {
    expect(journalled.encode('one', object)).toHaveProperty('bytesBase64')
  }
  expect(journalled.encode('one', Uint8Array.of(1))).toEqual({})
  expect(journalled.encode('other', object)).toHaveProperty('bytesBase64')
  expect(journalled.omitted).toBe(2)
  journalled.over('one')
  expect(journalled.encode('one', object)).toHaveProperty('bytesBase64')
})
