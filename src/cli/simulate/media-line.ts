import { parseSdp } from '../../protocol/sdp/parse.ts'
import { monotonicUs } from '../../server/monotonic.ts'
import { HeardReports } from './heard-reports.ts'
import type { LineProtection } from './line-protection.ts'
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
  /** For SRTP and SRTCP; in clear without. */
  readonly protection: LineProtection | undefined
}

/** One media stream of the SRC: its socket, its RTP and its RTCP. */
export class MediaLine {
  readonly streamLabel: string
  readonly #line: MediaLineOptions
  #source: RtpSource | undefined
  #reports: NodeJS.Timeout | undefined
  readonly #heard: HeardReports | undefined
  readonly #farewell = Promise.withResolvers<undefined>()

  constructor(line: MediaLineOptions) {
    this.#line = line
    this.streamLabel = line.streamLabel
    const { receivesReports, codec } = line.options
    if (receivesReports === true) this.#heard = new HeardReports(OFFER_CODECS[codec].clockRate)
  }

  get port(): number {
    return this.#line.socket.port
  }

  get protection(): LineProtection | undefined {
    return this.#line.protection
  }

  get outcome(): StreamOutcome {
    const counts = this.#source?.counts ?? { sent: 0, lost: 0, duplicated: 0, reordered: 0 }
    const heard = this.#heard === undefined ? {} : { heard: this.#heard.facts }
    return { streamLabel: this.streamLabel, ssrc: this.#source?.ssrc ?? 0, ...counts, ...heard }
  }

  /** The recorder said goodbye, where that is listened for: its last report, of all that came, is with it. RFC 3550 6.6 */
  get farewell(): Promise<undefined> {
    return this.#farewell.promise
  }

  /** Sends for the whole duration; resolves when the last packet has left. */
  async play(destination: MediaDestination, startUs: number, pacer: MediaPacer): Promise<void> {
    const { options, socket, encodedAudio, sequence, index, protection } = this.#line
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
    socket.onRtcp((datagram) => {
      const clear = protection === undefined ? datagram : protection.unprotectRtcp(datagram, monotonicUs())
      this.#heard?.note(clear, source.ssrc, Date.now())
      if ((this.#heard?.facts.goodbyes ?? 0) > 0) this.#farewell.resolve(undefined)
    })
    this.#reports = setInterval(() => {
      this.#sendRtcp(reportRtcp(source.senderFacts(monotonicUs()), Date.now(), this.#cname))
    }, RTCP_INTERVAL_MS)
    await pacer.play(source, (packet) => socket.sendRtp(protection?.protectRtp(packet) ?? packet))
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
    this.#sendRtcp(goodbyeRtcp(this.#source.senderFacts(monotonicUs()), Date.now(), this.#cname))
  }

  close(): void {
    clearInterval(this.#reports)
    this.#line.socket.close()
  }

  #sendRtcp(packet: Uint8Array): void {
    const { socket, protection } = this.#line
    socket.sendRtcp(protection?.protectRtcp(packet) ?? packet)
  }

  get #cname(): string {
    return `src-${this.#line.sequence}@simulate.invalid`
  }
}

/** Why a media stream is not sent to where the answer says. */
export type LineRefusal = 'streamRefused' | 'notProtected'

/**
 * Where the media streams go, in the order of the offer, or why one goes nowhere; undefined when it is no answer.
 *
 * @param protections what each line was offered with: SRTP is not sent where the answer does not take it (RFC 4568 7.1.2)
 */
export function readAnswer(
  sdp: Uint8Array,
  protections: readonly (LineProtection | undefined)[],
): readonly (MediaDestination | LineRefusal)[] | undefined {
  const answer = parseSdp(sdp)
  // RFC 3264 6: as many m-lines as the offer has, in its order.
  if (!answer.ok || answer.value.media.length !== protections.length) return undefined
  return answer.value.media.map((media, index) => {
    const { port, connectionAddress, rtcpPort, rtcpMux } = media
    if (port === 0 || connectionAddress === undefined) return 'streamRefused'
    if (protections[index]?.isAcceptedBy(media) === false) return 'notProtected'
    protections[index]?.takeAnswer(media)
    return { address: connectionAddress, rtpPort: port, rtcpPort: rtcpPort ?? (rtcpMux ? port : port + 1) }
  })
}
