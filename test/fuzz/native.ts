/**
 * `npm run native:asan [-- --calls 20000 --rounds 40 --seed 7]`: drives a module built with AddressSanitizer and UBSan. Arguments of every kind, then
 * traffic on many sockets, threads that end with sockets open, and the garbage collector. Ends with 0, or with the sanitizer's report.
 */
import { readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'

import { loadNativeAddon, type NativeAddon } from '../../src/server/media/native-addon.ts'
import { NativeReceiver, SLOT_BYTES } from '../../src/server/media/native-receiver.ts'
import { claimRtpPortRange } from '../support/rtp-port-range.ts'
import { fuzzAddon } from '../support/native-fuzz.ts'
import { UdpSender } from '../support/udp-sender.ts'

const SOCKETS = 100
const THREADS = 4

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calls: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
  },
})

const [file] = positionals
const loaded = loadNativeAddon(file)
if (!loaded.ok) throw new Error(`the module is ${loaded.reason}`)

const taken = fuzzAddon(loaded.value, { seed: Number(values.seed), calls: Number(values.calls) })
console.error(`${values.calls} calls with seed ${values.seed}, ${taken} of them taken`)
console.error(`${await exchange(loaded.value)} datagrams received`)
console.error(`${await endThreads()} threads ended with sockets open`)
collectGarbage()
await setImmediate()
collectGarbage()

/** Datagrams of every length, sockets that open and close meanwhile, and a buffer that overflows. */
async function exchange(addon: NativeAddon): Promise<number> {
  const first = (await claimRtpPortRange()).portMin
  const receiver = new NativeReceiver(addon)
  const sender = await UdpSender.open()
  let received = 0
  const openAt = (at: number) =>
    receiver.open({
      address: '127.0.0.1',
      port: first + at,
      receiveBufferBytes: at % 3 === 0 ? 16_384 : 1_000_000,
      onPacket: (bytes) => {
        received += 1
        if (bytes.some((octet) => octet !== bytes.length % 251))
          throw new Error('the bytes are not those that were sent')
      },
    })
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, (_, at) => openAt(at)))
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (let at = 0; at < SOCKETS; at += 1) {
      const length = (round * 977 + at * 131) % (SLOT_BYTES + 50)
      await sender.send(new Uint8Array(length).fill(length % 251), first + at)
    }
    if (round % 3 === 0) receiver.receive()
    const turned = round % SOCKETS
    sockets[turned]?.close()
    sockets[turned] = await openAt(turned)
  }
  receiver.receive()
  for (const socket of sockets) socket.close()
  await sender.close()
  return received
}

async function endThreads(): Promise<number> {
  const before = readdirSync('/proc/self/fd').length
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const addon = require(workerData)
    globalThis.kept = addon.createReceiver(16, 64)
    for (let opened = 0; opened < 20; opened += 1) addon.openSocket(kept, '127.0.0.1', 0, 0)
    parentPort.postMessage('open')
    setInterval(() => addon.receive(kept, new Uint8Array(1024), new Int32Array(160), new Float64Array(16)), 1)`
  for (let thread = 0; thread < THREADS; thread += 1) {
    const worker = new Worker(code, { eval: true, workerData: file })
    await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
  }
  const left = readdirSync('/proc/self/fd').length - before
  if (left > 0) throw new Error(`${left} descriptors of ended threads are still open`)
  return THREADS
}

function collectGarbage(): void {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('run it with --expose-gc')
  gc()
}
