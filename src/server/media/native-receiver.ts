import { getSystemErrorName } from 'node:util'

import type { NativeAddon, NativeHandle } from './native-addon.ts'
import {
  isPortError,
  PortBusyError,
  type PacketHandler,
  type PacketReceiver,
  type PacketSocket,
  type PacketSocketOptions,
  type PacketSource,
  type ReceiverCounters,
} from './packet-receiver.ts'
import { sourceAddress } from './source-address.ts'

/** Datagrams taken by one call into C; more are taken by further calls. */
export const SLOTS = 256
/**
 * Room for one datagram: a jumbo frame, or 48 ms of the widest audio that is taken (L16, 48 kHz, stereo). Memory that no datagram reaches
 * costs nothing. An odd number of cache lines, so that the beginnings of slots do not contend for the same ones.
 */
export const SLOT_BYTES = 145 * 64
/** Calls into C for one wake: 65,536 datagrams. What is left has to wait for the next one, as others do meanwhile. */
const CALLS_MAX = 256

// The index of `src/native/batch-receive.c`: words of each datagram.
const INDEX_WORDS = 10
const SOCKET = 0
const LENGTH = 1
const FLAGS = 2
const SOURCE_PORT = 3
const DROPS = 4
const SOURCE_FAMILY = 5
const SOURCE_WORDS = 7
const FLAG_TRUNCATED = 1
const PLACE_MASK = 0xffff

/** A socket of the module, with what came last: the drops so far, and the source, which rarely changes. */
interface OpenSocket {
  readonly id: number
  readonly onPacket: PacketHandler
  overflows: number
  readonly sourceWords: Int32Array
  source: PacketSource
}

/**
 * Receives through `src/native/batch-receive.c`: {@link NativeReceiver.receive} takes what waits in all sockets, with the kernel's
 * time of arrival. All datagrams lie in one arena that is used again; for those as long as the ones before, nothing is allocated.
 */
export class NativeReceiver implements PacketReceiver {
  readonly name = 'native'
  readonly #addon: NativeAddon
  readonly #handle: NativeHandle
  readonly #arena = new Uint8Array(SLOTS * SLOT_BYTES)
  readonly #index = new Int32Array(SLOTS * INDEX_WORDS)
  readonly #arrivals = new Float64Array(SLOTS)
  /** A view of each slot, as long as the datagram that was there last. */
  readonly #views = Array.from({ length: SLOTS }, (_, slot) => viewOf(this.#arena, slot, 0))
  /** By the place of the socket, which is the lower half of its id. */
  readonly #sockets: (OpenSocket | undefined)[] = []
  readonly #counters = { truncated: 0, overflows: 0 }
  #isReceiving = false

  constructor(addon: NativeAddon) {
    this.#addon = addon
    this.#handle = addon.createReceiver(SLOTS, SLOT_BYTES)
  }

  get counters(): ReceiverCounters {
    return this.#counters
  }

  async open(options: PacketSocketOptions): Promise<PacketSocket> {
    const { address, port, receiveBufferBytes = 0, onPacket } = options
    const id = this.#addon.openSocket(this.#handle, address, port, receiveBufferBytes)
    if (id < 0) throw openingError(id, port)
    const socket: OpenSocket = {
      id,
      onPacket,
      overflows: 0,
      sourceWords: new Int32Array(SOURCE_WORDS),
      source: { address: '', port: 0 },
    }
    this.#sockets[id & PLACE_MASK] = socket
    return {
      port,
      get overflows() {
        return socket.overflows
      },
      close: () => this.#close(socket),
    }
  }

  /** A handler that calls it while it runs changes nothing: the outer call goes on. */
  receive(): void {
    if (this.#isReceiving) return
    this.#isReceiving = true
    try {
      for (let call = 0; call < CALLS_MAX; call += 1) {
        const count = this.#addon.receive(this.#handle, this.#arena, this.#index, this.#arrivals)
        for (let slot = 0; slot < count; slot += 1) this.#handOver(slot)
        if (count < SLOTS) break
      }
    } finally {
      this.#isReceiving = false
    }
  }

  #handOver(slot: number): void {
    const base = slot * INDEX_WORDS
    const id = this.#index[base + SOCKET] ?? 0
    const socket = this.#sockets[id & PLACE_MASK]
    // Closed by the handler of a datagram before this one.
    if (socket?.id !== id) return
    const drops = (this.#index[base + DROPS] ?? 0) >>> 0
    if (drops !== socket.overflows) this.#noteDrops(socket, drops)
    if (((this.#index[base + FLAGS] ?? 0) & FLAG_TRUNCATED) !== 0) {
      this.#counters.truncated += 1
      return
    }
    const length = this.#index[base + LENGTH] ?? 0
    let bytes = this.#views[slot]
    if (bytes?.length !== length) {
      bytes = viewOf(this.#arena, slot, length)
      this.#views[slot] = bytes
    }
    socket.onPacket(bytes, this.#arrivals[slot] ?? 0, this.#sourceOf(socket, base))
  }

  #sourceOf(socket: OpenSocket, base: number): PacketSource {
    const { sourceWords } = socket
    let isSame = true
    for (let word = 0; word < SOURCE_WORDS; word += 1) {
      const value = word === 1 ? 0 : (this.#index[base + SOURCE_PORT + word] ?? 0)
      isSame &&= sourceWords[word] === value
      sourceWords[word] = value
    }
    if (!isSame) {
      const family = this.#index[base + SOURCE_FAMILY]
      const octets = new Uint8Array(this.#index.buffer, (base + SOURCE_FAMILY + 1) * 4, family === 6 ? 16 : 4)
      socket.source = { address: sourceAddress(octets), port: this.#index[base + SOURCE_PORT] ?? 0 }
    }
    return socket.source
  }

  #noteDrops(socket: OpenSocket, drops: number): void {
    this.#counters.overflows += Math.max(0, drops - socket.overflows)
    socket.overflows = drops
  }

  #close(socket: OpenSocket): void {
    const place = socket.id & PLACE_MASK
    if (this.#sockets[place] !== socket) return
    this.#sockets[place] = undefined
    this.#noteDrops(socket, Math.max(socket.overflows, this.#addon.closeSocket(this.#handle, socket.id)))
  }
}

function viewOf(arena: Uint8Array, slot: number, length: number): Uint8Array {
  return arena.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length)
}

function openingError(errorNumber: number, port: number): Error {
  const code = getSystemErrorName(errorNumber)
  const error = Object.assign(new Error(`bind ${code}`), { code })
  return isPortError(error) ? new PortBusyError(port, error) : error
}
