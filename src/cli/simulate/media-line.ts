import { parseSdp } from '../../protocol/sdp/parse.ts'
import { monotonicUs } from '../../server/monotonic.ts'
import type { MediaPacer } from './media-pacer.ts'
import { OFFER_CODECS } from './offer.ts'
import type { SimulateOptions } from './options.ts'
import type { StreamOutcome } from './outcome.ts'
import { seededRandom } from './random.ts'
import { PACKET_TIME_US, RtpSource } from './rtp-source.ts'
import { goodbyeRtcp, reportRtcp } from './sender-report.ts'
import type { MediaDestination, StreamSocket } from './stream-socket.ts'

/** RFC 3550 6.2 recommends five seconds as the shortest interval. */
const RTCP_INTERVAL_MS = 5_000

export interface MediaLineOptions {
  readonly streamLabel: string
  /** Position of the m-line. */
  readonly index: number
  /** Number of the recording session in its run. */
  readonly sequence: number
  readonly socket: StreamSocket
  readonly encodedAudio: Uint8Array
  readonly options: SimulateOptions
}

/** One media stream of the SRC: its socket, its RTP and its RTCP. */
export class MediaLine {
  readonly streamLabel: string
  readonly #line: MediaLineOptions
  #source: RtpSource | undefined
  #reports: NodeJS.Timeout | undefined

  constructor(line: MediaLineOptions) {
    this.#line = line
    this.streamLabel = line.streamLabel
  }

  get port(): number {
    return this.#line.socket.port
  }

  get outcome(): StreamOutcome {
    const counts = this.#source?.counts ?? { sent: 0, lost: 0, duplicated: 0, reordered: 0 }
    return { streamLabel: this.streamLabel, ssrc: this.#source?.ssrc ?? 0, ...counts }
  }

  /** Sends for the whole duration; resolves when the last packet has left. */
  async play(destination: MediaDestination, startUs: number, pacer: MediaPacer): Promise<void> {
    const { options, socket, encodedAudio, sequence, index } = this.#line
    const source = new RtpSource({
      encodedAudio,
      payloadType: OFFER_CODECS[options.codec].payloadType,
      packetCount: Math.round((options.durationMs * 1_000) / PACKET_TIME_US),
      driftPpm: index % 2 === 0 ? options.driftPpm : -options.driftPpm,
      impairment: options.impairment,
      random: seededRandom(options.seed, `recording session ${sequence}, media stream ${index}`),
      startUs,
    })
    this.#source = source
    socket.aimAt(destination)
    this.#reports = setInterval(() => {
      socket.sendRtcp(reportRtcp(source.senderFacts(monotonicUs()), Date.now(), this.#cname))
    }, RTCP_INTERVAL_MS)
    await pacer.play(source, (datagram) => socket.sendRtp(datagram))
  }

  setHeld(held: boolean): void {
    this.#source?.setHeld(held)
  }

  stop(): void {
    this.#source?.stop()
  }

  /** Says goodbye by RTCP. RFC 3550 6.3.7 */
  finish(): void {
    clearInterval(this.#reports)
    if (this.#source === undefined || !this.#line.options.sendBye) return
    this.#line.socket.sendRtcp(goodbyeRtcp(this.#source.senderFacts(monotonicUs()), Date.now(), this.#cname))
  }

  close(): void {
    clearInterval(this.#reports)
    this.#line.socket.close()
  }

  get #cname(): string {
    return `src-${this.#line.sequence}@simulate.invalid`
  }
}

/** Where the media streams go, in the order of the offer; undefined for one that was refused, and for all when it is no answer. */
export function readAnswer(sdp: Uint8Array, lineCount: number): readonly (MediaDestination | undefined)[] | undefined {
  const answer = parseSdp(sdp)
  // RFC 3264 6: as many m-lines as the offer has, in its order.
  if (!answer.ok || answer.value.media.length !== lineCount) return undefined
  return answer.value.media.map(({ port, connectionAddress, rtcpPort, rtcpMux }) => {
    if (port === 0 || connectionAddress === undefined) return undefined
    return { address: connectionAddress, rtpPort: port, rtcpPort: rtcpPort ?? (rtcpMux ? port : port + 1) }
  })
}
