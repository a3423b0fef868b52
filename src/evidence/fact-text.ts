import type { HeldOutcomeName } from './held-entry.ts'
import type { ManifestBody, StreamEntry } from './manifest.ts'
import type { SourceKindName } from './manifest-shape.ts'
import type { PauseEntry, ReceptionFacts, RtcpFacts, SourceFacts } from './stream-facts.ts'
import { duration, plural, printable } from './words.ts'

/** Pauses of a recording, and times on hold of a media stream, that are written out; the rest is counted. */
export const INTERVALS_MAX = 50

const SOURCE_WORDS: Readonly<Record<SourceKindName, string>> = {
  sdp: 'the address in its SDP',
  signalling: 'the address that it signals from',
  authentic: 'an address proved by SRTP',
  latched: 'an address known by its packets alone',
}

/** What its sender, the recorder and others on the way say of a media stream: whole sentences, none of them a name or a number of the call. */
export function streamSentences({ rtcp, sources, reception }: StreamEntry): readonly string[] {
  return [
    ...(rtcp === undefined ? [] : senderSentences(rtcp)),
    ...(reception === undefined ? [] : receptionSentences(reception)),
    ...(sources === undefined ? [] : sourceSentences(sources)),
  ]
}

function senderSentences(rtcp: RtcpFacts): readonly string[] {
  const { packetsSent, packetsArrived = 0, octetsSent, octetsArrived = 0, alignedSamples, alignedBy } = rtcp
  const sentences: string[] = []
  if (packetsSent !== undefined) {
    sentences.push(`By its sender's own count ${packetsArrived} of ${plural(packetsSent, 'packet')} arrived.`)
  }
  if (octetsSent !== undefined && octetsSent !== octetsArrived) {
    sentences.push(`Its sender counts ${plural(octetsSent, 'octet')} of payload, and ${octetsArrived} came of them.`)
  }
  if (alignedSamples > 0) {
    sentences.push(`It stands ${duration(alignedSamples)} earlier than it arrived, as its sender's reports say.`)
  } else if (alignedBy === 'reports') {
    sentences.push('It stands where it arrived, and the reports of its sender agree.')
  } else if (alignedBy === 'arrival') sentences.push('It stands where it arrived.')
  if (rtcp.disagreements > 0) {
    sentences.push(`Of its sender's reports ${rtcp.disagreements} did not agree on the time with the one before.`)
  }
  if (rtcp.refusals > 0) {
    sentences.push(`Reports told of times too far apart to align it by them: ${plural(rtcp.refusals, 'time')}.`)
  }
  if (rtcp.discarded > 0)
    sentences.push(`${plural(rtcp.discarded, 'report')} that came for it ${wasNot(rtcp.discarded)}.`)
  return sentences
}

function wasNot(count: number): string {
  return `${count === 1 ? 'was' : 'were'} not believed`
}

function receptionSentences(reception: ReceptionFacts): readonly string[] {
  const { ssrcs, reportsSent, packetsExpected, packetsReceived, jitterUs, roundTripUs } = reception
  const { lossRate, discardRate, burstDensity, burstMs, gapDensity } = reception
  const missing = Math.max(0, packetsExpected - packetsReceived)
  const trip = roundTripUs === undefined ? '' : `, round trip ${milliseconds(roundTripUs)}`
  const of = ssrcs > 1 ? ` (the last of ${plural(ssrcs, 'source')})` : ''
  const bursts = burstMs > 0 ? `, in bursts ${percent(burstDensity)} for ${burstMs} ms each` : ''
  return [
    `The recorder heard it${of} with ${missing} of ${plural(packetsExpected, 'packet')} missing, jitter ${milliseconds(jitterUs)}${trip}: ` +
      `${percent(lossRate)} lost, ${percent(discardRate)} too late${bursts}, otherwise ${percent(gapDensity)}; ` +
      `it told the sender ${plural(reportsSent, 'time')}.`,
  ]
}

function sourceSentences({ kinds, dropped, moves }: SourceFacts): readonly string[] {
  const words = kinds.map((kind) => SOURCE_WORDS[kind])
  return [
    ...(words.length === 0 ? [] : [`Its packets came from ${words.join(', then ')}.`]),
    ...(moves === 0 ? [] : [`Another address took over ${plural(moves, 'time')}.`]),
    ...(dropped === 0
      ? []
      : [`${plural(dropped, 'packet')} from elsewhere ${dropped === 1 ? 'was' : 'were'} dropped.`]),
  ]
}

/** What is known of the media streams of a recording that its recorder did not come to describe. */
export function negotiatedSentences({ negotiatedStreams = [] }: ManifestBody): readonly string[] {
  const sentences = negotiatedStreams
    .slice(0, INTERVALS_MAX)
    .map(
      ({ streamId, streamLabel, channel }) =>
        `Media stream ${printable(streamId)} (label ${printable(streamLabel)}) was agreed on, for channel ${channel}; how much came on it is not known.`,
    )
  const more = negotiatedStreams.length - sentences.length
  return more > 0 ? [...sentences, `and ${plural(more, 'more media stream')}.`] : sentences
}

/** Each request for a pause, from when to when it held and who asked. */
export function pauseSentences({ pauses = [], unlistedPauses = 0 }: ManifestBody): readonly string[] {
  const sentences = pauses.slice(0, INTERVALS_MAX).map(pauseSentence)
  const more = pauses.length - sentences.length + unlistedPauses
  return more > 0 ? [...sentences, `and ${plural(more, 'more pause')}.`] : sentences
}

function pauseSentence({ by, via, streamId, from, fromSample, to, toSample }: PauseEntry): string {
  const what = streamId === undefined ? 'Paused' : `Media stream ${printable(streamId)} paused`
  const until = to === undefined || toSample === undefined ? 'the end' : `${duration(toSample)} (${to})`
  return `${what} from ${duration(fromSample)} (${from}) to ${until}: asked for by ${requester(by, via)}.`
}

function requester(by: PauseEntry['by'], via: PauseEntry['via']): string {
  if (by === 'api') return 'an operator'
  if (by === 'consent') return 'the rule about consent'
  if (via === undefined) return 'the recording client'
  return `the recording client, by ${via === 'SDP' ? 'its SDP' : `a header of ${via}`}`
}

/** From when to when the SDP said that nothing would be sent; undefined when it never did. */
export function holdSentence({ streamId, gaps }: StreamEntry): string | undefined {
  const held = gaps.filter(({ cause }) => cause === 'held')
  if (held.length === 0) return undefined
  const listed = held
    .slice(0, INTERVALS_MAX)
    .map(({ fromSample, toSample }) => `${duration(fromSample)} to ${duration(toSample)}`)
  const more = held.length - listed.length
  const rest = more > 0 ? `, and ${more} more` : ''
  return `Media stream ${printable(streamId)} on hold from ${listed.join(', from ')}${rest}.`
}

const OUTCOME_WORDS: Record<HeldOutcomeName, string> = {
  kept: 'it was kept',
  destroyed: 'its key was destroyed, and nobody can open it',
  pending: 'nobody had decided about it when this was signed',
}

/** What was held until consent, from when to when, and what became of it. */
export function heldSentences({ held = [] }: Pick<ManifestBody, 'held'>): readonly string[] {
  return held.map(({ fromSample, toSample, outcome, cause, decidedAt }) => {
    const when = decidedAt === undefined ? '' : `, decided at ${decidedAt}`
    const why = cause === undefined ? '' : ` (${printable(cause)})`
    return `Held until consent from ${duration(fromSample)} to ${duration(toSample)}: ${OUTCOME_WORDS[outcome]}${why}${when}.`
  })
}

function milliseconds(us: number): string {
  return `${(us / 1_000).toFixed(1)} ms`
}

/** Of 1/256. RFC 3611 4.7.1 */
function percent(fraction: number): string {
  return `${((fraction * 100) / 256).toFixed(1)} %`
}
