import { Buffer } from 'node:buffer'

import { accepted, rejected, type Result } from '../../result.ts'

/** Dictionaries and lists within each other that are read; rtpengine's go three deep where we ask. */
const DEPTH_MAX = 16

export type Bencoded = string | number | readonly Bencoded[] | { readonly [key: string]: Bencoded }

/** A dictionary of texts and whole numbers as rtpengine's ng protocol wants it, its keys in order. */
export function bencode(dictionary: Readonly<Record<string, string | number>>): string {
  const text = (value: string): string => `${Buffer.byteLength(value)}:${value}`
  const entries = Object.entries(dictionary).toSorted(([left], [right]) => (left < right ? -1 : 1))
  return `d${entries.map(([key, value]) => text(key) + (typeof value === 'number' ? `i${value}e` : text(value))).join('')}e`
}

/** Reads one value that fills `bytes`. Texts are taken as UTF-8. Never throws. */
export function parseBencode(bytes: Buffer): Result<Bencoded, 'bencode'> {
  const read = readValue(bytes, 0, 0)
  return read === undefined || read.end !== bytes.length ? rejected('bencode') : accepted(read.value)
}

interface Read {
  readonly value: Bencoded
  readonly end: number
}

function readValue(bytes: Buffer, at: number, depth: number): Read | undefined {
  const kind = String.fromCharCode(bytes[at] ?? 0)
  if (depth > DEPTH_MAX) return undefined
  if (kind === 'i') return readInteger(bytes, at)
  if (kind === 'l' || kind === 'd') return readMany(bytes, at, depth)
  return readText(bytes, at)
}

function readInteger(bytes: Buffer, at: number): Read | undefined {
  const end = bytes.indexOf('e', at)
  const digits = end < 0 ? '' : bytes.toString('latin1', at + 1, end)
  return /^-?\d{1,15}$/.test(digits) ? { value: Number(digits), end: end + 1 } : undefined
}

function readText(bytes: Buffer, at: number): Read | undefined {
  const colon = bytes.indexOf(':', at)
  const digits = colon < 0 || colon > at + 9 ? '' : bytes.toString('latin1', at, colon)
  if (!/^\d{1,8}$/.test(digits)) return undefined
  const end = colon + 1 + Number(digits)
  return end > bytes.length ? undefined : { value: bytes.toString('utf8', colon + 1, end), end }
}

function readMany(bytes: Buffer, at: number, depth: number): Read | undefined {
  const values: Bencoded[] = []
  let end = at + 1
  while (bytes[end] !== 0x65) {
    const next = readValue(bytes, end, depth + 1)
    if (next === undefined) return undefined
    values.push(next.value)
    end = next.end
  }
  if (bytes[at] === 0x6c) return { value: values, end: end + 1 }
  const entries: [string, Bencoded][] = []
  for (let index = 0; index + 1 < values.length; index += 2) {
    const [key, value] = [values[index], values[index + 1]]
    if (typeof key !== 'string' || value === undefined) return undefined
    entries.push([key, value])
  }
  return values.length % 2 === 0 ? { value: Object.fromEntries(entries), end: end + 1 } : undefined
}
