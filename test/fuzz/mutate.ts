import type { Random } from './random.ts'
import type { FuzzTarget } from './target.ts'

/** As much as a datagram holds, and a little more: the bound itself is an input, too. */
export const INPUT_BYTES_MAX = 66_000
const MUTATIONS_MAX = 6
/** One input in this many is made long: that is where time that is not linear shows. */
const LONG_ONE_IN = 40

const NUMBERS = [
  '0',
  '-1',
  '1',
  '255',
  '256',
  '65535',
  '65536',
  '2147483647',
  '2147483648',
  '4294967296',
  '1e9',
  '00',
  '٣',
]
const BLANKS = [' ', '\t', '\r\n', '\n', '\r', '\r\n ', '\r\n\r\n', '\0', '\u00a0', '\ufeff', '\u2028']
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']
const PUNCTUATION = [
  ';',
  ',',
  ':',
  '=',
  '"',
  "'",
  '<',
  '>',
  '@',
  '?',
  '&',
  '%',
  '\\',
  '/',
  '(',
  ')',
  '[',
  ']',
  '-',
  '--',
  '*',
  '$&',
]
const COMMON = [...NUMBERS, ...BLANKS, ...NAMES, ...PUNCTUATION]

type Mutation = (input: Uint8Array, random: Random, target: FuzzTarget) => Uint8Array

/** The next input: out of the grammar or the corpus, then bent a few times. */
export function makeInput(target: FuzzTarget, random: Random): Uint8Array {
  const isGenerated = target.generate !== undefined && random.chance(0.5)
  let input = isGenerated ? (target.generate?.(random) ?? new Uint8Array(0)) : random.pick(target.corpus)
  if (isGenerated && random.chance(0.3)) return input
  const times = 1 + random.below(MUTATIONS_MAX)
  for (let time = 0; time < times; time++) input = random.pick(MUTATIONS)(input, random, target)
  if (random.below(LONG_ONE_IN) === 0) input = repeatPiece(input, random, target)
  return input.length > INPUT_BYTES_MAX ? input.subarray(0, INPUT_BYTES_MAX) : input
}

const MUTATIONS: readonly Mutation[] = [
  insertToken,
  insertToken,
  replaceRange,
  deleteRange,
  flipByte,
  insertBytes,
  copyRange,
  swapLines,
  deleteLine,
  doubleLine,
  spliceOther,
  changeNumber,
]

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

function replace(input: Uint8Array, at: number, length: number, piece: Uint8Array): Uint8Array {
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at + length)])
}

function token(random: Random, target: FuzzTarget): Uint8Array {
  return bytesOf(random.chance(0.5) ? random.pick(target.dictionary) : random.pick(COMMON))
}

function insertToken(input: Uint8Array, random: Random, target: FuzzTarget): Uint8Array {
  return replace(input, random.below(input.length + 1), 0, token(random, target))
}

function replaceRange(input: Uint8Array, random: Random, target: FuzzTarget): Uint8Array {
  return replace(input, random.below(input.length + 1), random.size(60), token(random, target))
}

function deleteRange(input: Uint8Array, random: Random): Uint8Array {
  return replace(input, random.below(input.length + 1), random.size(input.length + 1), new Uint8Array(0))
}

function flipByte(input: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(input)
  const at = random.below(copy.length)
  copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
  return copy
}

function insertBytes(input: Uint8Array, random: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256))
  return replace(input, random.below(input.length + 1), 0, bytes)
}

function copyRange(input: Uint8Array, random: Random): Uint8Array {
  const from = random.below(input.length + 1)
  const piece = input.subarray(from, from + random.size(400))
  return replace(input, random.below(input.length + 1), 0, piece)
}

function lineAt(input: Uint8Array, random: Random): readonly [number, number] {
  const start = input.lastIndexOf(0x0a, random.below(input.length + 1)) + 1
  const feed = input.indexOf(0x0a, start)
  return [start, feed === -1 ? input.length : feed + 1]
}

function swapLines(input: Uint8Array, random: Random): Uint8Array {
  const [start, end] = lineAt(input, random)
  const line = input.slice(start, end)
  const without = replace(input, start, end - start, new Uint8Array(0))
  return replace(without, lineAt(without, random)[0], 0, line)
}

function deleteLine(input: Uint8Array, random: Random): Uint8Array {
  const [start, end] = lineAt(input, random)
  return replace(input, start, end - start, new Uint8Array(0))
}

function doubleLine(input: Uint8Array, random: Random): Uint8Array {
  const [start, end] = lineAt(input, random)
  return replace(input, start, 0, input.slice(start, end))
}

function spliceOther(input: Uint8Array, random: Random, target: FuzzTarget): Uint8Array {
  const other = random.pick(target.corpus)
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ])
}

function changeNumber(input: Uint8Array, random: Random): Uint8Array {
  const from = random.below(input.length + 1)
  const at = input.subarray(from).findIndex((byte) => byte >= 0x30 && byte <= 0x39)
  if (at === -1) return input
  let end = from + at
  while ((input[end] ?? 0) >= 0x30 && (input[end] ?? 0) <= 0x39) end++
  return replace(input, from + at, end - from - at, bytesOf(random.pick(NUMBERS)))
}

/** Blows one place up until the whole is as long as a datagram. */
function repeatPiece(input: Uint8Array, random: Random, target: FuzzTarget): Uint8Array {
  const from = random.below(input.length + 1)
  const taken = input.slice(from, from + 1 + random.size(120))
  const piece = random.chance(0.5) || taken.length === 0 ? token(random, target) : taken
  const room = INPUT_BYTES_MAX - input.length - random.below(1_000)
  const times = Math.max(1, Math.floor(Math.max(0, room) / Math.max(1, piece.length)))
  return replace(input, from, 0, Buffer.concat(Array.from({ length: random.size(times) + 1 }, () => piece)))
}
