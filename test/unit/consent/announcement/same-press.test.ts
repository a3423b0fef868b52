import { expect, it } from 'vitest'

import { type KeyWay, SamePress } from '../../../../src/consent/announcement/same-press.ts'
import type { DtmfDigit } from '../../../../src/protocol/rtp/telephone-event.ts'

it.each<[string, readonly (readonly [DtmfDigit, KeyWay, number])[], readonly boolean[]]>([
  [
    'one way',
    [
      ['1', 'event', 0],
      ['1', 'event', 300],
    ],
    [true, true],
  ],
  [
    'all ways',
    [
      ['1', 'event', 0],
      ['1', 'tone', 60],
      ['1', 'info', 400],
    ],
    [true, false, false],
  ],
  [
    'twice, by two ways',
    [
      ['1', 'tone', 0],
      ['1', 'info', 200],
      ['1', 'tone', 900],
      ['1', 'info', 1_100],
    ],
    [true, false, true, false],
  ],
  [
    'another key',
    [
      ['1', 'event', 0],
      ['2', 'info', 300],
    ],
    [true, true],
  ],
  [
    'long after',
    [
      ['1', 'event', 0],
      ['1', 'info', 2_000],
    ],
    [true, true],
  ],
])('a press told by %s', (_, keys, expected) => {
  const presses = new SamePress()
  expect(keys.map(([digit, way, atMs]) => presses.isAnother(digit, way, atMs * 1_000))).toEqual(expected)
})
