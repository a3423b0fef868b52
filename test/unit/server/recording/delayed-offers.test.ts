import { beforeEach, describe, expect, it } from 'vitest'

import { asStreamId } from '../../../../src/ids.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import { streamsOfVoices } from '../../../../src/server/recording/local-description.ts'
import { audio, ControlRig, DIALOG, NOW_US, sdp, settled } from './control-rig.ts'

const SNAPSHOT =
  '<recording><datamode>complete</datamode><session session_id="c"/><stream stream_id="a" session_id="c"><label>96</label></stream>' +
  '<stream stream_id="b" session_id="c"><label>97</label></stream></recording>'
const PHONE =
  '<sip:1001@192.0.2.9;x-nearend;x-refci=26528012;x-nearenddevice=SEP001;x-nearendaddr=1001;x-farendrefci=26528013;x-farendaddr=1000>;tag=1'

let rig: ControlRig

beforeEach(() => {
  rig = new ControlRig()
})

/** m-lines of a description: port, direction and label. */
function lines(text: string): readonly string[] {
  const parsed = parseSdp(new TextEncoder().encode(text))
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.value.media.map(({ port, direction, label = '-' }) => `${port} ${direction} ${label}`)
}

const ack = (body: string): Promise<void> => rig.send('ACK', { contentType: 'application/sdp', body })

describe('an INVITE without SDP', () => {
  it('is answered with an offer of ours: two lines for SIPREC', async () => {
    await rig.invite({ body: '' })
    expect(lines(rig.ok())).toEqual(['20000 recvonly 1', '20002 recvonly 2'])
    expect(rig.ok()).toContain('m=audio 20000 RTP/AVP 0 8 9 111 101')
    expect(rig.ok()).toContain('c=IN IP4 198.51.100.1')
    expect(rig.plans[0]?.map(({ held }) => held)).toEqual([true, true])
  })

  it('with metadata is offered a line for each media stream in it, under its label', async () => {
    await rig.invite({ body: SNAPSHOT, contentType: 'application/rs-metadata+xml' })
    expect(lines(rig.ok())).toEqual(['20000 recvonly 96', '20002 recvonly 97'])
    expect(rig.metadata).toHaveLength(1)
  })

  it('of a phone that forks its media is offered one line, and From is its metadata', async () => {
    await rig.invite({ body: '', from: PHONE, headers: { require: '' } })
    expect(lines(rig.ok())).toEqual(['20000 recvonly -'])
    const [received] = rig.metadata
    expect(new TextDecoder().decode(received?.raw)).toBe(`From: ${PHONE}\r\n`)
    expect(received).toMatchObject({ mediaType: 'message/sipfrag', snapshot: { participants: [{}, {}] } })
  })

  it('of a forced source that says nothing of SIPREC is offered one line', async () => {
    await rig.invite({ body: '', source: '192.0.2.3', headers: { require: '' } })
    expect(lines(rig.ok())).toEqual(['20000 recvonly -'])
  })

  it('that is no recording session is refused all the same', async () => {
    await rig.invite({ body: '', headers: { require: '' } })
    expect(rig.answers).toEqual(['403'])
  })
})

describe('the answer in the ACK', () => {
  it('says what comes on which line, under our labels', async () => {
    await rig.invite({ body: '' })
    await ack(sdp(audio(40_000, undefined, 'a=sendonly'), audio(40_002, undefined, 'a=inactive')))
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await settled()
    expect(rig.calls).toEqual(['open', 'update'])
    expect(rig.plans[1]).toMatchObject([
      { streamId: '0', streamLabel: '1', held: false },
      { streamId: '1', streamLabel: '2', held: true },
    ])
    expect(rig.byes).toEqual([])
  })

  it('may refuse a line: it stays, and is awaited no more', async () => {
    await rig.invite({ body: '' })
    await ack(sdp(audio(40_000, undefined), ['m=audio 0 RTP/AVP 18']))
    expect(rig.plans[1]?.map(({ held }) => held)).toEqual([false, true])
  })

  it('that refuses a line leaves nobody there to be asked, until something comes on it all the same', async () => {
    await rig.invite({ body: '' })
    const voices = () => rig.control.live.flatMap((recording) => streamsOfVoices(recording))
    expect(voices()).toEqual(['0', '1'])
    await ack(sdp(audio(40_000, undefined), ['m=audio 0 RTP/AVP 18']))
    expect(voices()).toEqual(['0'])
    rig.control.handleFirstPacket(rig.id, asStreamId('1'))
    expect(voices()).toEqual(['0', '1'])
  })

  it.each([
    ['no SDP', ''],
    ['no line that is taken', sdp(['m=audio 0 RTP/AVP 0'], ['m=audio 0 RTP/AVP 0'])],
    ['something that is no SDP', 'hello'],
  ])('with %s ends the recording session with BYE, and says so', async (_what, body) => {
    await rig.invite({ body: '' })
    if (body !== '') await ack(body)
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await settled()
    expect(rig.byes).toEqual(['488 No usable answer to our offer'])
    expect(rig.calls).toEqual(['open', 'note no-answer', 'end noAnswer'])
    expect(rig.custody).toContain('opened')
  })

  it('that is missing costs no audio that comes all the same', async () => {
    await rig.invite({ body: '' })
    rig.control.handleFirstPacket(rig.id, asStreamId('0'))
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await settled()
    expect(rig.byes).toEqual([])
    expect(rig.calls).toEqual(['open', 'note no-answer', 'update'])
    expect(rig.plans[1]?.map(({ held }) => held)).toEqual([false, false])
  })

  it('is not missed when an offer of the SRC takes its place', async () => {
    await rig.invite({ body: '' })
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await rig.reinvite()
    expect(rig.byes).toEqual([])
    expect(lines(rig.ok())).toEqual(['20000 recvonly 1', '20002 recvonly 2'])
  })

  it('is not missed while the offer that takes its place waits for its ports', async () => {
    await rig.invite({ body: '' })
    const { promise, resolve } = Promise.withResolvers<void>()
    rig.onUpdate = () => promise
    await rig.reinvite()
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await settled()
    resolve()
    await settled()
    expect(rig.byes).toEqual([])
    expect(rig.calls).toEqual(['open', 'update'])
    expect(lines(rig.ok())).toEqual(['20000 recvonly 1', '20002 recvonly 2'])
  })

  it('is awaited as before when there are no ports for the offer that would take its place', async () => {
    await rig.invite({ body: '' })
    rig.hasNoPorts = true
    await rig.reinvite()
    expect(rig.answers.at(-1)).toBe('503')
    rig.hasNoPorts = false
    await ack(sdp(audio(40_000, undefined), audio(40_002, undefined)))
    expect(rig.plans.at(-1)?.map(({ held }) => held)).toEqual([false, false])
    expect(rig.byes).toEqual([])
  })

  it('that nobody asked for changes nothing', async () => {
    await rig.establish()
    await ack(sdp(audio(40_000, '1', 'a=inactive')))
    expect(rig.calls).toEqual(['open'])
  })
})

describe('what is told of holds', () => {
  const holds = (): readonly string[] =>
    rig.story.flatMap((event) => (event.kind === 'hold' ? [`${event.streamId} ${event.isHeld}`] : []))

  it('is nothing before the SRC has answered, and then what its answer holds', async () => {
    await rig.invite({ body: '' })
    expect(rig.story.map(({ kind }) => kind)).toEqual(['streams'])
    await ack(sdp(audio(40_000, undefined, 'a=sendonly'), audio(40_002, undefined, 'a=inactive')))
    expect(holds()).toEqual(['1 true'])
  })

  it('is nothing of audio that comes without an answer', async () => {
    await rig.invite({ body: '' })
    rig.control.handleFirstPacket(rig.id, asStreamId('0'))
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await settled()
    expect(rig.plans.at(-1)?.map(({ held }) => held)).toEqual([false, false])
    expect(holds()).toEqual([])
  })

  it('is what an offer of the SRC holds, also while it is being taken', async () => {
    await rig.invite({ body: '' })
    rig.control.handleFirstPacket(rig.id, asStreamId('0'))
    const { promise, resolve } = Promise.withResolvers<void>()
    rig.onUpdate = () => promise
    await rig.reinvite({ body: sdp(audio(40_000, '1', 'a=inactive'), audio(40_002, '2')) })
    rig.control.handleConfirmed(DIALOG, NOW_US)
    await settled()
    resolve()
    await settled()
    expect(rig.plans.slice(1).map((plans) => plans.map(({ held }) => held))).toEqual([[true, false]])
    expect(holds()).toEqual(['0 true'])
  })
})

describe('a re-INVITE without SDP', () => {
  it('gets the same lines, ports and labels as an offer, on hold or not, with all our codecs', async () => {
    await rig.establish()
    await rig.reinvite({ body: sdp(audio(40_000, '1', 'a=inactive'), audio(0, '2')) })
    expect(lines(rig.ok())).toEqual(['20000 inactive 1', '0 inactive 2'])
    await rig.reinvite({ body: '' })
    expect(lines(rig.ok())).toEqual(['20000 recvonly 1', '20002 recvonly 2'])
    expect(rig.ok()).toContain('m=audio 20000 RTP/AVP 0 8 9 111 101')
    expect(/^o=- \d+ (\d+)/m.exec(rig.ok())?.[1]).toBe('3')
  })

  it('is agreed by the answer in its ACK', async () => {
    await rig.establish()
    await rig.reinvite({ body: '' })
    await ack(sdp(audio(40_000, undefined), audio(40_002, undefined, 'a=inactive')))
    expect(rig.plans.at(-1)).toMatchObject([
      { streamLabel: '1', held: false },
      { streamLabel: '2', held: true },
    ])
  })

  it('whose ACK brings nothing leaves all as it was', async () => {
    await rig.establish()
    await rig.reinvite({ body: '' })
    await ack('nothing')
    expect(rig.calls).toEqual(['open', 'note no-answer'])
    expect(rig.byes).toEqual([])
  })

  it('keeps lines that are no audio where they are, and refused', async () => {
    await rig.establish({ body: sdp(['m=video 50000 RTP/AVP 96', 'a=label:9'], audio(40_000, '1')) })
    await rig.reinvite({ body: '' })
    expect(rig.ok()).toContain('m=video 0 RTP/AVP 96\r\na=label:9')
    expect(lines(rig.ok())).toEqual(['0 inactive 9', '20000 recvonly 1'])
  })

  it('keeps the payload types that are agreed, and gives ours free ones', async () => {
    const events = ['m=audio 40000 RTP/AVP 8 97 101', 'a=rtpmap:97 telephone-event/8000', 'a=rtpmap:101 opus/48000/2']
    await rig.establish({ body: sdp(events) })
    await rig.reinvite({ body: '' })
    expect(rig.ok()).toContain('m=audio 20000 RTP/AVP 0 8 9 101 97')
  })

  it('may bring metadata, and From of a phone news', async () => {
    await rig.invite({ body: '', from: PHONE, headers: { require: '' } })
    await ack(sdp(audio(40_000, undefined)))
    await rig.reinvite({ body: '', from: PHONE })
    expect(rig.metadata).toHaveLength(1)
    await rig.reinvite({ body: '', from: PHONE.replace('1000', '2000') })
    expect(rig.metadata).toHaveLength(2)
    await rig.reinvite({ body: SNAPSHOT, contentType: 'application/rs-metadata' })
    expect(rig.metadata).toHaveLength(3)
  })

  it('does not mean an UPDATE: that is never answered with an offer', async () => {
    await rig.establish()
    await rig.reinvite({ body: '', headers: { cseq: '2 UPDATE' } })
    expect(rig.answers.at(-1)).toBe('488')
  })
})
