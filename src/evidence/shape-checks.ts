import { isUuidV7 } from '../ids.ts'
import { isObjectName } from './object-names.ts'

/** The parts of which the shapes of signed documents are described: each says where a value is wrong. */

/** Entries in any one list of a manifest; 100,000 chunks of 15 s are 17 days. */
export const ENTRIES_MAX = 100_000
/** Characters in any one text of a manifest. */
export const TEXT_LENGTH_MAX = 4_096

/** Where a value is wrong, as `chunks[3].sha256`, or undefined when it is right. */
export type Check = (value: unknown, path: string) => string | undefined

const HEX_SHA256 = /^[0-9a-f]{64}$/
const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

export const text: Check = (value, path) =>
  typeof value === 'string' && value.length <= TEXT_LENGTH_MAX ? undefined : path
export const integer: Check = (value, path) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? undefined : path
export const truth: Check = (value, path) => (typeof value === 'boolean' ? undefined : path)
export const sha256: Check = (value, path) => (typeof value === 'string' && HEX_SHA256.test(value) ? undefined : path)
export const uuid: Check = (value, path) => (typeof value === 'string' && isUuidV7(value) ? undefined : path)
export const objectName: Check = (value, path) => (typeof value === 'string' && isObjectName(value) ? undefined : path)
export const time: Check = (value, path) =>
  typeof value === 'string' && UTC_TIME.test(value) && !Number.isNaN(Date.parse(value)) ? undefined : path

export function oneOf(...allowed: readonly string[]): Check {
  return (value, path) => (typeof value === 'string' && allowed.includes(value) ? undefined : path)
}

/** Absent is right; present must pass. */
export function optional(check: Check): Check {
  return (value, path) => (value === undefined ? undefined : check(value, path))
}

export function list(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > ENTRIES_MAX) return path
    for (const [index, item] of value.entries()) {
      const fault = check(item, `${path}[${index}]`)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

export function members(checks: Readonly<Record<string, Check>>): Check {
  const entries = Object.entries(checks)
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return path === '' ? '(whole)' : path
    for (const [name, check] of entries) {
      // Own members only: nothing may be read from a prototype.
      const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
      const fault = check(member, path === '' ? name : `${path}.${name}`)
      if (fault !== undefined) return fault
    }
    return undefined
  }
}
