import { createHash } from 'node:crypto'

import { signConsentEvent, type ConsentEvent, type ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import type { ConsentEventEntry } from '../../../src/evidence/manifest.ts'
import { consentName } from '../../../src/evidence/object-names.ts'
import type { SigningKey } from '../../../src/evidence/signer-keys.ts'

export const PROMPT = {
  promptId: 'notice-en',
  version: '2026-01',
  sha256: '5f0c2f6ab6a2e0f9f1b7a6ad2ce1ee01b7a27ec9b5d6b6d2a1c2e8e6d1c5b0a7',
  language: 'en-US',
} as const

/** What a recording whose parties agreed has to say, in order. */
export const AGREED: readonly ConsentEventBody[] = [
  {
    type: 'ruleChosen',
    rule: 'us-fl',
    jurisdictions: ['US-FL', 'US'],
    explanation: ['All parties must agree because +1 813 is Florida.'],
    reference: 'Florida Statutes 934.03, as of 2025-01-01',
  },
  {
    ...{ type: 'announcementPlayed', prompt: PROMPT, mode: 'answer', playedMs: 4_000, totalMs: 4_000 },
    ...{ heardToEnd: 'yes', endCause: 'played' },
  },
  {
    ...{ type: 'announcementHeard', prompt: PROMPT, streamId: '0', fromSample: 48_000, heardSamples: 192_000 },
    ...{ share: 1, confidence: 0.97, verdict: 'heardInFull', atSample: 240_000 },
  },
  { type: 'answered', answer: 'yes', by: 'dtmf', streamId: '0', atSample: 264_000 },
  { type: 'decided', state: 'agreed', because: [0, 3] },
]

/** Withdrawn after the recording was over. */
export const WITHDRAWN: readonly ConsentEventBody[] = [
  { type: 'withdrawn', by: 'api', participantId: 'srfBElmCRp2QB23b7Mpk0w==' },
  { type: 'decided', state: 'withdrawn', because: [6] },
]

export interface SampleConsent {
  readonly entries: readonly ConsentEventEntry[]
  readonly objects: ReadonlyMap<string, Uint8Array>
}

/** Signs events one behind the other, a second apart; those with `manifestSha256` after that manifest. */
export async function sampleConsent(
  bodies: readonly ConsentEventBody[],
  options: {
    readonly recordingId: string
    readonly signer: SigningKey
    readonly before?: readonly ConsentEventEntry[]
    readonly manifestSha256?: string
    readonly atUnixMs?: number
  },
): Promise<SampleConsent> {
  const { recordingId, signer, before = [], manifestSha256, atUnixMs = Date.parse('2025-11-23T09:00:01.000Z') } = options
  const entries: ConsentEventEntry[] = []
  const objects = new Map<string, Uint8Array>()
  let previous = before.at(-1)
  for (const [index, body] of bodies.entries()) {
    const number = before.length + index
    const at = new Date(atUnixMs + index * 1_000).toISOString()
    const links = {
      ...(previous === undefined ? {} : { previousSha256: previous.sha256 }),
      ...(manifestSha256 === undefined ? {} : { manifestSha256 }),
    }
    const place = { recordingId, number, at, clock: { status: 'unknown' }, ...links } as const
    const bytes = new TextEncoder().encode(await signConsentEvent(body, place, signer))
    previous = entryOf({ ...body, number, at }, bytes)
    entries.push(previous)
    objects.set(previous.name, bytes)
  }
  return { entries, objects }
}

function entryOf(
  { number, type, at, atSample }: Pick<ConsentEvent, 'number' | 'type' | 'at' | 'atSample'>,
  bytes: Uint8Array,
): ConsentEventEntry {
  const where = atSample === undefined ? {} : { atSample }
  return { name: consentName(number), sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length, number, type, at, ...where }
}
