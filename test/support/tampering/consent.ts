import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import type { ConsentEventEntry } from '../../../src/evidence/manifest.ts'
import type { SigningKey } from '../../../src/evidence/signer-keys.ts'
import { signer } from '../../unit/server/ledger/ledger-rig.ts'
import { AGREED, sampleConsent } from '../../vectors/evidence/sample-consent.ts'
import { RECORDING_ID, sha256 } from '../../vectors/evidence/sample-recording.ts'
import { copy, LATE, manifestOf, remove, sign, stranger, swap, type TamperedRecording } from './recording.ts'

const yes: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'dtmf' }

function flipPayload({ folder }: TamperedRecording, name: string, from: string, to: string): void {
  const [header, payload = '', signature] = readFileSync(join(folder, name), 'latin1').split('.')
  const changed = Buffer.from(payload, 'base64url').toString().replace(from, to)
  writeFileSync(join(folder, name), [header, Buffer.from(changed).toString('base64url'), signature].join('.'))
}

async function write(
  { folder }: TamperedRecording,
  bodies: readonly ConsentEventBody[],
  options: {
    readonly before?: readonly ConsentEventEntry[]
    readonly key?: SigningKey
    readonly recordingId?: string
    readonly manifestSha256?: string
  },
): Promise<readonly ConsentEventEntry[]> {
  const { key = signer.signingKey, recordingId = RECORDING_ID, ...rest } = options
  const { entries, objects } = await sampleConsent(bodies, { ...rest, recordingId, signer: key })
  for (const [name, bytes] of objects) writeFileSync(join(folder, name), bytes)
  return entries
}

const manifestSha256 = ({ folder }: TamperedRecording): string => sha256(readFileSync(join(folder, 'manifest.jws')))

/** The two that came after the manifest are taken away. */
function forgetLate({ folder }: TamperedRecording): void {
  for (const number of LATE.keys()) rmSync(join(folder, `consent-00${AGREED.length + number}.jws`))
}

/** An event after the manifest, in the place of those that were there. */
async function sayLate(node: TamperedRecording, body: ConsentEventBody, key?: SigningKey): Promise<void> {
  forgetLate(node)
  const before = manifestOf(node).consentEvents
  await write(node, [body], { before, manifestSha256: manifestSha256(node), ...(key === undefined ? {} : { key }) })
}

export const CONSENT_TAMPERINGS: readonly (readonly [
  what: string,
  expected: readonly string[],
  tamper: (node: TamperedRecording) => Promise<void> | void,
])[] = [
  ['an answer becomes another', ['consent-forged'], (node) => flipPayload(node, 'consent-003.jws', '"yes"', '"no"')],
  ['an event is taken out', ['consent-missing'], (node) => remove(node, 'consent-001.jws')],
  ['two events change places', ['consent-swapped'], (node) => swap(node, 'consent-001.jws', 'consent-002.jws')],
  ['an event is repeated at the end', ['consent-added'], (node) => copy(node, 'consent-003.jws', 'consent-007.jws')],
  [
    'the events of another recording, with the key',
    ['consent-foreign', 'manifest-not-in-log'],
    async (node) => {
      const entries = await write(node, AGREED, { recordingId: '019aaff1-0680-7abc-8def-0123456789ff' })
      await sign(node, () => ({ consentEvents: entries }))
    },
  ],
  [
    'a consent is made up by a stranger',
    ['consent-unknown-signer'],
    async (node) => sayLate(node, yes, await stranger()),
  ],
  [
    '… in the name of the recorder',
    ['consent-forged'],
    async (node) => sayLate(node, yes, { ...(await stranger()), keyId: signer.verifyKey.keyId }),
  ],
  ['… with the key of the recorder', ['consent-not-in-log'], (node) => sayLate(node, yes)],
  ['a withdrawal after the call is taken away', ['consent-not-stored'], forgetLate],
  [
    '… and its decision left',
    ['consent-missing', 'consent-unsupported', 'consent-not-stored'],
    (node) => remove(node, 'consent-005.jws'),
  ],
  [
    'a withdrawal after another manifest',
    ['consent-foreign', 'consent-not-stored'],
    async (node) => {
      forgetLate(node)
      await write(node, LATE, { before: manifestOf(node).consentEvents, manifestSha256: '0'.repeat(64) })
    },
  ],
  [
    'the answer is left out, with the key',
    ['consent-order-wrong', 'consent-unsupported', 'consent-not-stored', 'manifest-not-in-log'],
    async (node) => {
      remove(node, 'consent-003.jws')
      await sign(node, ({ consentEvents }) => ({ consentEvents: consentEvents.filter(({ number }) => number !== 3) }))
    },
  ],
  [
    'an agreement is decided on a spoken yes, with the key',
    ['consent-unsupported', 'consent-not-in-log', 'manifest-not-in-log'],
    async (node) => {
      const spoken: ConsentEventBody = { type: 'answered', answer: 'yes', by: 'speech' }
      const entries = await write(node, [spoken, { type: 'decided', state: 'agreed', because: [0] }], {})
      await sign(node, () => ({ consentEvents: entries }))
    },
  ],
  [
    'the manifest says another place of an answer, with the key',
    ['consent-mismatch', 'manifest-not-in-log'],
    (node) =>
      sign(node, ({ consentEvents }) => ({
        consentEvents: consentEvents.map((entry) => (entry.number === 3 ? { ...entry, atSample: 0 } : entry)),
      })),
  ],
]
