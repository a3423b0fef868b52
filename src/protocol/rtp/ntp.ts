// Seconds from the NTP era (1900) to the unix epoch. RFC 5905 6
const NTP_UNIX_SECONDS = 2_208_988_800
const NTP_ERA_SECONDS = 0x1_0000_0000

/** An NTP timestamp as unix milliseconds with fraction; NaN when it is 0, "no clock" (RFC 3550 6.4.1). */
export function unixMsOfNtp(seconds: number, fraction: number): number {
  if (seconds === 0 && fraction === 0) return Number.NaN
  // RFC 5905 6: seconds below 2^31 belong to the era that begins in 2036.
  const era = seconds < 0x8000_0000 ? NTP_ERA_SECONDS : 0
  return (seconds + era - NTP_UNIX_SECONDS) * 1_000 + (fraction * 1_000) / 0x1_0000_0000
}

/** Unix milliseconds as an NTP timestamp; 0, "no clock", when it is not finite. RFC 5905 6 */
export function ntpOfUnixMs(unixMs: number): { readonly seconds: number; readonly fraction: number } {
  if (!Number.isFinite(unixMs)) return { seconds: 0, fraction: 0 }
  const wholeSeconds = Math.floor(unixMs / 1_000)
  const fraction = Math.floor(((unixMs - wholeSeconds * 1_000) / 1_000) * 0x1_0000_0000)
  return { seconds: (wholeSeconds + NTP_UNIX_SECONDS) % NTP_ERA_SECONDS, fraction }
}

/** The middle 32 bits of an NTP timestamp: units of 1/65536 s, as report blocks quote it. RFC 3550 4 */
export function ntpMiddle(seconds: number, fraction: number): number {
  return ((seconds & 0xffff) * 0x1_0000 + (fraction >>> 16)) >>> 0
}

/** The same of unix milliseconds. */
export function ntpMiddleOf(unixMs: number): number {
  const { seconds, fraction } = ntpOfUnixMs(unixMs)
  return ntpMiddle(seconds, fraction)
}
