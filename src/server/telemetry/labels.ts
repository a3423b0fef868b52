/** What stands in a label for every value outside its set. */
export const OTHER_LABEL = 'other'
/** Values that a label of an open set takes before the rest becomes {@link OTHER_LABEL}. */
export const LABEL_VALUES_MAX = 64
/** Longest label value; longer ones are not names of ours. */
export const LABEL_CHARACTERS_MAX = 64

/** Turns what was seen into one of a bounded number of label values. */
export type LabelRule = (value: string) => string

/** A label with a known set of values: configured names, methods of an RFC. */
export function oneOf(allowed: Iterable<string>): LabelRule {
  const values = new Set(allowed)
  return (value) => (values.has(value) ? value : OTHER_LABEL)
}

/** A label whose values come from closed unions in the code: the first {@link LABEL_VALUES_MAX} count for themselves. */
export function firstSeen(valuesMax: number = LABEL_VALUES_MAX): LabelRule {
  const values = new Set<string>()
  return (value) => {
    if (values.has(value)) return value
    if (values.size >= valuesMax || value === '' || value.length > LABEL_CHARACTERS_MAX) return OTHER_LABEL
    values.add(value)
    return value
  }
}

/** A SIP status code, 100 to 699. RFC 3261 7.2 */
export function sipStatusCode(value: string): string {
  const code = Number(value)
  return Number.isInteger(code) && code >= 100 && code <= 699 ? String(code) : OTHER_LABEL
}

/** Methods registered with IANA for SIP; anything else a stranger may invent. */
export const SIP_METHODS = [
  'ACK',
  'BYE',
  'CANCEL',
  'INFO',
  'INVITE',
  'MESSAGE',
  'NOTIFY',
  'OPTIONS',
  'PRACK',
  'PUBLISH',
  'REFER',
  'REGISTER',
  'SUBSCRIBE',
  'UPDATE',
] as const
