import { expect, it } from 'vitest'

import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { factOfWord } from '../../../../src/server/recording/noted-consent.ts'
import { ControlRig } from './control-rig.ts'

const PARTICIPANT_ID = 'srfBElmCRp2QB23b7Mpk0w=='
const METADATA = [
  '<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>',
  `<participant participant_id="${PARTICIPANT_ID}"><nameID aor="sip:alice@example.com"/></participant></recording>`,
].join('')

/** With one participant, and two media streams of whom nobody is known. */
async function recordingOf(rig = new ControlRig()): Promise<LiveRecording> {
  await rig.establish()
  await rig.send('UPDATE', { contentType: 'application/rs-metadata+xml', body: METADATA })
  const [recording] = rig.control.live
  if (recording === undefined) throw new Error('nothing is recorded')
  return recording
}

it.each([PARTICIPANT_ID, '1'])('names a party of the recording: %s', async (participantId) => {
  const recording = await recordingOf()
  expect(factOfWord({ answer: 'yes', participantId }, recording)).toEqual({
    ok: true,
    value: { type: 'answered', answer: 'yes', by: 'api', participantId },
  })
  expect(factOfWord({ answer: 'withdrawn', participantId }, recording)).toEqual({
    ok: true,
    value: { type: 'withdrawn', by: 'api', participantId },
  })
})

it.each(['+4930123456', 'Alice', undefined])(
  'never has what nobody in the recording is called: %s',
  async (participantId) => {
    const recording = await recordingOf()
    const said = (answer: 'yes' | 'no' | 'withdrawn') =>
      factOfWord({ answer, ...(participantId === undefined ? {} : { participantId }) }, recording)
    expect(said('no')).toEqual({ ok: true, value: { type: 'answered', answer: 'no', by: 'api' } })
    expect(said('withdrawn')).toEqual({ ok: true, value: { type: 'withdrawn', by: 'api' } })
    expect(said('yes')).toMatchObject({ ok: false, reason: 'unknownParty' })
  },
)

it('is told to whoever says yes of one', async () => {
  const rig = new ControlRig()
  rig.holdsAudio = true
  await recordingOf(rig)
  const said = rig.control.noteConsent(rig.rsId, { answer: 'yes', participantId: '+4930123456' })
  expect(await said).toMatchObject({ ok: false, reason: 'unknownParty' })
})
