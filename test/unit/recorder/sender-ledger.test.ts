import { describe, expect, it } from 'vitest'

import { ReceptionReport } from '../../../src/protocol/rtp/reception-report.ts'
import type { SenderReport } from '../../../src/protocol/rtp/rtcp.ts'
import { LATE_JOIN_PACKETS, REPORT_SETTLE_US, SenderLedger } from '../../../src/recorder/sender-ledger.ts'

function reportOf(ssrc: number, packetCount: number, rtpTimestamp = 0): SenderReport {
  return {
    type: 'senderReport',
    ssrc,
    ntpAtUnixMs: 0,
    ntpMiddle: 1,
    rtpTimestamp,
    packetCount,
    octetCount: 0,
    reports: [],
  }
}

/** Receives packets `from` up to `to`, all but those that are lost. */
function receive(reception: ReceptionReport, from: number, to: number, lost: readonly number[] = []): void {
  for (let number = from; number < to; number++) if (!lost.includes(number)) reception.noteArrival(number & 0xffff)
}

describe('SenderLedger', () => {
  it('sets what the sender counts beside what came', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    expect(ledger.tally).toBeUndefined()
    receive(reception, 0, 250, [7, 8])
    ledger.noteReport(reportOf(1, 250), reception, 0)
    receive(reception, 250, 500, [300])
    ledger.noteReport(reportOf(1, 500), reception, 5_000_000)
    expect(ledger.tally).toEqual({ senderReports: 2, sent: 500, received: 497 })
  })

  it('counts a duplicate once', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 10)
    reception.noteArrival(9)
    reception.noteDuplicate()
    ledger.noteReport(reportOf(1, 10), reception, 0)
    expect(ledger.tally).toMatchObject({ sent: 10, received: 10 })
  })

  it('counts packets that the report has overtaken, and none that was spoken after it', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 8)
    ledger.noteReport(reportOf(1, 10, 0xffff_ff00), reception, 1_000_000)
    ledger.noteArrival(0xffff_fe00, 160, 1_000_100)
    ledger.noteArrival(0xffff_fe60, 160, 1_000_200)
    ledger.noteArrival(0xffff_fea0, 160, 1_000_300)
    ledger.noteArrival(0x10, 160, 1_000_300)
    ledger.noteArrival(0xffff_fe00, 160, 1_000_000 + REPORT_SETTLE_US)
    expect(ledger.tally).toMatchObject({ sent: 10, received: 10 })
  })

  it('compares only from the first report on when the sender had begun before the fork', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 100)
    ledger.noteReport(reportOf(1, 100 + LATE_JOIN_PACKETS + 1), reception, 0)
    receive(reception, 100, 200, [150])
    ledger.noteReport(reportOf(1, 200 + LATE_JOIN_PACKETS + 1), reception, 5_000_000)
    expect(ledger.tally).toEqual({ senderReports: 2, sent: 100, received: 99 })
  })

  it('sums up the SSRCs of the stream', () => {
    const ledger = new SenderLedger()
    for (const ssrc of [1, 2]) {
      const reception = new ReceptionReport(ssrc, 8_000)
      receive(reception, 0, 40, [ssrc])
      ledger.noteReport(reportOf(ssrc, 40), reception, 0)
    }
    expect(ledger.tally).toEqual({ senderReports: 2, sent: 80, received: 78 })
  })

  it('follows the count over its wrap', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 10)
    ledger.noteReport(reportOf(1, 0xffff_fff0), reception, 0)
    receive(reception, 10, 42)
    ledger.noteReport(reportOf(1, 0x10), reception, 5_000_000)
    expect(ledger.tally).toMatchObject({ sent: 32, received: 32 })
  })

  it('begins again when the sender does', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 1_000)
    ledger.noteReport(reportOf(1, 1_000), reception, 0)
    receive(reception, 1_000, 1_050)
    ledger.noteReport(reportOf(1, 20), reception, 5_000_000)
    receive(reception, 1_050, 1_100, [1_060])
    ledger.noteReport(reportOf(1, 70), reception, 10_000_000)
    expect(ledger.tally).toEqual({ senderReports: 3, sent: 1_050, received: 1_049 })
  })
})
