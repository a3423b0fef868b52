import parsePhoneNumber, { type CountryCode, isSupportedCountry, type PhoneNumber } from 'libphonenumber-js/max'

/** A number or address longer than this is none. */
export const NUMBER_LENGTH_MAX = 256

/** Digits of the longest prefix in a {@link RegionTable}. */
const PREFIX_DIGITS_MAX = 7

/** Regions (ISO 3166-2) by the digits with which a number begins in E.164, without "+". */
export type RegionTable = ReadonlyMap<string, readonly string[]>

/** Why nobody can say from where a party speaks. */
type UnknownReason = 'noNumber' | 'notInternational' | 'ambiguous' | 'notPossible' | 'notGeographic'

/**
 * Where a number belongs. A mobile number goes wherever its owner goes, and a number can be ported: it is where the
 * number comes from, not where anybody is.
 */
export type Place =
  | {
      readonly kind: 'known'
      /** ISO 3166-1 alpha-2 */
      readonly country: string
      /** ISO 3166-2; several when the prefix serves several, none when it serves the whole country. */
      readonly regions: readonly string[]
      /** As much of the number as says so: `+1 813`. */
      readonly prefix: string
    }
  | { readonly kind: 'unknown'; readonly reason: UnknownReason }

const unknown = (reason: UnknownReason): Place => ({ kind: 'unknown', reason })

/**
 * The part of an address of record that may be a number: of `sip:+1813…;x@host`, `tel:+1…`, `"A" <sip:…>` and `+1…`
 * alike. Undefined when nothing there is digits.
 */
export function numberOfAddress(address: string): string | undefined {
  if (address.length > NUMBER_LENGTH_MAX) return undefined
  const inner = /<([^<>]*)>/u.exec(address)?.[1] ?? address
  const user = inner.replace(/^\s*(?:sips?|tel):/iu, '').split(/[@;?]/u, 1)[0] ?? ''
  // RFC 3966 5.1.1 visual separators; in a SIP user part they may be escaped, and then it is no number to us.
  return /^\+?[0-9().\-\s]+$/u.test(user) && /[0-9]/u.test(user) ? user.trim() : undefined
}

/**
 * Where a number belongs.
 *
 * @param address a number or an address of record (SIP, tel)
 * @param options.country whose national numbers (ISO 3166-1) it may be, when it has no "+"
 */
export function placeOf(
  address: string | undefined,
  options: { readonly regions: RegionTable; readonly country?: string | undefined },
): Place {
  const number = address === undefined ? undefined : numberOfAddress(address)
  if (number === undefined) return unknown('noNumber')
  const national = options.country?.toUpperCase()
  const fallback = national !== undefined && isSupportedCountry(national) ? national : undefined
  if (!number.startsWith('+'))
    return fallback === undefined ? unknown('notInternational') : ofNational(number, fallback, options.regions)
  const parsed = parsePhoneNumber(number)
  return parsed?.isPossible() === true ? placeOfParsed(parsed, options.regions) : unknown('notPossible')
}

/** Many SBCs leave out the "+": digits that are a number of the country and one of another as well belong to neither. */
function ofNational(number: string, country: CountryCode, regions: RegionTable): Place {
  const national = parsePhoneNumber(number, country)
  if (national?.isValid() !== true) return unknown('notPossible')
  const international = parsePhoneNumber(`+${number.replace(/[^0-9]/gu, '')}`)
  const same = international?.number === national.number
  if (international?.isValid() === true && !same) return unknown('ambiguous')
  return placeOfParsed(national, regions)
}

function placeOfParsed(parsed: PhoneNumber, table: RegionTable): Place {
  const digits = `${parsed.countryCallingCode}${parsed.nationalNumber}`
  for (
    let length = Math.min(PREFIX_DIGITS_MAX, digits.length);
    length > parsed.countryCallingCode.length;
    length -= 1
  ) {
    const regions = table.get(digits.slice(0, length))
    if (regions === undefined) continue
    const prefix = `+${parsed.countryCallingCode} ${digits.slice(parsed.countryCallingCode.length, length)}`
    return { kind: 'known', country: (regions[0] ?? '').slice(0, 2), regions, prefix }
  }
  // +800, +882 and their like belong to no country; +1 and +44 serve several, and only a valid number says which.
  const { country } = parsed
  const shared = parsed.countryCallingCode === '1' || parsed.getPossibleCountries().length > 1
  if (country === undefined || (shared && !parsed.isValid())) return unknown('notGeographic')
  return { kind: 'known', country, regions: [], prefix: `+${parsed.countryCallingCode}` }
}
