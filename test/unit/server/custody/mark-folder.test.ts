import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { uuidV7 } from '../../../../src/ids.ts'
import { MarkFolder } from '../../../../src/server/custody/mark-folder.ts'
import { vectorRandom } from '../../../vectors/evidence/sample-recording.ts'

const idAt = (unixMs: number): string => uuidV7(unixMs, vectorRandom(String(unixMs))(16))
const [OLD, NEW] = [idAt(Date.UTC(2026, 0, 31)), idAt(Date.UTC(2026, 1, 1))]

function rig() {
  const dataDir = mkdtempSync(join(tmpdir(), 'earwitness-marks-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  return { dataDir, marks: new MarkFolder(dataDir, 'marks') }
}

test('marks are found by month, the oldest first, and what else lies there is left alone', async () => {
  const { dataDir, marks } = rig()
  expect(await marks.list()).toEqual([])
  await marks.removeOlder(Number.POSITIVE_INFINITY)
  await marks.write(NEW, 'new')
  await marks.write(OLD, 'old')
  writeFileSync(join(dataDir, 'marks', 'README'), 'of somebody else')
  for (const folder of ['lost+found', '2026-010']) {
    mkdirSync(join(dataDir, 'marks', folder))
    writeFileSync(join(dataDir, 'marks', folder, OLD), 'of somebody else')
  }
  expect(await marks.list()).toEqual([OLD, NEW])
  expect([await marks.read(OLD), await marks.read(NEW)]).toEqual(['old', 'new'])
  await marks.remove(OLD)
  await marks.remove(OLD)
  expect(await marks.read(OLD)).toBeUndefined()
  await marks.removeOlder(Number.POSITIVE_INFINITY)
  expect(await marks.list()).toEqual([])
  expect(readdirSync(join(dataDir, 'marks', 'lost+found'))).toEqual([OLD])
})

test('written by many at one moment, a mark is that of one of them, whole, and nothing else is left', async () => {
  const { dataDir, marks } = rig()
  const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(1_000))
  await Promise.all(texts.map((text) => marks.write(OLD, text)))
  expect(texts).toContain(await marks.read(OLD))
  expect(readdirSync(join(dataDir, 'marks', '2026-01'))).toEqual([OLD])
})
