import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

import { accepted, rejected, type Result } from '../../result.ts'

/** Built at installation where there is a compiler, see `bin/lib/native.mjs`. */
const MODULE_FILE = fileURLToPath(new URL('../../../node_modules/.earwitness/batch-receive.node', import.meta.url))
/** Of the contract in `src/native/README.md`; a module of another one is not used. */
const ABI = 1

/** A receiver of the module: opaque, bound to the thread that made it. */
export interface NativeHandle {
  readonly nativeHandle: unique symbol
}

/** The functions of `src/native/batch-receive.c`; wrong arguments throw TypeError or RangeError. */
export interface NativeAddon {
  readonly abi: number
  /** `slots` datagrams at a time, each with room for `slotBytes`. */
  createReceiver(slots: number, slotBytes: number): NativeHandle
  /** The socket's id, or a negative error number of the system. `receiveBufferBytes` 0: the system's default. */
  openSocket(handle: NativeHandle, address: string, port: number, receiveBufferBytes: number): number
  /** How many datagrams its socket had to drop, or -1 when it is not open. */
  closeSocket(handle: NativeHandle, id: number): number
  /** How many datagrams were written; as many as there are slots: more may wait. */
  receive(handle: NativeHandle, arena: Uint8Array, index: Int32Array, arrivals: Float64Array): number
}

/** `absent`: not built. `unloadable`: built for another system, or damaged. `otherVersion`: of another contract. */
export type AddonMissing = 'absent' | 'unloadable' | 'otherVersion'

/** Loads the module, or says why there is none; never throws. */
export function loadNativeAddon(file: string = MODULE_FILE): Result<NativeAddon, AddonMissing> {
  if (!existsSync(file)) return rejected('absent')
  try {
    const addon = createRequire(import.meta.url)(file) as NativeAddon
    return addon.abi === ABI ? accepted(addon) : rejected('otherVersion')
  } catch {
    return rejected('unloadable')
  }
}
