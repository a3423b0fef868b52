import { Value } from 'typebox/value'
import { describe, expect, it } from 'vitest'

import { decodeConsentEvent, type ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import { vconOf, type VconFacts } from '../../../src/evidence/vcon.ts'
import { VCON_SCHEMA } from '../../support/vcon-schema.ts'
import { AGREED, WITHDRAWN } from '../../vectors/evidence/sample-consent.ts'
import { RECORDING_ID, sampleRecording } from '../../vectors/evidence/sample-recording.ts'

const contents = { chunks: [Buffer.from('OggS one')], snapshots: [Buffer.from('<recording/>')] }

async function facts(
  consent: readonly ConsentEventBody[],
  lateConsent: readonly ConsentEventBody[] = [],
): Promise<VconFacts> {
  const { body, objects } = await sampleRecording({ ...contents, consent, lateConsent })
  const text = (name: string): string => Buffer.from(objects.get(name) ?? []).toString('latin1')
  const events = [...objects.keys()]
    .filter((name) => name.startsWith('consent-'))
    .toSorted()
    .flatMap((name) => {
      const decoded = decodeConsentEvent(text(name))
      return decoded.ok ? [{ event: decoded.value.event, jws: text(name) }] : []
    })
  return { manifest: body, manifestJws: text('manifest.jws'), events, createdAt: '2026-11-29T09:00:00.000Z' }
}

interface Vcon {
  readonly parties: readonly object[]
  readonly dialog: readonly { readonly parties: unknown; readonly body?: string }[]
  readonly attachments: readonly {
    readonly purpose: string
    readonly party: number
    readonly dialog: number
    readonly body: unknown
  }[]
}

async function made(given: VconFacts): Promise<Vcon> {
  const vcon = JSON.parse(JSON.stringify(vconOf(given))) as Vcon
  expect([...Value.Errors(VCON_SCHEMA, vcon)]).toEqual([])
  for (const { party, dialog } of vcon.attachments) {
    expect(vcon.parties[party]).toBeDefined()
    expect(vcon.dialog[dialog]).toBeDefined()
  }
  return vcon
}

describe('a recording as a vCon', () => {
  it('has the form of the draft, the evidence as it was signed, and no names while nobody opened them', async () => {
    const given = await facts(AGREED)
    const vcon = await made(given)
    expect(vcon).toMatchObject({ uuid: RECORDING_ID, parties: [{ uuid: 'srfBElmCRp2QB23b7Mpk0w==' }] })
    expect(vcon.attachments.map(({ purpose }) => purpose)).toEqual([
      'manifest',
      ...AGREED.map(() => 'consent-event'),
      'lawful_basis',
    ])
    expect(vcon.attachments[0]?.body).toBe(given.manifestJws)
    expect(vcon.attachments.at(-1)?.body).toMatchObject({
      lawful_basis: 'consent',
      purpose_grants: [{ purpose: 'recording', granted: true }],
    })
    expect(vcon.dialog[0]?.parties).toEqual([0, null])
    expect(vcon.dialog[0]).not.toHaveProperty('body')
  })

  it('names people and holds the audio where they were opened', async () => {
    const people = [{ participantId: 'srfBElmCRp2QB23b7Mpk0w==', names: ['Anna (sip:anna@example.com)'] }]
    const audio = { mediatype: 'audio/ogg', filename: 'a.ogg', base64url: 'T2dnUw' }
    const vcon = await made({ ...(await facts([])), people, audio })
    expect(vcon.parties).toEqual([
      { uuid: 'srfBElmCRp2QB23b7Mpk0w==', name: 'Anna (sip:anna@example.com)', sip: 'sip:anna@example.com' },
    ])
    expect(vcon.dialog[0]?.body).toBe('T2dnUw')
  })

  it('says that consent was taken back, and claims none where people were only told', async () => {
    const late = WITHDRAWN.map((body) => (body.type === 'decided' ? { ...body, because: [AGREED.length] } : body))
    const vcon = await made(await facts(AGREED, late))
    expect(vcon.attachments.at(-1)?.body).toMatchObject({ purpose_grants: [{ granted: false }] })
    const told = await made(await facts([...AGREED.slice(0, 3), { type: 'decided', state: 'notified', because: [2] }]))
    expect(told.attachments.map(({ purpose }) => purpose)).not.toContain('lawful_basis')
  })

  it('attaches what somebody pressed or said to the party whose media stream it was in', async () => {
    const words: readonly ConsentEventBody[] = [
      { type: 'answered', answer: 'yes', by: 'dtmf', streamId: '0' },
      { type: 'answered', answer: 'yes', by: 'dtmf', streamId: '1' },
      { type: 'withdrawn', by: 'dtmf', streamId: '1' },
      { type: 'withdrawn', by: 'person', participantId: 'callee' },
      { type: 'decided', state: 'withdrawn', because: [2] },
    ]
    const given = await facts(words)
    const { streams, participants } = given.manifest
    const [caller] = participants
    const calleeToo = streams.map((stream) =>
      stream.streamId === '1' ? { ...stream, participantIds: ['callee'] } : stream,
    )
    const partiesOf = async (manifest: Partial<VconFacts['manifest']>) =>
      (await made({ ...given, manifest: { ...given.manifest, ...manifest } })).attachments
        .filter(({ purpose }) => purpose === 'consent-event')
        .map(({ party }) => party)
    const both = { participants: [...(caller === undefined ? [] : [caller]), { participantId: 'callee' }] }
    expect(await partiesOf({ ...both, streams: calleeToo })).toEqual([0, 1, 1, 1, 0])
    // Nobody knows whose stream it is.
    expect(await partiesOf(both)).toEqual([0, 0, 0, 1, 0])
  })

  it('is one without participants and media streams too', async () => {
    const given = await facts([])
    const vcon = await made({ ...given, manifest: { ...given.manifest, participants: [], streams: [] } })
    expect(vcon.parties).toEqual([{}])
  })

  it('would be found wrong by the schema with a date, a party or a content that is none', async () => {
    const vcon = await made(await facts(AGREED))
    for (const wrong of [
      { ...vcon, created_at: 'today' },
      { ...vcon, attachments: [{ ...vcon.attachments[0], party: -1 }] },
      { ...vcon, attachments: [{ ...vcon.attachments[0], encoding: 'hex' }] },
      { ...vcon, dialog: [{ ...vcon.dialog[0], type: 'call' }] },
    ]) {
      expect(Value.Check(VCON_SCHEMA, wrong)).toBe(false)
    }
  })
})
