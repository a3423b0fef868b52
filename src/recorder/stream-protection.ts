import { FORMER_KEYS_US, SrtpReceiver, type SrtpRejectReason } from '../protocol/srtp/srtp-receiver.ts'
import type { SrtpKeys } from '../protocol/srtp/srtp-keys.ts'
import { describeProtection } from '../protocol/srtp/suites.ts'
import { accepted, rejected, type Result } from '../result.ts'
import type { SrtpFailure } from './recording-types.ts'

/** How long nothing but failures has to come before audio counts as being lost: a new key needs one round trip. */
export const SRTP_FAILING_US = 3_000_000
/** And how many of them at least: a stranger's stray packets are no lost audio. */
export const SRTP_FAILING_PACKETS = 50

/** What the manifest says of packets in clear. */
const IN_CLEAR = 'none'

/**
 * Takes the protection off the packets of one media stream, as its last offer and answer agreed (RFC 4568), and counts what fails.
 *
 * A stream that has keys takes nothing in clear: anybody could add to it. One that had keys and has none any more takes both for
 * as long as packets may be on their way.
 */
export class StreamProtection {
  #keys: SrtpKeys | undefined
  #srtp: SrtpReceiver | undefined
  /** While there are no keys: until when packets under the former ones are still opened. */
  #formerUntilUs = 0
  #lastKeys: SrtpKeys | undefined
  #lastOpened = IN_CLEAR
  readonly #failures: Record<SrtpFailure, number> = {
    short: 0,
    long: 0,
    version: 0,
    extension: 0,
    mki: 0,
    authentication: 0,
    replay: 0,
    old: 0,
  }
  #failingSinceUs: number | undefined
  /** Since the last authentic packet. */
  #failuresInRow = 0
  #opened = 0
  #failing: 'no' | 'yes' | 'told' = 'no'

  constructor(keys: SrtpKeys | undefined) {
    this.#keys = keys
    if (keys !== undefined) this.#srtp = new SrtpReceiver(keys)
  }

  /** Datagrams that failed, by reason; they only grow. */
  get failures(): Readonly<Record<SrtpFailure, number>> {
    return this.#failures
  }

  /** How the packet opened last was protected, for the manifest. */
  get lastOpened(): string {
    return this.#lastOpened
  }

  /** A new offer was answered; most have the same keys again. */
  replan(keys: SrtpKeys | undefined, nowUs: number): void {
    if (keys === undefined) {
      if (this.#keys !== undefined) this.#formerUntilUs = nowUs + FORMER_KEYS_US
    } else if (this.#srtp === undefined) this.#srtp = new SrtpReceiver(keys)
    else this.#srtp.rekey(keys, nowUs)
    this.#keys = keys
  }

  /** The datagram as RTP in clear, or why it is none. */
  open(datagram: Uint8Array, arrivalUs: number): Result<Uint8Array, SrtpRejectReason> {
    if (this.#srtp === undefined) return accepted(datagram)
    const opened = this.#srtp.unprotectRtp(datagram, arrivalUs)
    if (opened.ok) {
      this.#noteOpened(this.#srtp.acceptedKeys)
      return opened
    }
    if (this.#keys === undefined && opened.reason !== 'replay' && opened.reason !== 'old') {
      return this.#openInClear(datagram, arrivalUs)
    }
    if (opened.reason !== 'rtcp' && opened.reason !== 'notRtcp') this.#noteFailure(opened.reason, arrivalUs)
    return rejected(opened.reason)
  }

  /** The packet opened last can only be of who has the keys: not in clear, and not under SRTP without authentication. RFC 4568 6.3 */
  get isAuthentic(): boolean {
    return this.#lastKeys !== undefined && !this.#lastKeys.unauthenticatedSrtp
  }

  /** RTCP of the media stream, in clear. SRTCP is always authentic (RFC 3711 3.4); `isAuthentic` is false of what came in clear. */
  openRtcp(
    datagram: Uint8Array,
    arrivalUs: number,
  ): Result<{ readonly packet: Uint8Array; readonly isAuthentic: boolean }, SrtpRejectReason> {
    if (this.#srtp === undefined) return accepted({ packet: datagram, isAuthentic: false })
    const opened = this.#srtp.unprotectRtcp(datagram, arrivalUs)
    if (opened.ok) return accepted({ packet: opened.value, isAuthentic: true })
    return this.#keys === undefined ? accepted({ packet: datagram, isAuthentic: false }) : opened
  }

  /** True once: when nothing but failures has come for a while; `atEnd`, also when nothing else ever came. */
  takeFailing(atEnd = false): boolean {
    const isFailing = this.#failing === 'yes' || (atEnd && this.#opened === 0 && this.#failuresInRow > 0)
    if (!isFailing || this.#failing === 'told') return false
    this.#failing = 'told'
    return true
  }

  #openInClear(datagram: Uint8Array, arrivalUs: number): Result<Uint8Array, SrtpRejectReason> {
    if (arrivalUs >= this.#formerUntilUs) this.#srtp = undefined
    this.#noteOpened(undefined)
    return accepted(datagram)
  }

  #noteOpened(keys: SrtpKeys | undefined): void {
    if (keys !== this.#lastKeys) {
      this.#lastKeys = keys
      this.#lastOpened = keys === undefined ? IN_CLEAR : describeProtection(keys)
    }
    this.#failingSinceUs = undefined
    this.#failuresInRow = 0
    this.#opened += 1
  }

  #noteFailure(reason: SrtpFailure, arrivalUs: number): void {
    this.#failures[reason] += 1
    // Both are said of authentic packets.
    if (reason === 'replay' || reason === 'old') return
    this.#failingSinceUs ??= arrivalUs
    this.#failuresInRow += 1
    const isLong = arrivalUs - this.#failingSinceUs >= SRTP_FAILING_US
    if (this.#failing === 'no' && isLong && this.#failuresInRow >= SRTP_FAILING_PACKETS) this.#failing = 'yes'
  }
}
