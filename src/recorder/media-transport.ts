import { canonicalAddress } from '../protocol/sdp/ip-address.ts'
import type { MediaDescription } from '../protocol/sdp/session-description.ts'

/** Where an m-line of the SRC says that it receives, and so most likely sends from. RFC 8866 5.7, RFC 3605, RFC 5761 */
export interface MediaTransport {
  /** A unicast IP address; undefined when the line names none: a host name, or the zeros of a hold. */
  readonly address: string | undefined
  readonly rtpPort: number
  /** 0 when there is none. */
  readonly rtcpPort: number
  readonly rtcpAddress: string | undefined
  /** RTCP shares the port of RTP, both ways. */
  readonly rtcpMux: boolean
}

/** What an m-line of the SRC says of it. */
export function mediaTransport(media: MediaDescription): MediaTransport {
  const address = canonicalAddress(media.connectionAddress ?? '')
  const nextPort = media.port === 0 ? 0 : media.port + 1
  return {
    address,
    rtpPort: media.port,
    rtcpPort: media.rtcpMux ? media.port : (media.rtcpPort ?? nextPort),
    rtcpAddress: canonicalAddress(media.rtcpAddress ?? '') ?? address,
    rtcpMux: media.rtcpMux,
  }
}
