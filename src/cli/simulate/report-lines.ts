import { formatTable } from '../output.ts'
import type { SimulateOptions } from './options.ts'
import type { SimulationReport } from './outcome.ts'

const REASONS: ReadonlyMap<string, string> = new Map([
  ['noSocket', 'no free socket on this machine (see ulimit -n)'],
  ['timeout', 'no answer to the INVITE'],
  ['recorderBye', 'the recorder hung up first'],
  ['byeTimeout', 'no answer to the BYE'],
  ['connectionLost', 'the TCP connection was lost'],
  ['badAnswer', 'the answer was not an SDP answer to the offer'],
  ['streamRefused', 'a media stream was refused with port 0'],
  ['notProtected', 'a media stream offered as SRTP was not accepted as such'],
  ['reinviteRefused', 'a hold or its end was refused'],
])

/** The summary table of a run. */
export function reportLines(report: SimulationReport, options: SimulateOptions): readonly string[] {
  const { packets, inviteResponseMs } = report
  const rows: string[][] = [
    ['recorder', report.to],
    ['recording sessions placed', String(report.placed)],
    ['answered', String(report.answered)],
    ['completed', String(report.completed)],
  ]
  if (report.cancelled > 0) rows.push(['interrupted', String(report.cancelled)])
  rows.push(['failed', String(report.failed)])
  for (const [reason, count] of Object.entries(report.failures)) rows.push([`  ${explain(reason)}`, String(count)])
  if (inviteResponseMs !== undefined) {
    rows.push(['INVITE to 200, median', milliseconds(inviteResponseMs.p50)])
    rows.push(['INVITE to 200, 99th percentile', milliseconds(inviteResponseMs.p99)])
  }
  rows.push(['RTP packets sent', String(packets.sent)])
  const { impairment, driftPpm } = options
  if (impairment.lossFraction > 0) rows.push(['  lost on purpose', String(packets.lost)])
  if (impairment.duplicateFraction > 0) rows.push(['  of them second copies', String(packets.duplicated)])
  if (impairment.reorderFraction > 0) rows.push(['  of them out of order', String(packets.reordered)])
  rows.push(...heardRows(report))
  if (driftPpm !== 0) rows.push(['clock error, media streams 1 and 2', `${driftPpm} and ${-driftPpm} ppm`])
  if (packets.sent > 0) rows.push(['latest packet behind its time', milliseconds(report.latestPacketMs)])
  rows.push(['seed', String(report.seed)])
  return formatTable([{ title: '' }, { title: '', align: 'right' }], rows)
}

/** The other direction: what the recorder says of the media streams. */
function heardRows({ heard }: SimulationReport): readonly string[][] {
  if (heard === undefined) return []
  const { reports, unreadable, cumulativeLost, fractionLostMax, jitterMsMax, roundTripMsMax } = heard
  return [
    ['receiver reports of the recorder', String(reports)],
    ...(unreadable === 0 ? [] : [['  not readable', String(unreadable)]]),
    ...(reports === 0
      ? []
      : [
          ['  lost as it counts', String(cumulativeLost)],
          ['  greatest share between two reports', `${(fractionLostMax * 100).toFixed(1)} %`],
          ['  greatest jitter', milliseconds(jitterMsMax)],
        ]),
    ...(roundTripMsMax === undefined ? [] : [['  greatest round trip', milliseconds(roundTripMsMax)]]),
  ]
}

function explain(reason: string): string {
  return REASONS.get(reason) ?? `refused with ${reason}`
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
}
