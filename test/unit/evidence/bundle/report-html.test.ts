import fc from 'fast-check'
import { expect, test } from 'vitest'

import { escapeHtml } from '../../../../src/evidence/bundle/html.ts'
import { reportHtml, REPORT_ROWS_MAX, type ReportedPerson } from '../../../../src/evidence/bundle/report-html.ts'
import type { ManifestBody } from '../../../../src/evidence/manifest.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import {
  readerOf,
  RECORDING_ID,
  sampleRecording,
  storeManifest,
  vectorSigner,
} from '../../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()

async function report(change: Partial<ManifestBody>, people?: readonly ReportedPerson[]): Promise<string> {
  const recording = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [Buffer.from('<recording/>')] })
  await storeManifest(recording.objects, { ...recording.body, ...change })
  const objects = readerOf(recording.objects)
  const verdict = await verifyRecording({ recordingId: RECORDING_ID, objects, keys: [verifyKey] })
  const software = { name: 'earwitness', version: '0.1.0' }
  return reportHtml({
    verdict,
    exportedAt: '2026-11-29T00:00:00.000Z',
    software,
    opened: false,
    people,
    ledger: undefined,
  })
}

/** Everything between `<` and `>`: what a browser would take for markup. */
function tagsOf(html: string): readonly string[] {
  return Array.from(html.matchAll(/<[^>]*>/g), ([tag]) => tag)
}

test('what strangers wrote is text, wherever it stands', async () => {
  const evil = '<script>alert(1)</script>"\'&\u202e<img src=x onerror=alert(1)>'
  const incidents = [{ code: evil, at: '2025-11-23T09:00:01.000Z', detail: evil }]
  const people = [{ participantId: evil, names: [evil, evil] }]
  const plain = await report(
    {
      incidents: [{ ...incidents[0], code: 'x', at: '2025-11-23T09:00:01.000Z', detail: 'x' }],
      src: 'x',
      tenant: 'x',
      endCause: 'x',
    },
    [{ participantId: 'x', names: ['x', 'x'] }],
  )
  const hostile = await report({ incidents, src: evil, tenant: evil, endCause: evil }, people)
  expect(tagsOf(hostile)).toEqual(tagsOf(plain))
  expect(hostile).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;')
  expect(hostile).not.toContain('\u202e')
})

test('escaped text holds nothing that ends a text or an attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(escapeHtml(text)).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/)
    }),
  )
})

test('participants are named only where somebody opened the metadata', async () => {
  expect(await report({})).toContain('which was not opened for this report')
  const html = await report({}, [{ participantId: '1', names: ['Alice (sip:alice@example.com)'] }])
  expect(html).toContain('Alice (sip:alice@example.com)')
  expect(html).not.toContain('which was not opened for this report')
})

test('lists are bounded, and what is left out is counted', async () => {
  const incident = { code: 'x', at: '2025-11-23T09:00:01.000Z', detail: 'detail of it' }
  const html = await report({ incidents: Array.from({ length: REPORT_ROWS_MAX + 7 }, () => incident) })
  expect(html.match(/detail of it/g)).toHaveLength(REPORT_ROWS_MAX)
  expect(html).toContain('And 7 more incidents')
})
