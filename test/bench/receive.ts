/**
 * What receiving costs: CPU microseconds a packet of both receivers, nothing done with the packets.
 *
 * `npm run bench:receive`, or `npm run bench:receive -- --sockets 100,400 --seconds 4 --wakes 20,100 --json`. Each socket gets 50 packets of
 * G.711 a second from a process that is not counted. It measures, it judges nothing; on a shared machine compare the rows, not the numbers.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { PacketReceiverName } from '../../src/server/media/packet-receiver.ts'
import { commandOptions } from '../support/command-options.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'

const PACKET_MS = 20
const PACKET_BYTES = 172
/** What is on its way when the last packet has been sent, and the longest wake. */
const SETTLE_MS = 500

interface Row {
  readonly receiver: string
  readonly sockets: number
  readonly wakeMs: number
  readonly usPerPacket: number
  readonly sent: number
  readonly lost: number
}

const values = commandOptions('bench:receive', {
  sockets: { type: 'string', default: '100,400' },
  seconds: { type: 'string', default: '4' },
  wakes: { type: 'string', default: '20,50,100' },
  json: { type: 'boolean', default: false },
})

const rows: Row[] = []
for (const sockets of values.sockets.split(',').map(Number)) {
  rows.push(await measure('dgram', sockets, 0))
  for (const wake of values.wakes.split(',')) rows.push(await measure('native', sockets, Number(wake)))
}
if (values.json) console.log(JSON.stringify(rows, undefined, 2))
else console.table(rows)

async function measure(receiver: PacketReceiverName, sockets: number, wakeMs: number): Promise<Row> {
  const first = (await claimRtpPortRange()).portMin
  const ports = Array.from({ length: sockets }, (_, at) => first + 2 * at)
  const child = fork(join(import.meta.dirname, 'lib', 'receive-process.ts'))
  try {
    await asked(child, { ports, receiver, ...(wakeMs === 0 ? {} : { wakeMs }) })
    await asked(child, 'begin')
    const sent = await send(ports, Number(values.seconds))
    await sleep(SETTLE_MS)
    const { packets, cpuUs } = (await asked(child, 'report')) as { readonly packets: number; readonly cpuUs: number }
    const usPerPacket = Math.round((100 * cpuUs) / packets) / 100
    return { receiver, sockets, wakeMs, usPerPacket, sent, lost: sent - packets }
  } finally {
    child.kill()
    await once(child, 'exit')
  }
}

async function asked(child: ChildProcess, question: object | string): Promise<unknown> {
  child.send(question)
  const [answer] = (await once(child, 'message')) as [unknown]
  return answer
}

/** A packet to each port every 20 ms; after a delay as many as were missed. */
async function send(ports: readonly number[], seconds: number): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const packet = new Uint8Array(PACKET_BYTES).fill(0x80)
  const startedMs = performance.now()
  let rounds = 0
  for (; rounds * PACKET_MS < seconds * 1_000; rounds += 1) {
    await sleep(Math.max(0, startedMs + rounds * PACKET_MS - performance.now()))
    await Promise.all(ports.map((port) => sent(socket, port, packet)))
  }
  socket.close()
  await once(socket, 'close')
  return rounds * ports.length
}

function sent(socket: Socket, port: number, packet: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    socket.send(packet, port, '127.0.0.1', () => resolve())
  })
}
