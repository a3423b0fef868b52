import { accepted, rejected, type Result } from '../../result.ts'
import { CryptoContext, type PacketUnderWay } from './crypto-context.ts'
import type { PacketKind } from './key-derivation.ts'
import type { MasterKey } from './master-key.ts'
import { type HeaderRejectReason, readRtcpHeader, readRtpHeader, uint32 } from './packet-header.ts'
import { estimateIndex, TURN, turnOf } from './packet-index.ts'
import type { SrtpKeys } from './srtp-keys.ts'
import { areSameKeys } from './suites.ts'

/** How long packets under former keys are taken: as long as an INVITE and its answer may be under way (RFC 3261 17.1.1.2). */
export const FORMER_KEYS_US = 32_000_000
/** Sets of keys in use at once, the former ones included; the oldest goes. */
export const CONTEXTS_MAX = 4
/** Rollover counters tried for an SSRC whose stream was running before the fork began: 11 hours of packets of 20 ms. */
export const LATE_JOIN_TURNS_MAX = 32
/** Rollover counters tried beyond the expected one for a known SSRC: an hour and more that did not reach us. */
export const MISSED_TURNS_MAX = 4
/** Packets in a second for which other counters are tried at all: a bound on what a stranger's packets may cost. */
export const SEARCHES_PER_SECOND = 20

/**
 * `mki`: no key has this identifier. `authentication`: not from the SRC, or under keys or at an index we do not know. `replay`: an
 * authentic packet once more. `old`: authentic, but too far behind to know. The others are of the header.
 */
export type SrtpRejectReason = HeaderRejectReason | 'mki' | 'authentication' | 'replay' | 'old'

/**
 * Takes the protection off the SRTP and SRTCP packets of one media stream. RFC 3711, RFC 6188, RFC 7714
 *
 * State is kept for at most `SOURCES_MAX` SSRCs, and made by authentic packets only. Nothing is decrypted before it is
 * authentic; the datagram is never changed, the result is lent until the next one is opened: whoever keeps of it copies. Time is
 * an argument, as everywhere: monotonic microseconds. Only the constructor and {@link rekey} throw, a RangeError, on keys with which `findKeyFault` finds a fault.
 */
export class SrtpReceiver {
  /** The keys in force first, then former ones, newest first. */
  #contexts: readonly CryptoContext[]
  #acceptedKeys: SrtpKeys | undefined
  /** The packet that is being opened. There is one object for all: made anew, it and those that it stands for were an eighth of a worker's garbage. */
  readonly #underWay: PacketUnderWay = {
    ...{ packet: new Uint8Array(0), headerLength: 0, ssrc: 0, sequenceNumber: 0 },
    ...{ bodyEnd: 0, tagStart: 0, index: 0, isEncrypted: true, word: 0 },
  }
  #searchSecond = Number.NEGATIVE_INFINITY
  #searches = 0

  constructor(keys: SrtpKeys) {
    this.#contexts = [new CryptoContext(keys)]
  }

  /** Those under which the last authentic packet came. */
  get acceptedKeys(): SrtpKeys | undefined {
    return this.#acceptedKeys
  }

  /** SSRCs that had to make room for others. */
  get sourcesForgotten(): number {
    return this.#contexts.reduce((sum, { sources }) => sum + sources.rtp.forgotten + sources.rtcp.forgotten, 0)
  }

  /**
   * A new offer was answered. The same keys again change nothing. Packets under the former ones are taken for another
   * {@link FORMER_KEYS_US}. RFC 3711 lets the ROC go on under a new key; many clients begin at 0: both are tried.
   */
  rekey(keys: SrtpKeys, nowUs: number): void {
    const known = this.#contexts.find((context) => areSameKeys(context.keys, keys))
    if (known !== undefined && known === this.#contexts[0]) return
    const current = known ?? new CryptoContext(keys)
    for (const context of this.#contexts) context.expiresUs = Math.min(context.expiresUs, nowUs + FORMER_KEYS_US)
    current.expiresUs = Infinity
    const former = this.#contexts.filter((context) => context !== current)
    this.#contexts = [current, ...former].slice(0, CONTEXTS_MAX)
  }

  /** An RTP packet in clear, with its header. RFC 3711 3.3 */
  unprotectRtp(datagram: Uint8Array, nowUs: number): Result<Uint8Array, SrtpRejectReason> {
    const fault = readRtpHeader(datagram, this.#underWay)
    if (fault !== undefined) return rejected(fault)
    this.#underWay.packet = datagram
    this.#forgetExpired(nowUs)
    let failure: Result<Uint8Array, SrtpRejectReason> | undefined
    for (const context of this.#contexts) {
      const master = context.split(this.#underWay, 'rtp')
      const opened = typeof master === 'string' ? rejected(master) : this.#openAtLikely(context, master)
      if (opened.ok || opened.reason === 'replay' || opened.reason === 'old') return opened
      failure ??= opened
    }
    return this.#search(nowUs) ?? failure ?? rejected('authentication')
  }

  /** A compound RTCP packet in clear. RFC 3711 3.4 */
  unprotectRtcp(datagram: Uint8Array, nowUs: number): Result<Uint8Array, SrtpRejectReason> {
    const fault = readRtcpHeader(datagram, this.#underWay)
    if (fault !== undefined) return rejected(fault)
    this.#underWay.packet = datagram
    this.#forgetExpired(nowUs)
    let failure: Result<Uint8Array, SrtpRejectReason> | undefined
    for (const context of this.#contexts) {
      const master = context.split(this.#underWay, 'rtcp')
      const opened = typeof master === 'string' ? rejected(master) : this.#openRtcp(context, master)
      if (opened.ok || opened.reason === 'replay' || opened.reason === 'old') return opened
      failure ??= opened
    }
    return failure ?? rejected('authentication')
  }

  #openRtcp(context: CryptoContext, master: MasterKey): Result<Uint8Array, SrtpRejectReason> {
    const underWay = this.#underWay
    underWay.word = uint32(underWay.packet, underWay.bodyEnd)
    underWay.index = underWay.word % 0x8000_0000
    underWay.isEncrypted = underWay.word >= 0x8000_0000
    return this.#open(context, 'rtcp', master)
  }

  /** At the index that RFC 3711 3.3.1 expects; of an SSRC new under these keys, also at those where senders begin. */
  #openAtLikely(context: CryptoContext, master: MasterKey): Result<Uint8Array, SrtpRejectReason> {
    const { ssrc, sequenceNumber } = this.#underWay
    const highest = context.sources.rtp.find(ssrc)?.highest
    if (highest !== undefined) return this.#openRtp(context, master, estimateIndex(highest, sequenceNumber))
    for (const other of this.#contexts) {
      const before = other.sources.rtp.find(ssrc)?.highest
      if (before === undefined) continue
      const index = estimateIndex(before, sequenceNumber)
      const opened = this.#openRtp(context, master, index)
      // Without a tag nothing tells the two apart: the ROC goes on, as the RFC has it.
      if (opened.ok || index < TURN) return opened
      break
    }
    return this.#openRtp(context, master, sequenceNumber)
  }

  /** Tries other rollover counters, never lower ones: an old packet, recorded by somebody, would be authentic there. */
  #search(nowUs: number): Result<Uint8Array, SrtpRejectReason> | undefined {
    if (!this.#maySearch(nowUs)) return undefined
    const { ssrc, sequenceNumber } = this.#underWay
    for (const context of this.#contexts) {
      const master = context.split(this.#underWay, 'rtp')
      if (typeof master === 'string') continue
      const highest = context.sources.rtp.find(ssrc)?.highest
      const expected = highest === undefined ? sequenceNumber : estimateIndex(highest, sequenceNumber)
      const last = turnOf(expected) + (highest === undefined ? LATE_JOIN_TURNS_MAX : MISSED_TURNS_MAX)
      for (let turn = turnOf(expected) + 1; turn <= last && turn < 0x1_0000_0000; turn++) {
        const opened = this.#openRtp(context, master, turn * TURN + sequenceNumber)
        if (opened.ok) return opened
      }
    }
    return undefined
  }

  #maySearch(nowUs: number): boolean {
    if (nowUs - this.#searchSecond >= 1_000_000) {
      this.#searchSecond = nowUs
      this.#searches = 0
    }
    this.#searches += 1
    return this.#searches <= SEARCHES_PER_SECOND
  }

  #openRtp(context: CryptoContext, master: MasterKey, index: number): Result<Uint8Array, SrtpRejectReason> {
    this.#underWay.index = index
    this.#underWay.isEncrypted = !context.keys.unencryptedSrtp
    this.#underWay.word = turnOf(index)
    return this.#open(context, 'rtp', master)
  }

  #open(context: CryptoContext, kind: PacketKind, master: MasterKey): Result<Uint8Array, SrtpRejectReason> {
    const { ssrc, index, tagStart } = this.#underWay
    const opened = master.open(kind, this.#underWay, tagStart)
    if (opened === undefined) return rejected('authentication')
    const sources = context.sources[kind]
    const seen = sources.find(ssrc)?.check(index) ?? 'fresh'
    // Where a stranger can set the highest index, no packet may be refused for it.
    const isCertain = kind === 'rtcp' || context.isRtpAuthenticated
    if (seen !== 'fresh' && isCertain) return rejected(seen)
    sources.add(ssrc, index)
    this.#acceptedKeys = context.keys
    return accepted(opened)
  }

  #forgetExpired(nowUs: number): void {
    if (this.#contexts.length > 1 && this.#contexts.some(({ expiresUs }) => expiresUs <= nowUs)) {
      this.#contexts = this.#contexts.filter(({ expiresUs }) => expiresUs > nowUs)
    }
  }
}
