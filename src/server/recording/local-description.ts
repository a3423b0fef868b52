import { buildAnswer } from '../../protocol/sdp/answer.ts'
import { acceptCrypto } from '../../protocol/sdp/crypto-attribute.ts'
import { buildOffer, type OfferLine } from '../../protocol/sdp/offer.ts'
import { parseSdp } from '../../protocol/sdp/parse.ts'
import type { MediaDescription } from '../../protocol/sdp/session-description.ts'
import type { StreamId } from '../../ids.ts'
import type { DelayedOffer } from '../../recorder/delayed-offer.ts'
import { answerLines, type RecordingRequest } from '../../recorder/recording-request.ts'
import type { MediaStreamPlan } from '../../recorder/recording-types.ts'
import type { LiveRecording } from './live-recording.ts'

/** The m-lines of a dialog as they were described last, by either side. */
export interface DescribedMedia {
  readonly media: readonly MediaDescription[]
  readonly plans: readonly MediaStreamPlan[]
  /** Our port for each media stream, those of lines that are refused now included. */
  readonly ports: ReadonlyMap<StreamId, number>
}

/** Our next answer in the dialog; `ports` are those of the request's plans, in order. RFC 3264 6, 8 */
export function sdpAnswer(
  recording: LiveRecording,
  request: RecordingRequest,
  ports: readonly number[],
  address: string,
): Uint8Array {
  noteMedia(recording, { media: request.offer.media, plans: request.plans, ports })
  recording.sdpVersion += 1
  const lines = answerLines(request, ports, (index, offered) => recording.answerKeys.masterKeyFor(index, offered))
  return buildAnswer({
    offer: request.offer,
    lines: recording.pausedBy.size === 0 ? lines : lines.map((line) => pausedLine(recording, line)),
    address,
    sessionId: recording.sdpSessionId,
    sessionVersion: recording.sdpVersion,
  })
}

/** Our offer to an INVITE that had none. RFC 3264 5 */
export function sdpFirstOffer(
  recording: LiveRecording,
  { plans }: DelayedOffer,
  ports: readonly number[],
  address: string,
): Uint8Array {
  const sdp = offerOf(
    recording,
    address,
    plans.map(({ line }, index): OfferLine => {
      return { port: ports[index] ?? 0, label: line.label, direction: 'recvonly' }
    }),
  )
  const parsed = parseSdp(sdp)
  if (!parsed.ok) throw new Error('an offer of ours cannot be read')
  noteMedia(recording, { media: parsed.value.media, plans, ports })
  return sdp
}

/**
 * The description of the dialog as an offer again: the same lines, ports and labels, all our codecs, and audio wanted on every line that has
 * a media stream, unless the SRC is to be told of a pause. RFC 3261 14.2, RFC 3264 8. Undefined before there was a first one.
 */
export function sdpOfferAgain(recording: LiveRecording, address: string): Uint8Array | undefined {
  const { described } = recording
  if (described === undefined) return undefined
  const direction = isPauseTold(recording) ? 'inactive' : 'recvonly'
  const keysOf = new Map(described.plans.map(({ streamId, keys }) => [streamId as string, keys]))
  const ports = new Map<string, number>(described.ports)
  return offerOf(
    recording,
    address,
    described.media.map((line, index): OfferLine => {
      const port = line.type === 'audio' ? ports.get(String(index)) : undefined
      if (port === undefined) return { refused: line }
      const [offered] = keysOf.get(String(index)) === undefined ? [] : line.crypto.usable
      const protocol = line.protocol === '' ? {} : { protocol: line.protocol }
      return {
        port,
        label: line.label,
        direction,
        ...protocol,
        agreed: line.codecs,
        ...(offered === undefined
          ? {}
          : { crypto: acceptCrypto(offered, recording.answerKeys.masterKeyFor(index, offered)) }),
      }
    }),
  )
}

/** Takes over what was agreed; ports of streams that are refused now are remembered. */
export function noteMedia(
  recording: LiveRecording,
  agreed: Pick<DescribedMedia, 'media' | 'plans'> & { readonly ports: readonly number[] },
): void {
  const ports = agreed.plans.map(({ streamId }, index) => [streamId, agreed.ports[index] ?? 0] as const)
  recording.described = {
    media: agreed.media,
    plans: agreed.plans,
    ports: new Map([...(recording.described?.ports ?? []), ...ports]),
  }
}

/**
 * Media streams that carry a voice, or may come to. A line that the SRC refuses, as it may one of an offer of ours that nobody needs, carries none, unless something came on it:
 * that is recorded all the same. RFC 3264 6
 */
export function streamsOfVoices({
  described,
  receivedOn,
}: Pick<LiveRecording, 'described' | 'receivedOn'>): readonly StreamId[] {
  if (described === undefined) return [...receivedOn]
  const { plans, media } = described
  const open = plans.filter(({ line }) => (media[line.index]?.port ?? 0) !== 0)
  return [...new Set([...open.map(({ streamId }) => streamId), ...receivedOn])]
}

/** An operator, or the rule about consent, has paused the recording, and the SRC takes it when it is told. */
function isPauseTold(recording: LiveRecording): boolean {
  return recording.tellPause && (recording.pausedBy.has('api') || recording.pausedBy.has('consent'))
}

function pausedLine(
  recording: LiveRecording,
  line: ReturnType<typeof answerLines>[number],
): ReturnType<typeof answerLines>[number] {
  const direction = isPauseTold(recording) ? 'inactive' : line.direction
  return { ...line, direction, record: 'paused' }
}

function offerOf(recording: LiveRecording, address: string, lines: readonly OfferLine[]): Uint8Array {
  recording.sdpVersion += 1
  const { sdpSessionId: sessionId, sdpVersion: sessionVersion } = recording
  return buildOffer({ lines, address, sessionId, sessionVersion })
}
