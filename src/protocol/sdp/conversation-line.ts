import { isListening, judgeLine } from './answer.ts'
import type { CryptoAttribute } from './crypto-attribute.ts'
import { canonicalAddress } from './ip-address.ts'
import type { MediaCodec, MediaDescription, SessionDescription } from './session-description.ts'

const PORT_MAX = 65_535

/** The m-line of an offer on which we speak and listen. */
export interface ConversationLine<Codec extends string> {
  /** Its place in the offer. */
  readonly index: number
  readonly codec: Codec
  readonly payloadType: number
  /** Of telephone-event, when it is offered at a clock of its own or the codec's. RFC 4733 2.5.1.1 */
  readonly events: MediaCodec | undefined
  /** The offered keys that are taken; undefined for RTP in clear. */
  readonly crypto: CryptoAttribute | undefined
  /** In one spelling; undefined while the line is on hold without one. */
  readonly address: string | undefined
  readonly port: number
  readonly rtcpPort: number
  /** RTP and RTCP share a port. RFC 5761 */
  readonly isMuxed: boolean
  /** The other side wants to hear us now. */
  readonly isListening: boolean
}

/**
 * The first audio line with a codec of ours, in the order of the offer; undefined when there is none. A line on hold counts, one that is refused does
 * not; nor does one whose address is a name, which is looked up by nobody here, or no address of one host; nor one with no port for its RTCP.
 *
 * @param known codecs that can be spoken, by their names in upper case
 * @see RFC 3264 6.1
 */
export function conversationLine<Codec extends string>(
  offer: SessionDescription,
  known: ReadonlySet<Codec>,
): ConversationLine<Codec> | undefined {
  for (const media of offer.media) {
    const line = lineOf(media, known)
    if (line !== undefined) return line
  }
  return undefined
}

function lineOf<Codec extends string>(
  media: MediaDescription,
  known: ReadonlySet<Codec>,
): ConversationLine<Codec> | undefined {
  const judged = judgeLine(media)
  const address = canonicalAddress(media.connectionAddress ?? '')
  const wantsToHear = isListening(media)
  if (!judged.ok || media.port === 0 || (address === undefined && wantsToHear)) return undefined
  const rtcpPort = media.rtcpMux ? media.port : (media.rtcpPort ?? media.port + 1)
  if (rtcpPort > PORT_MAX) return undefined
  const codec = media.codecs.find(({ name, clockRate }) => isKnown(name, known) && clockRate === clockOf(name))
  if (codec === undefined || !isKnown(codec.name, known)) return undefined
  const events = media.codecs.filter(({ name }) => name === 'TELEPHONE-EVENT')
  return {
    index: media.index,
    codec: codec.name,
    payloadType: codec.payloadType,
    events: events.find(({ clockRate }) => clockRate === codec.clockRate) ?? events[0],
    crypto: judged.value.crypto,
    address,
    port: media.port,
    rtcpPort,
    isMuxed: media.rtcpMux,
    isListening: wantsToHear,
  }
}

function isKnown<Codec extends string>(name: string, known: ReadonlySet<Codec>): name is Codec {
  return (known as ReadonlySet<string>).has(name)
}

function clockOf(name: string): number {
  return name === 'OPUS' ? 48_000 : 8_000
}
