import type { StreamReceiver } from './stream-receiver.ts'

export const SRTP_FAILING = {
  code: 'srtp-failing',
  detail: 'The packets of a media stream are not authentic under the keys that were agreed on: its audio is lost.',
}

export const OPUS_UNDECODED = {
  code: 'opus-undecoded',
  detail: 'No decoder could be had for the Opus of a media stream: its packets are kept as they came.',
}

export const SENT_WHILE_HELD = {
  code: 'sent-while-held',
  detail:
    'The packets of a media stream went on although the SRC had said in its SDP that it would send none; they are not recorded.',
}

export const SOURCE_MOVED = {
  code: 'source-moved',
  detail:
    'The packets of a media stream came from another address from here on, which neither its SDP nor its SIP names.',
}

/**
 * What has to be said of the media streams when a recording ends: silence and dropped audio are never without a word.
 *
 * @param isOneWayNoted it has been said already, while it happened
 */
export function endIncidents(
  receivers: readonly StreamReceiver[],
  isOneWayNoted: boolean,
): readonly { readonly code: string; readonly detail: string }[] {
  const incidents: { readonly code: string; readonly detail: string }[] = []
  const silent = receivers.filter((receiver) => receiver.firstArrivalUs === undefined)
  const hasForeign = silent.some(({ counters }) => counters.packetsDiscarded.payloadType > 0)
  if (hasForeign) {
    const detail =
      'The packets of a media stream came with none of the payload types that were agreed on: its audio is lost.'
    incidents.push({ code: 'payload-types-foreign', detail })
  }
  if (silent.length === receivers.length && !hasForeign) {
    incidents.push({ code: 'no-media', detail: 'No RTP packet arrived on any media stream.' })
  } else if (silent.length < receivers.length && !isOneWayNoted && silent.some((receiver) => receiver.wasAwaited)) {
    incidents.push({ code: 'one-way', detail: 'At least one media stream stayed without a single RTP packet.' })
  }
  if (receivers.some((receiver) => receiver.takeSrtpFailing(true))) incidents.push(SRTP_FAILING)
  if (receivers.filter((receiver) => receiver.takeOpusUndecoded()).length > 0) incidents.push(OPUS_UNDECODED)
  const hasOverflow = receivers.some(
    ({ counters, timeline }) => counters.packetsDiscarded.overflow > 0 || timeline.ledger.overflowSamples > 0,
  )
  if (hasOverflow) incidents.push({ code: 'audio-overflow', detail: 'More audio arrived at once than could be kept.' })
  if (receivers.some((receiver) => receiver.hasSecondSource)) {
    const detail = 'Two sources sent to one media stream at once; one of them is recorded.'
    incidents.push({ code: 'second-source', detail })
  }
  if (receivers.some(({ sources }) => sources.isContested)) {
    const detail = 'Two addresses that nothing names sent to one media stream at once; the first of them is recorded.'
    incidents.push({ code: 'source-contested', detail })
  }
  return incidents
}
