import { createHmac } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { openSealed } from '../../../src/evidence/age-open.ts'
import { findConsentEventFault } from '../../../src/evidence/consent-event-shape.ts'
import {
  CONSENT_EVENT_LENGTH_MAX,
  decodeConsentEvent,
  readConsentEvent,
  signConsentEvent,
  type ConsentEventBody,
} from '../../../src/evidence/consent-event.ts'
import { sealPersonal } from '../../../src/evidence/consent-personal.ts'
import { signJson } from '../../../src/evidence/signed-json.ts'
import { AGREED, PROMPT, WITHDRAWN } from '../../vectors/evidence/sample-consent.ts'
import { RECORDING_ID, vectorRandom, vectorSigner } from '../../vectors/evidence/sample-recording.ts'

const { signingKey, verifyKey } = await vectorSigner()
const place = {
  recordingId: RECORDING_ID,
  number: 0,
  at: '2025-11-23T09:00:01.000Z',
  clock: { status: 'unknown' },
} as const
const answered: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'dtmf', atSample: 4_800 }

describe('a consent event', () => {
  it.each([
    ...AGREED,
    ...WITHDRAWN,
    { type: 'reviewed', answer: 'no' },
    { type: 'declared', by: 'metadata' },
    { type: 'enforced', action: 'discard', fromSample: 0, toSample: 48_000 },
  ] satisfies ConsentEventBody[])('is read as it was signed: $type', async (body) => {
    const read = await readConsentEvent(await signConsentEvent(body, place, signingKey), [verifyKey])
    expect(read).toEqual({ ok: true, value: { ...body, ...place, format: 'earwitness-consent-event/1' } })
  })

  it('is refused when one character of it was changed, and when a key signed it that is not trusted', async () => {
    const jws = await signConsentEvent(answered, place, signingKey)
    const other = await signConsentEvent({ ...answered, answer: 'no' }, place, signingKey)
    const [header, , signature] = jws.split('.')
    const forged = [header, other.split('.')[1], signature].join('.')
    expect(await readConsentEvent(forged, [verifyKey])).toMatchObject({ ok: false, reason: 'forged' })
    expect(await readConsentEvent(jws, [])).toMatchObject({ ok: false, reason: 'signerUnknown' })
  })

  it('is no manifest and no statement: a signature of another kind is refused', async () => {
    const body = { ...answered, ...place, format: 'earwitness-consent-event/1' }
    const jws = await signJson(body, 'earwitness-statement+jws', signingKey)
    expect(decodeConsentEvent(jws)).toMatchObject({ ok: false, reason: 'notJws' })
  })

  it.each([
    ['a type that nobody knows', { type: 'given' }, 'type'],
    ['an answer that is none', { type: 'answered', answer: 'maybe', by: 'dtmf' }, 'answer'],
    ['a share beyond the whole', { ...AGREED[2], share: 1.1 }, 'share'],
    ['a prompt without hash', { ...AGREED[1], prompt: { promptId: 'x' } }, 'prompt.sha256'],
    ['a state that is none', { type: 'decided', state: 'fine', because: [] }, 'state'],
    ['a hash that is none', { ...answered, personal: { hashes: { by: 'Alice' }, sealed: '' } }, 'personal.hashes.by'],
    ['a place before the first', { ...answered, number: -1 }, 'number'],
  ])('is not signed and not read with %s', async (_what, body, fault) => {
    const event = { ...place, format: 'earwitness-consent-event/1', ...body }
    expect(findConsentEventFault(event)).toBe(fault)
    const jws = await signJson(event, 'earwitness-consent-event+jws', signingKey)
    expect(decodeConsentEvent(jws)).toEqual({ ok: false, reason: 'shape', detail: fault })
  })

  it('is of a version that is known, and no longer than it may be', async () => {
    const jws = await signJson({ ...answered, ...place, format: 'x/2' }, 'earwitness-consent-event+jws', signingKey)
    expect(decodeConsentEvent(jws)).toMatchObject({ ok: false, reason: 'format' })
    const explanation = Array.from({ length: 4 }, () => 'x'.repeat(4_000))
    const body: ConsentEventBody = { type: 'decided', state: 'missing', because: [], explanation }
    await expect(signConsentEvent(body, place, signingKey)).rejects.toThrow(TypeError)
    expect(decodeConsentEvent('x'.repeat(CONSENT_EVENT_LENGTH_MAX + 1))).toMatchObject({ reason: 'tooLarge' })
  })

  it('has members that this software does not know', async () => {
    const jws = await signConsentEvent({ ...answered, ...{ mood: 'glad' } }, place, signingKey)
    expect(await readConsentEvent(jws, [verifyKey])).toMatchObject({ ok: true, value: { mood: 'glad' } })
  })
})

describe('what names people in a consent event', () => {
  const { identity, recipient } = generateIdentity(vectorRandom('personal'))

  it('is there as a salted hash, and opens with the key of the recording alone', async () => {
    const personal = sealPersonal({ by: 'Alice Example' }, recipient, vectorRandom('salt'))
    const signed = await signConsentEvent({ ...answered, personal }, place, signingKey)
    expect(signed).not.toContain(Buffer.from('Alice').toString('base64url').slice(0, 6))
    const opened = await openSealed(Buffer.from(personal.sealed, 'base64url'), [identity])
    if (!opened.ok) throw new Error(opened.reason)
    const clear: unknown = JSON.parse(new TextDecoder().decode(opened.value))
    expect(clear).toMatchObject({ format: 'earwitness-personal/1', values: { by: 'Alice Example' } })
    const salt = Buffer.from(String(Reflect.get(Object(clear), 'salt')), 'base64url')
    const hash = createHmac('sha256', salt).update('earwitness-salted/1\nby\nAlice Example').digest('hex')
    expect(personal.hashes).toEqual({ by: hash })
  })

  it('has another hash in each event: without the salt two cannot be compared', () => {
    const random = vectorRandom('salts')
    const one = sealPersonal({ by: 'Alice Example' }, recipient, random)
    expect(sealPersonal({ by: 'Alice Example' }, recipient, random).hashes).not.toEqual(one.hashes)
  })

  it('is cut where it is too long, so that the event stays within its bound', async () => {
    const values = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, '\u0001'.repeat(5_000)]))
    const personal = sealPersonal(values, recipient, vectorRandom('long'))
    expect(Object.keys(personal.hashes)).toEqual(['a', 'b'])
    const explanation = ['x'.repeat(2_900), 'y'.repeat(2_900)]
    const body: ConsentEventBody = { type: 'decided', state: 'missing', because: [], explanation, personal }
    const prompt = { ...place, previousSha256: PROMPT.sha256, manifestSha256: PROMPT.sha256 }
    expect((await signConsentEvent(body, prompt, signingKey)).length).toBeLessThan(CONSENT_EVENT_LENGTH_MAX)
  })
})
