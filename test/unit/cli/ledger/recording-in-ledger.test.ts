import { expect, test } from 'vitest'

import { withTestimonies } from '../../../../src/cli/ledger/recording-in-ledger.ts'
import type { LogTestimony } from '../../../../src/evidence/ledger/recording-in-log.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import { readerOf, RECORDING_ID, sampleRecording, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'

const REMOVED = { code: 'custody-removed' as const, sentence: 'It is gone.' }
const FACT = { sha256: 'aa', kind: 'holdAdded', at: '2026-11-29T10:00:00.000Z' } as const

/** Of a log that began after the recording, and says nothing of it. */
function testimony(change: Partial<LogTestimony> = {}): LogTestimony {
  return {
    ...{ logId: 'log', findings: [], hadBegun: false, hasGoneOn: false, openedSeq: undefined, closedSeq: undefined },
    ...{ coveredAt: undefined, statements: [], rotations: [], custodySaid: [], custodyUnsaid: [], ...change },
  }
}

/** What a log says that is not so. */
const WRONG = [
  'key-not-in-log',
  'manifest-not-in-log',
  'closed-twice',
  'statement-not-included',
  'consent-not-stored',
  'consent-log-order',
  'custody-removed',
] as const

test.each([
  ['beside the log that knows of its opening', [{ hadBegun: true, openedSeq: 0, closedSeq: 1 }]],
  ['where no log knows of its opening', []],
])('all that another log says and is not so is a finding, %s; what it does not say is none', async (_what, first) => {
  const recording = await sampleRecording({ chunks: [Buffer.from('OggS one')], snapshots: [] })
  const { verifyKey } = await vectorSigner()
  const objects = readerOf(recording.objects)
  const verdict = await verifyRecording({ recordingId: RECORDING_ID, objects, keys: [verifyKey] })
  const findings = WRONG.map((code) => ({ code, sentence: 'It is not so.' }))
  const silent = (['pause-not-in-log', 'consent-not-in-log'] as const).map((code) => ({ code, sentence: 'Silence.' }))
  const logs = [...first.map(testimony), testimony({ findings: [...findings, ...silent] }), testimony({ findings })]
  const told = withTestimonies(verdict, logs).verdict
  expect(told.findings.map(({ code }) => code)).toEqual([...WRONG, ...WRONG])
  expect(told.verified).toBe(false)
})

const unsaid = { ...FACT, signerKeyId: 'signer', name: 'custody-000.jws' }

test.each([
  ['a log that tells of its opening is', { hadBegun: true, openedSeq: 0, closedSeq: 1 }, []],
  ['a log that should know of it is', { hadBegun: true }, ['opened-not-in-log']],
  ['no log that knows of its opening is', undefined, []],
])('what was decided and is not as it was is told when %s at hand', async (_what, first, more) => {
  const recording = await sampleRecording({ chunks: [Buffer.from('OggS one')], snapshots: [] })
  const { verifyKey } = await vectorSigner()
  const objects = readerOf(recording.objects)
  const verdict = await verifyRecording({ recordingId: RECORDING_ID, objects, keys: [verifyKey] })
  expect(verdict.verified).toBe(true)
  const later = testimony({ findings: [REMOVED], custodyUnsaid: [unsaid] })
  const others = first === undefined ? [] : [testimony(first)]
  const told = withTestimonies(verdict, [...others, later]).verdict
  expect(told.findings.map(({ code }) => code)).toEqual([...more, 'custody-removed', 'custody-not-in-log'])
  expect(told.verified).toBe(false)
  // Without a decision there is nothing to tell.
  expect(withTestimonies(verdict, [...others, testimony()]).verdict.verified).toBe(more.length === 0)
})
