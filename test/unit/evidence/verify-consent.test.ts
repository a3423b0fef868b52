import { describe, expect, it } from 'vitest'

import type { ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import type { ConsentEventEntry } from '../../../src/evidence/manifest.ts'
import { describeVerdict, verifyRecording } from '../../../src/evidence/verify.ts'
import { AGREED, sampleConsent, WITHDRAWN } from '../../vectors/evidence/sample-consent.ts'
import {
  findingsOf,
  readerOf,
  RECORDING_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vectorSigner,
  type SampleRecording,
} from '../../vectors/evidence/sample-recording.ts'

const { signingKey, verifyKey } = await vectorSigner()
const contents = { chunks: [Buffer.from('OggS one')], snapshots: [Buffer.from('<recording/>')], seed: 'consent' }
const OTHER_ID = '019aaff1-0680-7abc-8def-0123456789ff'

function recorded(consent: readonly ConsentEventBody[] = AGREED, lateConsent: readonly ConsentEventBody[] = []) {
  return sampleRecording({ ...contents, consent, lateConsent })
}

function verdictOf(recording: SampleRecording) {
  return verifyRecording({ recordingId: RECORDING_ID, objects: readerOf(recording.objects), keys: [verifyKey] })
}

/** The manifest is signed anew, as by whoever has the node's key. */
async function withEntries(
  recording: SampleRecording,
  edit: (entries: readonly ConsentEventEntry[]) => readonly ConsentEventEntry[],
): Promise<SampleRecording> {
  const body = { ...recording.body, consentEvents: edit(recording.body.consentEvents) }
  await storeManifest(recording.objects, body)
  return { ...recording, body }
}

function lateAt(recording: SampleRecording, manifestSha256?: string) {
  const manifest = recording.objects.get('manifest.jws') ?? new Uint8Array()
  const options = { recordingId: RECORDING_ID, signer: signingKey, before: recording.body.consentEvents }
  return sampleConsent(WITHDRAWN, { ...options, manifestSha256: manifestSha256 ?? sha256(manifest) })
}

describe('a recording with consent events', () => {
  it('verifies, and says what is proved', async () => {
    const verdict = await verdictOf(await recorded())
    expect(verdict).toMatchObject({
      ...{ verified: true, findings: [] },
      consent: { state: 'agreed', unlisted: 0 },
      counts: { consentEvents: 5, consentEventsIntact: 5 },
    })
    expect(describeVerdict(verdict)).toContain('Consent: agreed to (5 signed events).')
    expect(describeVerdict(verdict)).toContain('Consent: 5 of 5 events there, signed')
  })

  it('verifies with events that came after its manifest', async () => {
    const verdict = await verdictOf(
      await recorded(AGREED, [WITHDRAWN[0], { ...WITHDRAWN[1], because: [5] }] as ConsentEventBody[]),
    )
    expect(verdict).toMatchObject({ verified: true, consent: { state: 'withdrawn' }, counts: { consentEvents: 7 } })
    expect(verdict.consent?.events.map(({ isLate }) => isLate)).toEqual([false, false, false, false, false, true, true])
    expect(describeVerdict(verdict)).toContain('Consent: WITHDRAWN (7 signed events, 2 of them after')
  })

  it('without any says that nothing is proved', async () => {
    const verdict = await verdictOf(await recorded([]))
    expect(verdict).toMatchObject({ verified: true, consent: { state: 'unknown', events: [] } })
    expect(describeVerdict(verdict)).toContain('Nothing is proved about consent')
  })
})

describe('what is found', () => {
  it.each([
    [
      'an event that is missing',
      (objects: Map<string, Uint8Array>) => objects.delete('consent-001.jws'),
      'consent-missing consent-001.jws',
    ],
    [
      'an event that was changed',
      (objects: Map<string, Uint8Array>) => {
        const text = Buffer.from(objects.get('consent-003.jws') ?? []).toString()
        const [header, payload = '', signature] = text.split('.')
        const changed = Buffer.from(payload, 'base64url').toString().replace('"yes"', '"no"')
        objects.set(
          'consent-003.jws',
          Buffer.from([header, Buffer.from(changed).toString('base64url'), signature].join('.')),
        )
      },
      'consent-forged consent-003.jws',
    ],
    [
      'an event that is cut',
      (objects: Map<string, Uint8Array>) =>
        objects.set('consent-002.jws', (objects.get('consent-002.jws') ?? Buffer.of()).subarray(0, 99)),
      'consent-truncated consent-002.jws',
    ],
    [
      'two events that were exchanged',
      (objects: Map<string, Uint8Array>) => {
        const one = objects.get('consent-001.jws') ?? Buffer.of()
        objects.set('consent-001.jws', objects.get('consent-002.jws') ?? Buffer.of())
        objects.set('consent-002.jws', one)
      },
      'consent-swapped consent-001.jws',
    ],
    [
      'an event under another name',
      (objects: Map<string, Uint8Array>) =>
        objects.set('consent-005.jws', objects.get('consent-004.jws') ?? Buffer.of()),
      'consent-added consent-005.jws',
    ],
    [
      'something that is no event',
      (objects: Map<string, Uint8Array>) => objects.set('consent-005.jws', Buffer.from('yes')),
      'consent-added consent-005.jws',
    ],
  ])('%s', async (_what, tamper, finding) => {
    const recording = await recorded()
    tamper(recording.objects)
    expect(await findingsOf(recording)).toContain(finding)
  })

  it('an event that somebody else signed, which its manifest does not know', async () => {
    const recording = await recorded()
    const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
    if (!('privateKey' in pair)) throw new Error('no key pair')
    const signer = { keyId: 'somebody', privateKey: pair.privateKey }
    const manifestSha256 = sha256(recording.objects.get('manifest.jws') ?? new Uint8Array())
    const options = { recordingId: RECORDING_ID, signer, before: recording.body.consentEvents, manifestSha256 }
    const { objects } = await sampleConsent([WITHDRAWN[0]!], options)
    recording.objects.set('consent-005.jws', objects.get('consent-005.jws') ?? Buffer.of())
    expect(await findingsOf(recording)).toContain('consent-unknown-signer consent-005.jws')
    expect(await verdictOf(recording)).toMatchObject({ consent: { state: 'agreed' } })
  })

  it('events of another recording, that the manifest names', async () => {
    const recording = await recorded([])
    const { entries, objects } = await sampleConsent(AGREED, { recordingId: OTHER_ID, signer: signingKey })
    for (const [name, bytes] of objects) recording.objects.set(name, bytes)
    const forged = await withEntries(recording, () => entries)
    expect(await findingsOf(forged)).toContain('consent-foreign consent-003.jws')
    expect(await verdictOf(forged)).toMatchObject({ verified: false, consent: { state: 'unknown', events: [] } })
  })

  it('an agreement whose answer is left out of a manifest that is signed anew', async () => {
    const recording = await recorded()
    recording.objects.delete('consent-003.jws')
    const cut = await withEntries(recording, (entries) => entries.filter(({ number }) => number !== 3))
    const found = await findingsOf(cut)
    expect(found).toContain('consent-order-wrong consent-004.jws')
    expect(found).toContain('consent-unsupported consent-004.jws')
    expect(await verdictOf(cut)).toMatchObject({ consent: { state: 'unknown' } })
  })

  it('a manifest that says other things than its events, or in another order', async () => {
    const told = await withEntries(await recorded(), (entries) =>
      entries.map((entry) => (entry.number === 3 ? { ...entry, atSample: 0 } : entry)),
    )
    expect(await findingsOf(told)).toEqual(['consent-mismatch consent-003.jws'])
    const turned = await withEntries(await recorded(), (entries) => entries.toReversed())
    expect(await findingsOf(turned)).toContain('consent-order-wrong consent-004.jws')
  })

  it('an event that is no decision of its events', async () => {
    const recording = await recorded([
      AGREED[0]!,
      { type: 'answered', answer: 'yes', by: 'speech' },
      { type: 'decided', state: 'agreed', because: [1] },
    ])
    expect(await findingsOf(recording)).toEqual(['consent-unsupported consent-002.jws'])
    expect((await verdictOf(recording)).consent?.state).toBe('unknown')
  })

  it('a later event of another manifest, one that is missing in between, and one in another place', async () => {
    const foreign = await recorded()
    for (const [name, bytes] of (await lateAt(foreign, 'a'.repeat(64))).objects) foreign.objects.set(name, bytes)
    expect(await findingsOf(foreign)).toEqual(['consent-foreign consent-005.jws', 'consent-foreign consent-006.jws'])
    const holed = await recorded()
    const late = await lateAt(holed)
    holed.objects.set('consent-006.jws', late.objects.get('consent-006.jws') ?? Buffer.of())
    expect(await findingsOf(holed)).toEqual(['consent-missing consent-005.jws', 'consent-unsupported consent-006.jws'])
    const moved = await recorded()
    moved.objects.set('consent-007.jws', (await lateAt(moved)).objects.get('consent-005.jws') ?? Buffer.of())
    expect(await findingsOf(moved)).toEqual(['consent-order-wrong consent-007.jws'])
  })
})
