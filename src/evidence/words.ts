/** Who may ask for a pause: the SRC, an operator through the API, or the rule about consent. FORMAT.md 5 */
export const PAUSE_REQUESTERS = ['src', 'api', 'consent'] as const
export type PauseRequester = (typeof PAUSE_REQUESTERS)[number]

/** 48 kHz samples as `1 h 02 min 03.456 s`. */
export function duration(samples: number): string {
  const totalMs = Math.round(samples / 48)
  const hours = Math.floor(totalMs / 3_600_000)
  const minutes = Math.floor((totalMs % 3_600_000) / 60_000)
  const rest = ((totalMs % 60_000) / 1_000).toFixed(3)
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, '0')} min ${rest.padStart(6, '0')} s`
  return minutes > 0 ? `${minutes} min ${rest.padStart(6, '0')} s` : `${rest} s`
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

/** Object names and labels come from outside: they must not write to a terminal or begin a line of their own. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\u{fffd}')
}
