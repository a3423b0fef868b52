import { describe, expect, it } from 'vitest'
import { NO_IMPAIRMENT } from '../../../../src/cli/simulate/impairment.ts'
import type { SimulateOptions } from '../../../../src/cli/simulate/options.ts'
import { percentile, summarize } from '../../../../src/cli/simulate/outcome.ts'
import type { RecordingSessionOutcome } from '../../../../src/cli/simulate/outcome.ts'
import { progressBar, progressLine } from '../../../../src/cli/simulate/progress-display.ts'
import { reportLines } from '../../../../src/cli/simulate/report-lines.ts'

const STREAM = { streamLabel: '1', ssrc: 1, sent: 500, lost: 20, duplicated: 5, reordered: 10 }
const RUN = { seed: 99, to: 'sip:192.0.2.1:5060', latestPacketMs: 4.2, elapsedMs: 10_000 }
const OPTIONS: SimulateOptions = {
  target: { transport: 'udp', host: '192.0.2.1', port: 5060 },
  recordingSessions: 3,
  perSecond: 10,
  durationMs: 10_000,
  codec: 'PCMU',
  seed: 99,
  impairment: { ...NO_IMPAIRMENT, lossFraction: 0.04 },
  driftPpm: 0,
  hold: undefined,
  srtp: undefined,
  renewsKeys: false,
  sendBye: true,
  sendRtp: true,
  audioFiles: [],
}

function outcome(change: Partial<RecordingSessionOutcome>): RecordingSessionOutcome {
  return {
    sequence: 0,
    sipCallId: 'x',
    result: 'completed',
    reason: undefined,
    inviteResponseMs: 10,
    streams: [STREAM],
    ...change,
  }
}

describe('the summary of a run', () => {
  const refused = outcome({ result: 'failed', reason: '503', inviteResponseMs: undefined, streams: [] })
  const report = summarize([outcome({}), outcome({ inviteResponseMs: 30 }), refused, refused], RUN)

  it('counts recording sessions by how they went, and failures by reason', () => {
    expect(report).toMatchObject({
      placed: 4,
      answered: 2,
      completed: 2,
      cancelled: 0,
      failed: 2,
      failures: { 503: 2 },
    })
  })

  it('adds up the packets of all media streams', () => {
    expect(report.packets).toEqual({ sent: 1_000, lost: 40, duplicated: 10, reordered: 20 })
  })

  it('tells how long the recorder took to answer', () => {
    expect(report.inviteResponseMs).toEqual({ p50: 10, p99: 30, max: 30 })
    expect(summarize([refused], RUN).inviteResponseMs).toBeUndefined()
  })

  it('is a table that names the seed, the failures and what was lost on purpose', () => {
    const text = reportLines(report, OPTIONS).join('\n')
    expect(text).toMatch(/refused with 503 +2/)
    expect(text).toMatch(/seed +99/)
    expect(text).toMatch(/lost on purpose +40/)
    expect(text).not.toMatch(/out of order/)
  })
})

describe('percentiles', () => {
  it('are the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1)
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1), percentile([7], 0.5)]).toEqual([
      50, 99, 100, 7,
    ])
  })
})

describe('the progress line', () => {
  it('tells how many were placed, go on and failed', () => {
    expect(progressLine({ placed: 5, answered: 4, ended: 2, failed: 1 }, 10, 0.256)).toBe(
      ' 25 % · 5 of 10 placed · 3 going on · 1 failed',
    )
    expect(progressLine({ placed: 1, answered: 1, ended: 0, failed: 0 }, 1, 1)).toBe(
      '100 % · 1 of 1 placed · 1 going on',
    )
  })

  it('has a bar of constant length', () => {
    expect(new Set([0, 0.3, 0.5, 1].map((share) => progressBar(share).length)).size).toBe(1)
  })
})
