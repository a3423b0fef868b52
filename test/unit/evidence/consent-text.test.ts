import { expect, it } from 'vitest'

import type { ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import { consentEventWords } from '../../../src/evidence/consent-text.ts'
import { AGREED, WITHDRAWN } from '../../vectors/evidence/sample-consent.ts'

it.each([
  [
    AGREED[0],
    'rule us-fl (Florida Statutes 934.03, as of 2025-01-01) applies in US-FL, US: All parties must agree because +1 813 is Florida.',
  ],
  [AGREED[1], /^announcement "notice-en" 2026-01, en-US \(SHA-256 5f0c\S+\) was played before the call, to its end$/],
  [AGREED[2], /was heard in full on media stream 0: 100 % of it, confidence 97 %$/],
  [AGREED[3], '"yes" was answered by a key'],
  [AGREED[4], 'consent: agreed to, because of no. 0, no. 3'],
  [WITHDRAWN[0], 'consent was withdrawn to the operator (participant srfBElmCRp2QB23b7Mpk0w==)'],
  [{ type: 'answered', answer: 'yes', by: 'speech' }, '"yes" was answered by voice, not reviewed by a person'],
  [{ type: 'answered', answer: 'none', by: 'dtmf' }, 'nobody answered'],
  [{ type: 'reviewed', answer: 'no' }, 'a person listened to the answer and heard "no"'],
  [{ type: 'declared', by: 'header' }, 'the recording client declared something in its headers, which is no consent'],
  [{ type: 'enforced', action: 'discard' }, 'the recorder acted: discard'],
] as [ConsentEventBody, string | RegExp][])('says what happened in plain words (%#)', (event, words) => {
  const said = consentEventWords(event)
  if (typeof words === 'string') expect(said).toBe(words)
  else expect(said).toMatch(words)
})
