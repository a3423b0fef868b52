import { createHmac } from 'node:crypto'

import { sealToRecipients, type RandomBytes } from './age-seal.ts'
import { canonicalJson } from './canonical-json.ts'

/** What of a consent event names people. FORMAT.md 4.3 */
export interface PersonalMember {
  /** Hex salted hash of each value, by its name: to be compared with a value that somebody claims. */
  readonly hashes: Readonly<Record<string, string>>
  /** Base64url of an age file, sealed to the recording's recipient: the salt and the values. */
  readonly sealed: string
}

const PERSONAL_FORMAT = 'earwitness-personal/1'
const SALT_LENGTH = 32
/** Of values that are hidden in one event: longer ones are cut, before they are hashed. */
const VALUES_MAX = 2
const VALUE_LENGTH_MAX = 300

/**
 * Hides what names people in a consent event: a salted hash of each value, and salt and values sealed with the recording. Who destroys the recording's key
 * makes the hashes worthless with it, and the event keeps its signature.
 *
 * @param given by name (`by`, `value`); at most 2, of 300 characters each
 * @param recipient of the recording, `age1…`
 */
export function sealPersonal(
  given: Readonly<Record<string, string>>,
  recipient: string,
  randomBytes: RandomBytes,
): PersonalMember {
  const pairs = Object.entries(given).slice(0, VALUES_MAX)
  // Without what JSON would write with six characters for one: so the sealed values have a bound.
  const values = Object.fromEntries(
    pairs.map(([name, value]) => [
      name,
      value
        .slice(0, VALUE_LENGTH_MAX)
        .replaceAll(/\p{Cc}/gu, '\uFFFD')
        .toWellFormed(),
    ]),
  )
  const salt = randomBytes(SALT_LENGTH)
  const hashes = Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const hash = createHmac('sha256', salt).update(`earwitness-salted/1\n${name}\n${value}`).digest('hex')
      return [name, hash]
    }),
  )
  const opened = { format: PERSONAL_FORMAT, salt: Buffer.from(salt).toString('base64url'), values }
  const clear = new TextEncoder().encode(canonicalJson(opened))
  const sealed = Buffer.from(sealToRecipients(clear, [recipient], randomBytes)).toString('base64url')
  clear.fill(0)
  return { hashes, sealed }
}
