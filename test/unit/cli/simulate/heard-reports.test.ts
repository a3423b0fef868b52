import { describe, expect, it } from 'vitest'

import { HeardReports, sumHeard } from '../../../../src/cli/simulate/heard-reports.ts'
import { ntpMiddleOf } from '../../../../src/protocol/rtp/ntp.ts'
import type { ReportBlock } from '../../../../src/protocol/rtp/rtcp.ts'
import { serializeReceiverReport } from '../../../../src/protocol/rtp/rtcp-writer.ts'

const NOW_MS = 1_700_000_000_000

function report(change: Partial<ReportBlock>): Uint8Array {
  const block = { ssrc: 7, fractionLost: 0, cumulativeLost: 0, extendedHighestSequenceNumber: 100, jitter: 0 }
  const reports = [{ ...block, lastSenderReport: 0, delaySinceLastSenderReport: 0, ...change }]
  return serializeReceiverReport({ type: 'receiverReport', ssrc: 9, reports })
}

describe('HeardReports', () => {
  it('tells loss, jitter and round trip as the recorder has them', () => {
    const heard = new HeardReports(8_000)
    heard.note(report({ fractionLost: 0.5, cumulativeLost: 3, jitter: 400 }), 7, NOW_MS)
    const lastSenderReport = ntpMiddleOf(NOW_MS - 3_000)
    heard.note(
      report({ cumulativeLost: 4, jitter: 80, lastSenderReport, delaySinceLastSenderReport: 65_536 }),
      7,
      NOW_MS,
    )
    const facts = heard.facts
    expect(facts).toMatchObject({ reports: 2, unreadable: 0, cumulativeLost: 4, fractionLostMax: 0.5, jitterMs: 10 })
    expect(facts.roundTripMs).toBeCloseTo(2_000, 0)
  })

  it('passes over reports about others, and counts what cannot be read', () => {
    const heard = new HeardReports(8_000)
    heard.note(report({ ssrc: 8, cumulativeLost: 9 }), 7, NOW_MS)
    heard.note(undefined, 7, NOW_MS)
    heard.note(Uint8Array.of(1, 2, 3), 7, NOW_MS)
    expect(heard.facts).toMatchObject({ reports: 0, unreadable: 2, cumulativeLost: 0, roundTripMs: undefined })
  })

  it('takes no nonsense for a round trip', () => {
    const heard = new HeardReports(8_000)
    heard.note(report({ lastSenderReport: ntpMiddleOf(NOW_MS + 5_000) }), 7, NOW_MS)
    heard.note(report({ lastSenderReport: ntpMiddleOf(NOW_MS - 60_000) }), 7, NOW_MS)
    expect(heard.facts.roundTripMs).toBeUndefined()
  })

  it('is summed up over the streams that listened', () => {
    const heard = new HeardReports(8_000)
    heard.note(report({ cumulativeLost: 2, jitter: 160 }), 7, NOW_MS)
    expect(sumHeard([undefined])).toBeUndefined()
    expect(sumHeard([undefined, heard.facts, heard.facts])).toMatchObject({
      ...{ reports: 2, cumulativeLost: 4, jitterMsMax: 20, roundTripMsMax: undefined },
    })
  })
})
