import { expect, it } from 'vitest'

import { OPENED_AT_UNIX_MS } from '../../../support/recording-rig.ts'
import { ControlRig, NOW_US } from './control-rig.ts'

it.each(['yes', 'withdrawn'] as const)(
  'what the API is told (%s) has the time of its recording, whatever became of the clock of the system',
  async (answer) => {
    const rig = new ControlRig()
    rig.holdsAudio = true
    await rig.establish()
    // The clock of the system stands still in this rig; the monotonic one, by which what is heard has its time, goes on.
    rig.nowUs = NOW_US + 5_000_000
    const before = rig.consentTimes.length
    expect(await rig.control.noteConsent(rig.rsId, { answer, participantId: '0' })).toMatchObject({ ok: false })
    expect(rig.consentTimes[before]).toBe(new Date(OPENED_AT_UNIX_MS + 5_000).toISOString())
  },
)

it('the first sample has its instant by that clock', async () => {
  const rig = new ControlRig()
  await rig.establish()
  rig.control.handleOrigin(rig.id, new Date(OPENED_AT_UNIX_MS + 1_500).toISOString())
  expect(rig.control.live[0]?.originUs).toBe(NOW_US + 1_500_000)
})
