import type { NativeAddon, NativeHandle } from '../../src/server/media/native-addon.ts'
import { mulberry32 } from './random.ts'

const FUNCTIONS = ['createReceiver', 'openSocket', 'closeSocket', 'receive'] as const
const ARGUMENTS_MAX = 6
const SLOTS = 4
const SLOT_BYTES = 64
const INDEX_WORDS = 10
/** Receivers kept at a time; those dropped are for the garbage collector. */
const HANDLES_MAX = 8

type Untyped = Record<(typeof FUNCTIONS)[number], (...args: unknown[]) => unknown>

/** Values that no function of the module takes, that it takes in another place, and that change under its feet. */
function values(handles: readonly NativeHandle[]): readonly unknown[] {
  const detached = new Uint8Array(SLOTS * SLOT_BYTES)
  detached.buffer.transfer()
  const shrinking = new ArrayBuffer(4_096, { maxByteLength: 8_192 })
  const views = [
    new Uint8Array(shrinking),
    new Int32Array(shrinking),
    new Float64Array(shrinking),
    new Uint8Array(shrinking, 8),
  ]
  shrinking.resize(16)
  const growing = new ArrayBuffer(8, { maxByteLength: 65_536 })
  const grown = [new Uint8Array(growing), new Int32Array(growing), new Float64Array(growing)]
  growing.resize(65_536)
  const numbers = [0, -0, 1, -1, 2, 63, 64, 65, 4_096, 4_097, 65_535, 65_536, 1.5, Number.NaN, Infinity, -Infinity]
  const bounds = [2 ** 30, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, -(2 ** 53), Number.MAX_VALUE, 5e-324]
  const addresses = ['127.0.0.1', '::1', '', '127.0.0.1\0', '::1%lo', '1'.repeat(100_000), '\ud800', 'localhost']
  const others = [undefined, null, true, 10n, Symbol('s'), {}, [], () => 1, new Date(0), new Map(), new Proxy({}, {})]
  const throwing = {
    valueOf: () => {
      throw new Error('must not be asked')
    },
  }
  const memory = [
    new Uint8Array(SLOTS * SLOT_BYTES),
    new Int32Array(SLOTS * INDEX_WORDS),
    new Float64Array(SLOTS),
    new Uint8Array(new SharedArrayBuffer(SLOTS * SLOT_BYTES)),
    new Uint8Array(SLOTS * SLOT_BYTES - 1),
    new Int32Array(SLOTS * INDEX_WORDS - 1),
    new Float64Array(0),
    Buffer.alloc(4_096),
    new DataView(new ArrayBuffer(4_096)),
    new ArrayBuffer(4_096),
    new BigInt64Array(512),
  ]
  return [
    ...[numbers, bounds, addresses, others, memory, views, grown].flat(),
    ...[detached, throwing],
    ...handles,
    ...handles,
  ]
}

/** Arguments that are right except that one of them may be any value. */
function nearlyRight(name: (typeof FUNCTIONS)[number], handle: NativeHandle | undefined): unknown[] {
  switch (name) {
    case 'createReceiver':
      return [SLOTS, SLOT_BYTES]
    case 'openSocket':
      return [handle, '127.0.0.1', 0, 4_096]
    case 'closeSocket':
      return [handle, 0x10000]
    default:
      return [handle, new Uint8Array(SLOTS * SLOT_BYTES), new Int32Array(SLOTS * INDEX_WORDS), new Float64Array(SLOTS)]
  }
}

/**
 * Calls the functions of the module with whatever comes: each call gives a number or a receiver, or throws one of the two errors that
 * say what is wrong. Opens sockets on loopback only, on ports of the system's choice and on those that the values name.
 *
 * @returns how many calls were taken, so that a caller sees that not all were refused
 */
export function fuzzAddon(addon: NativeAddon, options: { readonly seed: number; readonly calls: number }): number {
  const random = mulberry32(options.seed)
  const pick = <Value>(from: readonly Value[]): Value | undefined => from[Math.floor(random() * from.length)]
  const functions = addon as unknown as Untyped
  const handles: NativeHandle[] = [addon.createReceiver(SLOTS, SLOT_BYTES)]
  let taken = 0
  for (let call = 0; call < options.calls; call++) {
    const pool = values(handles)
    const name = pick(FUNCTIONS) ?? 'receive'
    let args: unknown[]
    if (random() < 0.5) {
      args = nearlyRight(name, pick(handles))
      if (random() < 0.8) args[Math.floor(random() * args.length)] = pick(pool)
    } else {
      args = Array.from({ length: Math.floor(random() * ARGUMENTS_MAX) }, () => pick(pool))
    }
    const result = attempt(() => functions[name](...args))
    if (result === undefined) continue
    taken += 1
    if (typeof result === 'object') handles[Math.floor(random() * HANDLES_MAX)] = result as NativeHandle
    else if (typeof result !== 'number' || !Number.isInteger(result)) throw new Error(`${name} gave ${typeof result}`)
  }
  return taken
}

function attempt(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ERR_INVALID_ARG_TYPE' && code !== 'ERR_OUT_OF_RANGE') throw error
    return undefined
  }
}
