import type { FindingList } from './findings.ts'
import type { PacketCounts, StreamEntry } from './manifest.ts'

/** Most that audio is placed earlier than it arrived: 200 ms. FORMAT.md 5 */
const ALIGNED_SAMPLES_MAX = 9_600
/** Fractions of an octet. RFC 3611 4.7.1 */
const FRACTION_MAX = 255

/**
 * Checks that what is said of sources and of reports can be. FORMAT.md 5
 *
 * That a sender counts more or less than what came is no finding: the network may lose and double, and counts of senders are not always right (RFC 3550 6.4.1).
 */
export function checkReports(stream: StreamEntry, findings: FindingList): void {
  const { streamId, packets, sources } = stream
  if (sources !== undefined && sources.dropped > packets.discarded) {
    const sentence = `More packets of media stream ${streamId} are said to be from elsewhere than were discarded.`
    findings.add('ledger-wrong', sentence, streamId)
  }
  checkSender(stream, findings)
  checkReception(stream, findings)
}

function checkSender({ streamId, packets, rtcp }: StreamEntry, findings: FindingList): void {
  if (rtcp === undefined) return
  const { senderReports, packetsSent, packetsArrived, octetsSent, octetsArrived, alignedSamples } = rtcp
  const isCounted = packetsSent !== undefined && packetsArrived !== undefined
  const isPaired = (packetsSent === undefined) === (packetsArrived === undefined)
  const areOctetsPaired = (octetsSent === undefined) === (octetsArrived === undefined)
  const areOctetsCounted = octetsSent === undefined || isCounted
  if (isCounted !== senderReports > 0 || !isPaired || !areOctetsPaired || !areOctetsCounted) {
    const sentence = `What the sender of media stream ${streamId} counted does not go with how often it reported.`
    findings.add('ledger-wrong', sentence, streamId)
  }
  if ((packetsArrived ?? 0) > arrivalsOf(packets) || (packetsArrived === 0 && (octetsArrived ?? 0) > 0)) {
    const sentence = `More packets of media stream ${streamId} are said to have arrived than are accounted for.`
    findings.add('ledger-wrong', sentence, streamId)
  }
  if (alignedSamples > ALIGNED_SAMPLES_MAX || (alignedSamples > 0 && senderReports < 2)) {
    const sentence = `Media stream ${streamId} is said to be moved further than the reports of its sender allow.`
    findings.add('ledger-wrong', sentence, streamId)
  }
  if (rtcp.alignedBy === 'arrival' && alignedSamples > 0) {
    const sentence = `Media stream ${streamId} is said to be placed by its arrival, and moved by reports.`
    findings.add('ledger-wrong', sentence, streamId)
  }
}

/** What the recorder told the sender is of packets that the ledger has too. RFC 3550 A.3, RFC 3611 4.7 */
function checkReception({ streamId, packets, sources, reception }: StreamEntry, findings: FindingList): void {
  if (reception === undefined) return
  const { lossRate, discardRate, burstDensity, gapDensity } = reception
  const fractions = [lossRate + discardRate, burstDensity, gapDensity]
  // The last run of numbers is one of those that the ledger sums up; only where packets were dropped for other reasons may their numbers reach beyond it.
  const { expected, discarded, paused = 0 } = packets
  const isOverstated = expected !== undefined && reception.packetsExpected > expected
  const isAllRecorded = discarded === paused + (sources?.dropped ?? 0)
  const hasTooMany = reception.packetsReceived > arrivalsOf(packets) || (isOverstated && isAllRecorded)
  if (hasTooMany || fractions.some((fraction) => fraction > FRACTION_MAX + 1)) {
    const sentence = `What was reported to the sender of media stream ${streamId} does not go with what came.`
    findings.add('ledger-wrong', sentence, streamId)
  }
}

/** Every datagram that came on the port of a stream, whatever became of it. */
function arrivalsOf({ received, late, duplicate, discarded }: PacketCounts): number {
  return received + late + duplicate + discarded
}
