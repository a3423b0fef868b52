import { expect, it } from 'vitest'

import { SEALED_LENGTH_MAX } from '../../../../src/evidence/manifest-room.ts'
import { ControlRig } from './control-rig.ts'
import { nextChunk } from './live-recordings.ts'

it('a manifest without room for more ends the recording session, by a cause of its own', async () => {
  const rig = new ControlRig()
  await rig.establish()
  const [recording] = rig.control.live
  const { recordingId } = recording!.facts
  const { kind, name, bytes, chunk } = nextChunk(recording!)
  rig.control.handleSealed(recordingId, { kind, name, bytes, chunk })
  expect(rig.byes).toEqual([])
  rig.control.handleSealed(recordingId, { kind, name, bytes, chunk: { ...chunk, name: 'x'.repeat(SEALED_LENGTH_MAX) } })
  expect(rig.byes).toEqual(['200 Recording is full'])
  expect(rig.calls).toContain('end recordingFull')
})
