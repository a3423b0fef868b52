import { describe, expect, it } from 'vitest'

import { ReceptionReport } from '../../../src/protocol/rtp/reception-report.ts'
import type { SenderReport } from '../../../src/protocol/rtp/rtcp.ts'
import {
  LATE_JOIN_PACKETS,
  REPORT_SETTLE_US,
  SenderLedger,
  type SenderTally,
} from '../../../src/recorder/sender-ledger.ts'

/** Of payload in each packet. */
const OCTETS = 160

function reportOf(ssrc: number, packetCount: number, rtpTimestamp = 0): SenderReport {
  return {
    type: 'senderReport',
    ssrc,
    ntpAtUnixMs: 0,
    ntpMiddle: 1,
    rtpTimestamp,
    packetCount,
    octetCount: (packetCount * OCTETS) % 2 ** 32,
    reports: [],
  }
}

/** Receives packets `from` up to `to`, all but those that are lost. */
function receive(reception: ReceptionReport, from: number, to: number, lost: readonly number[] = []): void {
  for (let number = from; number < to; number++) {
    if (!lost.includes(number)) reception.noteArrival(number & 0xffff, OCTETS)
  }
}

function tallyOf(senderReports: number, sent: number, received: number): SenderTally {
  return { senderReports, sent, received, octetsSent: sent * OCTETS, octetsReceived: received * OCTETS }
}

describe('SenderLedger', () => {
  it('does not let a sender that counts no octets spoil the count of packets', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 10)
    ledger.noteReport({ ...reportOf(1, 10), octetCount: 1_600 }, reception, 0)
    receive(reception, 10, 20)
    ledger.noteReport({ ...reportOf(1, 20), octetCount: 0 }, reception, 5_000_000)
    expect(ledger.tally).toEqual({ ...tallyOf(2, 20, 20), octetsSent: 1_600 })
  })

  it('sets what the sender counts beside what came', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    expect(ledger.tally).toBeUndefined()
    receive(reception, 0, 250, [7, 8])
    ledger.noteReport(reportOf(1, 250), reception, 0)
    receive(reception, 250, 500, [300])
    ledger.noteReport(reportOf(1, 500), reception, 5_000_000)
    expect(ledger.tally).toEqual(tallyOf(2, 500, 497))
  })

  it('counts a duplicate once', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 10)
    reception.noteArrival(9, OCTETS)
    reception.noteDuplicate(OCTETS)
    ledger.noteReport(reportOf(1, 10), reception, 0)
    expect(ledger.tally).toEqual(tallyOf(1, 10, 10))
  })

  it('counts packets that the report has overtaken, and none that was spoken after it', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 8)
    ledger.noteReport(reportOf(1, 10, 0xffff_ff00), reception, 1_000_000)
    ledger.noteArrival(0xffff_fe00, 160, 1_000_100, OCTETS)
    ledger.noteArrival(0xffff_fe60, 160, 1_000_200, OCTETS)
    ledger.noteArrival(0xffff_fea0, 160, 1_000_300)
    ledger.noteArrival(0x10, 160, 1_000_300)
    ledger.noteArrival(0xffff_fe00, 160, 1_000_000 + REPORT_SETTLE_US)
    expect(ledger.tally).toEqual(tallyOf(1, 10, 10))
  })

  it('compares only from the first report on when the sender had begun before the fork', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 100)
    ledger.noteReport(reportOf(1, 100 + LATE_JOIN_PACKETS + 1), reception, 0)
    receive(reception, 100, 200, [150])
    ledger.noteReport(reportOf(1, 200 + LATE_JOIN_PACKETS + 1), reception, 5_000_000)
    expect(ledger.tally).toEqual(tallyOf(2, 100, 99))
  })

  it('sums up the SSRCs of the stream', () => {
    const ledger = new SenderLedger()
    for (const ssrc of [1, 2]) {
      const reception = new ReceptionReport(ssrc, 8_000)
      receive(reception, 0, 40, [ssrc])
      ledger.noteReport(reportOf(ssrc, 40), reception, 0)
    }
    expect(ledger.tally).toEqual(tallyOf(2, 80, 78))
  })

  it('follows the count over its wrap', () => {
    const ledger = new SenderLedger()
    const reception = new ReceptionReport(1, 8_000)
    receive(reception, 0, 10)
    ledger.noteReport(reportOf(1, 0xffff_fff0), reception, 0)
    receive(reception, 10, 42)
    ledger.noteReport(reportOf(1, 0x10), reception, 5_000_000)
    expect(ledger.tally).toEqual(tallyOf(2, 32, 32))
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
    expect(ledger.tally).toEqual(tallyOf(3, 1_050, 1_049))
  })
})
