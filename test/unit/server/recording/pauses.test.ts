import { beforeEach, describe, expect, it } from 'vitest'

import { audio, ControlRig, DIALOG, NOW_US, OFFER, sdp, settled, TOLD_SOURCE } from './control-rig.ts'

let rig: ControlRig

beforeEach(() => {
  rig = new ControlRig()
})

const bodyOf = (index: number): string => new TextDecoder().decode(rig.asked[index]?.body)
const answerOf = (
  ...media: readonly (readonly string[])[]
): { status: number; contentType: string; body: Uint8Array } => ({
  status: 200,
  contentType: 'application/sdp',
  body: new TextEncoder().encode(sdp(...media)),
})

describe('a pause that the SRC asks for', () => {
  it('by a header of INFO holds from the instant at which that came', async () => {
    await rig.establish()
    rig.nowUs = NOW_US + 500
    await rig.send('INFO', { headers: { 'x-ac-action': 'pause-siprec;recording-ip-group=SRS-1' } })
    rig.nowUs = NOW_US + 900
    await rig.send('INFO', { headers: { record: 'on' } })
    expect(rig.calls).toEqual(['open', 'pause src 500', 'resume src 900'])
    // Should the recorder die, its journal tells.
    expect(rig.story.filter(({ kind }) => kind === 'pause')).toMatchObject([
      { isPaused: true, by: 'src', via: 'INFO' },
      { isPaused: false, by: 'src', via: 'INFO' },
    ])
    expect(rig.story[0]).toMatchObject({ kind: 'streams' })
  })

  it('by a header of a re-INVITE holds before its offer is answered', async () => {
    await rig.establish()
    await rig.reinvite({ headers: { 'x-reason': 'pauseCallRecording' } })
    expect(rig.calls).toEqual(['open', 'pause src 0', 'update'])
  })

  it('twice is one, and what nobody knows is none', async () => {
    await rig.establish()
    for (const record of ['off', 'off', 'maybe']) await rig.send('INFO', { headers: { record } })
    expect(rig.calls).toEqual(['open', 'pause src 0'])
  })

  it('is not told back to it', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    await rig.send('INFO', { headers: { record: 'pause' } })
    expect(rig.asked).toEqual([])
  })
})

describe('an operator', () => {
  it('pauses and resumes in the recorder; the SRC is not told', async () => {
    await rig.establish()
    expect(rig.control.operate(rig.rsId, 'pause')).toMatchObject({ ok: true, value: { pausedBy: new Set(['api']) } })
    expect(rig.control.operate(rig.rsId, 'resume').ok).toBe(true)
    await settled()
    expect(rig.calls).toEqual(['open', 'pause api 0', 'resume api 0'])
    expect(rig.asked).toEqual([])
  })

  it('stops a recording session with BYE', async () => {
    await rig.establish()
    expect(rig.control.operate(rig.rsId, 'stop').ok).toBe(true)
    expect(rig.calls).toEqual(['open', 'end operator'])
    expect(rig.byes).toEqual(['200 Stopped by the operator'])
    expect(rig.control.operate(rig.rsId, 'pause')).toEqual({ ok: false, reason: 'notRecording' })
  })

  it('finds nothing under an id that is not known', () => {
    expect(rig.control.operate('019aaff1-0680-7abc-8def-0123456789ac', 'pause')).toEqual({
      ok: false,
      reason: 'unknown',
    })
  })

  it('has an SRC told that may be told: inactive at the pause, wanted again afterwards', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.responses.push(answerOf(audio(40_000, '1', 'a=inactive'), audio(40_002, '2', 'a=inactive')))
    rig.responses.push(answerOf(audio(40_000, '1'), audio(40_002, '2')))
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    expect(rig.asked[0]).toMatchObject({ method: 'INVITE', contentType: 'application/sdp' })
    expect(bodyOf(0).match(/a=(inactive|recvonly)/g)).toEqual(['a=inactive', 'a=inactive'])
    expect(rig.plans.at(-1)?.map(({ held }) => held)).toEqual([true, true])
    rig.control.operate(rig.rsId, 'resume')
    await settled()
    expect(bodyOf(1).match(/a=(inactive|recvonly)/g)).toEqual(['a=recvonly', 'a=recvonly'])
    expect(bodyOf(1)).toContain('m=audio 20000 RTP/AVP')
    expect(rig.plans.at(-1)?.map(({ held }) => held)).toEqual([false, false])
    expect(rig.calls).toEqual(['open', 'pause api 0', 'update', 'resume api 0', 'update'])
  })

  it('is told of by an SRC whose answer pauses or holds media streams itself: the story has what the worker has', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.responses.push(answerOf(audio(40_000, '1', 'a=inactive'), audio(40_002, '2', 'a=record:paused')))
    rig.responses.push(answerOf(audio(40_000, '1'), audio(40_002, '2')))
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    rig.nowUs = NOW_US + 2_000_000
    rig.control.operate(rig.rsId, 'resume')
    await settled()
    expect(rig.story.filter(({ kind }) => kind !== 'streams')).toMatchObject([
      { kind: 'pause', by: 'api', isPaused: true },
      { kind: 'pause', by: 'src', via: 'SDP', streamId: '1', isPaused: true },
      { kind: 'hold', streamId: '0', isHeld: true },
      { kind: 'pause', by: 'api', isPaused: false },
      { kind: 'pause', by: 'src', via: 'SDP', streamId: '1', isPaused: false },
      { kind: 'hold', streamId: '0', isHeld: false },
    ])
  })

  it('is told of by an answer as well that the worker has taken when the session ends', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.responses.push(answerOf(audio(40_000, '1'), audio(40_002, '2', 'a=record:paused')))
    rig.onUpdate = () => rig.control.handleEnded(DIALOG, { cause: 'bye', receivedUs: NOW_US })
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    expect(rig.calls).toEqual(['open', 'pause api 0', 'update', 'end bye'])
    expect(rig.story.at(-1)).toMatchObject({ kind: 'pause', via: 'SDP', streamId: '1', isPaused: true })
  })

  it('who has paused has offers of such an SRC answered inactive', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.control.operate(rig.rsId, 'pause')
    await rig.reinvite({ body: OFFER, source: TOLD_SOURCE })
    expect(rig.ok().match(/a=(inactive|recvonly)/g)).toEqual(['a=inactive', 'a=inactive'])
  })

  it('who changes his mind meanwhile leaves the SRC with the last word', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    const inactive = answerOf(audio(40_000, '1', 'a=inactive'), audio(40_002, '2', 'a=inactive'))
    rig.responses.push(inactive, answerOf(audio(40_000, '1'), audio(40_002, '2')))
    rig.onAsked = () => {
      rig.onAsked = () => {}
      rig.control.operate(rig.rsId, 'resume')
      rig.control.operate(rig.rsId, 'pause')
      rig.control.operate(rig.rsId, 'resume')
    }
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    expect(rig.asked).toHaveLength(2)
    expect(bodyOf(1)).toContain('a=recvonly')
  })

  it('has it told again after glare, a few times', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.responses.push({ status: 491 }, { status: 491 }, answerOf(audio(40_000, '1'), audio(40_002, '2')))
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    expect(rig.asked).toHaveLength(3)
    expect(rig.slept).toHaveLength(2)
    for (const ms of rig.slept) expect(ms).toBeLessThanOrEqual(2_000)
    expect(await rig.registry.metrics()).toContain('own_requests_total{request="reoffer",outcome="accepted"} 1')
  })

  it('is not hindered by an SRC that refuses', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.responses.push({ status: 488 })
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    expect(rig.asked).toHaveLength(1)
    expect(rig.calls).toEqual(['open', 'pause api 0'])
    expect(await rig.registry.metrics()).toContain('own_requests_total{request="reoffer",outcome="refused"} 1')
  })

  it('is not hindered by one that answers with nothing readable either', async () => {
    await rig.establish({ source: TOLD_SOURCE })
    rig.responses.push({ status: 200 })
    rig.control.operate(rig.rsId, 'pause')
    await settled()
    expect(rig.calls).toEqual(['open', 'pause api 0'])
  })
})

describe('a paused recording session', () => {
  it('that is over takes no more wishes', async () => {
    await rig.establish()
    rig.control.handleEnded(DIALOG, { cause: 'bye', receivedUs: NOW_US })
    await rig.send('INFO', { headers: { record: 'off' } })
    expect(rig.calls).toEqual(['open', 'end bye'])
  })
})
