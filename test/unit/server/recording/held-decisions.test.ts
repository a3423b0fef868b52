import { beforeEach, describe, expect, it } from 'vitest'

import { ControlRig, NOW_US } from './control-rig.ts'

let rig: ControlRig

beforeEach(() => {
  rig = new ControlRig()
  rig.holdsAudio = true
})

describe('audio that is held until consent', () => {
  it('is released from an instant on, and what was said before is kept', async () => {
    await rig.establish()
    expect(rig.facts?.heldUntilConsent).toBe(true)
    expect(rig.control.decideHeld(rig.id, { outcome: 'kept', cause: 'agreed', fromUs: NOW_US + 700 }).ok).toBe(true)
    expect(rig.calls).toEqual(['open', 'release 700'])
    expect(rig.custody).toContain('kept agreed')
  })

  it('is destroyed without a release when nothing more is to be recorded', async () => {
    await rig.establish()
    expect(rig.control.decideHeld(rig.id, { outcome: 'destroyed', cause: 'refused' }).ok).toBe(true)
    expect(rig.calls).toEqual(['open'])
    expect(rig.custody).toContain('destroyed refused')
  })

  it('is decided about once', async () => {
    await rig.establish()
    rig.control.decideHeld(rig.id, { outcome: 'destroyed', cause: 'refused' })
    const again = rig.control.decideHeld(rig.id, { outcome: 'kept', cause: 'agreed', fromUs: NOW_US })
    expect(again).toMatchObject({ ok: false, reason: 'decided' })
    expect(rig.calls).toEqual(['open'])
    expect(rig.custody).not.toContain('kept agreed')
  })

  it('can be decided about after the BYE, until the manifest is made', async () => {
    await rig.establish()
    const recording = rig.control.live[0]
    rig.control.operate(rig.rsId, 'stop')
    expect(recording?.state).toBe('closing')
    expect(rig.control.decideHeld(rig.id, { outcome: 'kept', cause: 'agreed' }).ok).toBe(true)
  })

  it('is none where nothing is held, nor of a recording that nobody knows', async () => {
    rig.holdsAudio = false
    await rig.establish()
    expect(rig.facts?.heldUntilConsent).toBeUndefined()
    const { id } = rig
    expect(rig.control.decideHeld(id, { outcome: 'kept', cause: 'agreed' })).toMatchObject({ reason: 'notHeld' })
    const other = new ControlRig()
    expect(other.control.decideHeld(id, { outcome: 'kept', cause: 'agreed' })).toMatchObject({ reason: 'unknown' })
  })
})
