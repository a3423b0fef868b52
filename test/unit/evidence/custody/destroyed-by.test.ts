import { expect, test } from 'vitest'

import { isDestroyedBy } from '../../../../src/evidence/custody/destroyed-by.ts'
import {
  chunkName,
  consentName,
  custodyName,
  dtmfName,
  heldKeyName,
  heldPeaksName,
  INDEX_NAME,
  keptName,
  MANIFEST_NAME,
  PEAKS_NAME,
  snapshotName,
  wrappedKeyName,
} from '../../../../src/evidence/object-names.ts'

/** custody/FORMAT.md 2, `scope`: what goes with the key, what goes with all objects, and what stays for ever. */
test.each<[string, boolean, boolean]>([
  [wrappedKeyName(0), true, true],
  [wrappedKeyName(1), true, true],
  [wrappedKeyName(999), true, true],
  [heldKeyName(0), true, true],
  [chunkName(0), false, true],
  [keptName(0), false, true],
  [snapshotName(0), false, true],
  [dtmfName(0), false, true],
  [PEAKS_NAME, false, true],
  [heldPeaksName(0), false, true],
  [INDEX_NAME, false, true],
  // What nobody knows is no proof of anything.
  ['notes.txt', false, true],
  // Names that only look like those of keys.
  ['key-000.age', false, true],
  ['key-1.age', false, true],
  ['key.age.old', false, true],
  // What proves that there was a recording, and what was decided and agreed.
  [MANIFEST_NAME, false, false],
  [custodyName(0), false, false],
  [custodyName(1_000), false, false],
  [consentName(0), false, false],
])('%s goes with the key: %s, with all objects: %s', (name, withKey, withAll) => {
  expect([isDestroyedBy('key', name), isDestroyedBy('objects', name)]).toEqual([withKey, withAll])
})
