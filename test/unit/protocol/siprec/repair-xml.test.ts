import { expect, test } from 'vitest'

import { repairXml } from '../../../../src/protocol/siprec/repair-xml.ts'
import { parseXmlTree } from '../../../../src/protocol/siprec/xml-tree.ts'

test('half of a surrogate pair does not make the repaired document unreadable', () => {
  const repaired = repairXml('<recording><name>Ada \ude00 Marsh</nam></recording>')
  expect(repaired.ok && repaired.value).toContain('Ada \ufffd Marsh')
  const again = repaired.ok ? parseXmlTree(repaired.value) : repaired
  expect(again.ok && again.value.repaired).toBe(false)
})
