import { expect, it } from 'vitest'

import { ControlRig } from './control-rig.ts'

it('a worker died whose frames cannot be read: its recordings are closed all the same, and say so', async () => {
  const rig = new ControlRig()
  rig.lostFrames = () => Promise.reject(new Error('EIO'))
  await rig.establish()
  rig.control.handleWorkerLost([rig.id], '/spool/run/worker-0-1')
  await rig.control.whenIdle()
  expect(rig.custody).toEqual(['opened', 'spool-damaged', 'interrupted'])
})

it('a worker died whose frames cannot be read, and no recording asks for them: nobody is troubled', async () => {
  const rig = new ControlRig()
  rig.lostFrames = () => Promise.reject(new Error('EIO'))
  await rig.invite()
  rig.control.handleWorkerLost([rig.id], '/spool/run/worker-0-1')
  await rig.control.whenIdle()
  expect(rig.custody).toEqual([])
})
