import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { DgramReceiver } from '../../src/server/media/dgram-receiver.ts'
import { loadNativeAddon, type NativeAddon } from '../../src/server/media/native-addon.ts'
import { NativeReceiver, SLOT_BYTES, SLOTS } from '../../src/server/media/native-receiver.ts'
import { PortBusyError, type PacketReceiver, type PacketSocket } from '../../src/server/media/packet-receiver.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { udpDrops } from '../bench/lib/process-usage.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'
import { UdpSender } from '../support/udp-sender.ts'

/** Both receivers keep one contract; what only the one in C can do follows below. Needs the module: `npm test` has built it. */
const CLOCK_TOLERANCE_US = 2_000
const FDS = '/proc/self/fd'

interface Received {
  readonly bytes: string
  readonly arrivalUs: number
  readonly from: string
}

let receiver: PacketReceiver
let sender: UdpSender
let firstPort: number
let received: Received[]
let open: PacketSocket[]

function addon(): NativeAddon {
  const loaded = loadNativeAddon()
  if (!loaded.ok) throw new Error(`the module is ${loaded.reason}: npm run native`)
  return loaded.value
}

const make = { dgram: () => new DgramReceiver(monotonicUs), native: () => new NativeReceiver(addon()) }

async function opened(port: number, address = '127.0.0.1', receiveBufferBytes?: number): Promise<PacketSocket> {
  const socket = await receiver.open({
    address,
    port,
    ...(receiveBufferBytes === undefined ? {} : { receiveBufferBytes }),
    onPacket: (bytes, arrivalUs, source) =>
      received.push({ bytes: Buffer.from(bytes).toString(), arrivalUs, from: `${source.address} ${source.port}` }),
  })
  open.push(socket)
  return socket
}

/** Receives until `count` datagrams are here. */
async function until(count: number): Promise<void> {
  while (received.length < count) {
    receiver.receive()
    await setImmediate()
  }
}

beforeEach(async () => {
  received = []
  open = []
  firstPort = (await claimRtpPortRange()).portMin
  sender = await UdpSender.open()
})

afterEach(async () => {
  for (const socket of open) socket.close()
  await sender.close()
})

describe.each(['dgram', 'native'] as const)('the receiver "%s"', (name) => {
  beforeEach(() => {
    receiver = make[name]()
  })

  test('hands over bytes, source and time of arrival, in order, also of datagrams without bytes', async () => {
    await opened(firstPort)
    const beforeUs = monotonicUs()
    const sent = ['one', '', 'three', 'x'.repeat(1_400), '']
    for (const text of sent) await sender.send(Buffer.from(text), firstPort)
    await until(sent.length)
    expect(received.map(({ bytes }) => bytes)).toEqual(sent)
    expect(new Set(received.map(({ from }) => from))).toEqual(new Set([`127.0.0.1 ${sender.port}`]))
    const arrivals = received.map(({ arrivalUs }) => arrivalUs)
    expect(arrivals.toSorted((left, right) => left - right)).toEqual(arrivals)
    expect(arrivals[0]).toBeGreaterThanOrEqual(beforeUs - CLOCK_TOLERANCE_US)
    expect(arrivals.at(-1)).toBeLessThanOrEqual(monotonicUs())
  })

  test('tells two sources of one socket apart', async () => {
    await opened(firstPort)
    const other = await UdpSender.open()
    for (const from of [sender, other, other, sender]) await from.send(Buffer.from('x'), firstPort)
    await until(4)
    const ports = [sender.port, other.port, other.port, sender.port]
    expect(received.map(({ from }) => from)).toEqual(ports.map((port) => `127.0.0.1 ${port}`))
    await other.close()
  })

  test('receives over IPv6, and IPv4 on a socket for both', async () => {
    await opened(firstPort, '::1')
    await opened(firstPort + 1, '::')
    const six = await UdpSender.open('::1')
    await six.send(Buffer.from('six'), firstPort, '::1')
    await until(1)
    await sender.send(Buffer.from('four'), firstPort + 1)
    await until(2)
    expect(received.map(({ from }) => from)).toEqual([`::1 ${six.port}`, `::ffff:127.0.0.1 ${sender.port}`])
    await six.close()
  })

  test('says which port is busy, and rejects with the system error when another port would not help', async () => {
    await opened(firstPort)
    await expect(opened(firstPort)).rejects.toThrow(PortBusyError)
    await expect(opened(firstPort + 1, '192.0.2.1')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  })

  test('hands over nothing of a socket after it was closed, not even to the one that follows on its port', async () => {
    let count = 0
    const socket = await receiver.open({
      address: '127.0.0.1',
      port: firstPort,
      onPacket: () => {
        count += 1
        socket.close()
        socket.close()
      },
    })
    await opened(firstPort + 1)
    for (let sent = 0; sent < 5; sent += 1) await sender.send(Buffer.from('x'), firstPort)
    await sender.send(Buffer.from('last'), firstPort + 1)
    await until(1)
    expect(count).toBe(1)
    await setImmediate()
    await opened(firstPort)
    await sender.send(Buffer.from('new'), firstPort)
    await until(2)
    expect(received.map(({ bytes }) => bytes)).toEqual(['last', 'new'])
  })

  test('loses nothing of 20,000 datagrams on 200 sockets', async () => {
    const ports = Array.from({ length: 200 }, (_, at) => at)
    const first = firstPort + 100
    const next = ports.map(() => 0)
    let outOfOrder = 0
    for (const at of ports) {
      open.push(
        await receiver.open({
          address: '127.0.0.1',
          port: first + at,
          onPacket: (bytes) => {
            if (Number(Buffer.from(bytes).toString()) !== next[at]) outOfOrder += 1
            next[at] = (next[at] ?? 0) + 1
          },
        }),
      )
    }
    for (let number = 0; number < 100; number += 1) {
      await Promise.all(ports.map((at) => sender.send(Buffer.from(String(number)), first + at)))
      if (number % 7 === 0) receiver.receive()
    }
    while (next.some((count) => count < 100)) {
      receiver.receive()
      await setImmediate()
    }
    expect(outOfOrder).toBe(0)
    expect(open.map(({ overflows }) => overflows)).toEqual(ports.map(() => 0))
  })

  test('opens and closes 2,000 sockets and leaves no descriptor behind', async () => {
    const before = readdirSync(FDS).length
    for (let round = 0; round < 500; round += 1) {
      const sockets = [0, 1, 2, 3].map((at) => opened(firstPort + at))
      for (const socket of await Promise.all(sockets)) socket.close()
      open = []
      if (name === 'dgram') await setImmediate()
    }
    await setImmediate()
    await setImmediate()
    expect(readdirSync(FDS).length).toBeLessThanOrEqual(before)
  })
})

describe('the receiver in C', () => {
  let stamped: PacketSocket

  // The kernel begins to stamp datagrams a while after the first socket asks for it, on a busy machine later than a test lasts, and ends
  // behind the last. One without a stamp has come when it is read: in the middle of the sweep, which therefore ends.
  beforeAll(async () => {
    const [other, from, { portMax: port }] = [make.native(), await UdpSender.open(), await claimRtpPortRange()]
    let arrivedUs = Infinity
    const onPacket = (_: Uint8Array, arrivalUs: number): void => void (arrivedUs = arrivalUs)
    stamped = await other.open({ address: '127.0.0.1', port, onPacket })
    for (let sentUs = 0; arrivedUs > sentUs + CLOCK_TOLERANCE_US;) {
      await from.send(Buffer.from('x'), port)
      sentUs = monotonicUs()
      while (monotonicUs() < sentUs + 5 * CLOCK_TOLERANCE_US) await setImmediate()
      other.receive()
    }
    await from.close()
  })

  afterAll(() => stamped.close())

  beforeEach(() => {
    receiver = make.native()
  })

  test('takes by one call what fills its arena several times over', async () => {
    for (const at of [0, 1, 2]) await opened(firstPort + at, '127.0.0.1', 4_000_000)
    const count = 3 * SLOTS + 10
    for (let number = 0; number < count; number += 1) {
      await sender.send(Buffer.from(String(number)), firstPort + (number % 3))
    }
    receiver.receive()
    expect(received.map(({ bytes }) => Number(bytes)).sort((left, right) => left - right)).toEqual(
      Array.from({ length: count }, (_, number) => number),
    )
  })

  test('ends a sweep although each datagram that it hands over brings another', async () => {
    const echo = createSocket('udp4')
    echo.connect(firstPort, '127.0.0.1')
    await once(echo, 'connect')
    let count = 0
    open.push(
      await receiver.open({
        address: '127.0.0.1',
        port: firstPort,
        receiveBufferBytes: 4_000_000,
        onPacket: () => {
          count += 1
          // Of a connected socket: sent before this returns.
          if (count < 20 * SLOTS) echo.send('again')
        },
      }),
    )
    for (let number = 0; number < SLOTS; number += 1) await sender.send(Buffer.from('first'), firstPort)
    receiver.receive()
    expect(count).toBeGreaterThanOrEqual(SLOTS)
    expect(count).toBeLessThan(2 * SLOTS)
    receiver.receive()
    expect(count).toBeGreaterThanOrEqual(2 * SLOTS)
    echo.close()
  })

  test('gives the time at which the kernel had the datagram, however late it is read', async () => {
    await opened(firstPort)
    const instants: number[] = []
    for (let number = 0; number < 5; number += 1) {
      instants.push(monotonicUs())
      await sender.send(Buffer.from('x'), firstPort)
      instants.push(monotonicUs())
      const untilUs = monotonicUs() + 30_000
      while (monotonicUs() < untilUs) await setImmediate()
    }
    receiver.receive()
    received.forEach(({ arrivalUs }, at) => {
      expect(arrivalUs).toBeGreaterThanOrEqual((instants[2 * at] ?? 0) - CLOCK_TOLERANCE_US)
      expect(arrivalUs).toBeLessThanOrEqual((instants[2 * at + 1] ?? 0) + CLOCK_TOLERANCE_US)
    })
    expect(received).toHaveLength(5)
  })

  test('drops and counts a datagram that does not fit, and goes on', async () => {
    await opened(firstPort)
    for (const length of [SLOT_BYTES, SLOT_BYTES + 1, 60_000, 3])
      await sender.send(Buffer.alloc(length, 'y'), firstPort)
    await until(2)
    expect(received.map(({ bytes }) => bytes.length)).toEqual([SLOT_BYTES, 3])
    expect(receiver.counters).toEqual({ truncated: 2, overflows: 0 })
  })

  test('counts what the kernel had to drop, while it reads and when it closes', async () => {
    const socket = await opened(firstPort, '127.0.0.1', 16_384)
    const sent = 400
    // Until all of them were read, or dropped as the kernel says.
    const flood = async (ofAll: number): Promise<void> => {
      for (let number = 0; number < sent; number += 1) await sender.send(Buffer.alloc(160), firstPort)
      do receiver.receive()
      while (received.length + (await udpDrops(new Set([firstPort]))) < ofAll)
    }
    await flood(sent)
    const dropped = sent - received.length
    expect(dropped).toBeGreaterThan(0)
    await flood(2 * sent)
    expect(socket.overflows).toBeGreaterThanOrEqual(dropped)
    socket.close()
    expect(socket.overflows).toBe(2 * sent - received.length)
    expect(receiver.counters.overflows).toBe(socket.overflows)
  })

  test('is not confused by a handler that receives, closes and opens', async () => {
    const codes: string[] = []
    const other = await opened(firstPort + 1)
    let openings = 0
    open.push(
      await receiver.open({
        address: '127.0.0.1',
        port: firstPort,
        onPacket: (bytes) => {
          codes.push(Buffer.from(bytes).toString())
          receiver.receive()
          other.close()
          // Takes the place of the one just closed, whose datagrams are in the arena already.
          openings += 1
          void opened(firstPort + 1 + openings)
        },
      }),
    )
    for (const number of [1, 2, 3]) await sender.send(Buffer.from(String(number)), firstPort)
    for (const number of [4, 5]) await sender.send(Buffer.from(String(number)), firstPort + 1)
    receiver.receive()
    expect(codes).toEqual(['1', '2', '3'])
    expect(received.map(({ bytes }) => bytes).filter((bytes) => !['4', '5'].includes(bytes))).toEqual([])
    await setImmediate()
    await sender.send(Buffer.from('new'), firstPort + 2)
    await until(received.length + 1)
    expect(received.at(-1)?.bytes).toBe('new')
  })
})
