import { accepted, rejected, type Result } from '../../result.ts'

/** The sixteen keys by their event codes. RFC 4733 3.2, table 3 */
const DIGITS = '0123456789*#ABCD'
/** Bytes of one report of an event. RFC 4733 2.3 */
const REPORT_LENGTH = 4
/** Reports read of one packet (RFC 4733 2.5.1.4): nobody presses more keys within a packet; what is beyond is passed over. */
export const EVENT_REPORTS_MAX = 8

/** A key of a telephone. */
export type DtmfDigit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9' | '*' | '#' | 'A' | 'B' | 'C' | 'D'

/** One report of a telephone-event. RFC 4733 2.3 */
export interface TelephoneEvent {
  /** 0..255; 0 to 15 are the keys of a telephone. */
  readonly code: number
  /** The E bit: the event is over. */
  readonly isEnd: boolean
  /** dB below 0 dBm0, 0..63. */
  readonly volume: number
  /** Since the packet's timestamp, in units of the event's clock, 0..65535. */
  readonly duration: number
  /** Where the event begins, in units after the packet's timestamp: not 0 only for further events in one packet. RFC 4733 2.5.1.4 */
  readonly offset: number
}

/** `empty`: no report. `length`: not a whole number of reports. */
export type TelephoneEventRejectReason = 'empty' | 'length'

/**
 * Reads the payload of a telephone-event packet: usually one report, and several when short events follow on each other without
 * a pause. Never throws. RFC 4733 2.3, 2.5.1.4
 */
export function parseTelephoneEvents(
  payload: Uint8Array,
): Result<readonly TelephoneEvent[], TelephoneEventRejectReason> {
  if (payload.length === 0) return rejected('empty')
  if (payload.length % REPORT_LENGTH !== 0) return rejected('length')
  const events: TelephoneEvent[] = []
  let offset = 0
  for (let at = 0; at < payload.length && events.length < EVENT_REPORTS_MAX; at += REPORT_LENGTH) {
    const flags = payload[at + 1] ?? 0
    const duration = ((payload[at + 2] ?? 0) << 8) | (payload[at + 3] ?? 0)
    events.push({ code: payload[at] ?? 0, isEnd: (flags & 0x80) !== 0, volume: flags & 0x3f, duration, offset })
    offset += duration
  }
  return accepted(events)
}

/** The key an event stands for; undefined for flash, tones of the network and whatever else has a code. RFC 4733 3.2 */
export function digitOf(code: number): DtmfDigit | undefined {
  return DIGITS[code] as DtmfDigit | undefined
}
