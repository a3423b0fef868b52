/**
 * What SRTP costs: CPU time of one packet of 20 ms of G.711 (172 octets in clear) through each suite, of one that is forged, and of
 * the ways in which the packets could be decrypted and authenticated, which is why `src/protocol/srtp` does it as it does.
 *
 * `npm run bench:srtp`, or `npm run bench:srtp -- --packets 20000 --rounds 5 --json`. The best of several rounds is shown, as the
 * machine may be busy. It measures, it judges nothing.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey } from 'node:crypto'

import { parseRtp, serializeRtp } from '../../src/protocol/rtp/packet.ts'
import { HmacSha1 } from '../../src/protocol/srtp/hmac-sha1.ts'
import { PADDING_LENGTH_MAX } from '../../src/protocol/srtp/sha1.ts'
import { SrtpReceiver } from '../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'
import { commandOptions } from '../support/command-options.ts'
import { ALL_SUITES, keysOf } from '../support/srtp.ts'

const values = commandOptions('bench:srtp', {
  packets: { type: 'string', default: '20000' },
  rounds: { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
})
const packets = Number(values.packets)
const rounds = Number(values.rounds)

/** Packets that follow on each other, over the wrap of sequence numbers. */
function clearPackets(): readonly Uint8Array[] {
  return Array.from({ length: packets }, (_, index) =>
    serializeRtp({
      payloadType: 0,
      marker: false,
      sequenceNumber: (60_000 + index) & 0xffff,
      timestamp: index * 160,
      ssrc: 1,
      payload: new Uint8Array(160).fill(index),
    }),
  )
}

/** CPU microseconds of one call; the best round counts. */
function measure(prepare: () => (index: number) => unknown): number {
  let bestUs = Infinity
  for (let round = 0; round < rounds; round++) {
    const work = prepare()
    const before = process.cpuUsage()
    for (let index = 0; index < packets; index++) work(index)
    const { user, system } = process.cpuUsage(before)
    bestUs = Math.min(bestUs, (user + system) / packets)
  }
  return Math.round(bestUs * 100) / 100
}

const clear = clearPackets()
const plainUs = measure(() => (index) => parseRtp(clear[index] ?? new Uint8Array(0)))
const suites = ALL_SUITES.map((suite) => {
  const keys = keysOf(suite)
  const sender = new SrtpSender(keys)
  const sealed = clear.map((packet) => sender.protectRtp(packet))
  const forged = sealed.map((packet) => Uint8Array.from(packet, (octet, at) => (at === 20 ? octet ^ 1 : octet)))
  const receive = (datagrams: readonly Uint8Array[], first: number) => () => {
    const receiver = new SrtpReceiver(keys)
    for (const datagram of sealed.slice(0, first)) receiver.unprotectRtp(datagram, 0)
    return (index: number) => {
      const opened = receiver.unprotectRtp(datagrams[index] ?? new Uint8Array(0), index)
      return opened.ok && parseRtp(opened.value)
    }
  }
  return {
    suite,
    protectUs: measure(() => {
      const fresh = new SrtpSender(keys)
      return (index) => fresh.protectRtp(clear[index] ?? new Uint8Array(0))
    }),
    unprotectUs: measure(receive(sealed, 0)),
    forgedUs: measure(receive(forged, 1)),
  }
})

const key = new Uint8Array(16).fill(1)
const iv = new Uint8Array(16)
const nonce = new Uint8Array(12)
const payload = new Uint8Array(160)
const many = new Uint8Array(16 * payload.length)
const keyObject = createSecretKey(key)
const tag = new Uint8Array(16)
const ecb = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
const inner = createHash('sha1').update(new Uint8Array(64))
const hmac = new HmacSha1(key.subarray(0, 16))
const message = new DataView(new ArrayBuffer(payload.length + PADDING_LENGTH_MAX))
const gcm = (secret: Uint8Array | typeof keyObject) => () => {
  const decipher = createDecipheriv('aes-128-gcm', secret, nonce, { authTagLength: 16 })
  decipher.setAAD(payload.subarray(0, 12))
  decipher.setAuthTag(tag)
  return decipher.update(payload)
}
const ways: readonly (readonly [string, () => unknown, number?])[] = [
  ['AES-CM: createDecipheriv, key octets', () => createDecipheriv('aes-128-ctr', key, iv).update(payload)],
  ['AES-CM: createDecipheriv, key object', () => createDecipheriv('aes-128-ctr', keyObject, iv).update(payload)],
  ['AES-CM: open AES-ECB over counters', () => ecb.update(payload)],
  ['AES-CM: the same, for 16 packets at once (used)', () => ecb.update(many), 16],
  ['HMAC-SHA1: createHmac, key octets', () => createHmac('sha1', key).update(payload).digest()],
  ['HMAC-SHA1: createHmac, key object', () => createHmac('sha1', keyObject).update(payload).digest()],
  ['HMAC-SHA1: own, states of the key ready (used)', () => hmac.compute(message, payload.length)],
  ['HMAC-SHA1: copies of two hashes', () => inner.copy().update(inner.copy().update(payload).digest()).digest()],
  ['AES-GCM: createDecipheriv, key octets', gcm(key)],
  ['AES-GCM: createDecipheriv, key object (used)', gcm(keyObject)],
]
const parts = ways.map(([way, work, count = 1]) => ({ way, us: measure(() => work) / count }))

if (values.json) {
  console.log(JSON.stringify({ packets, rounds, plainUs, suites, parts }))
} else {
  const column = (value: number): string => value.toFixed(2).padStart(12)
  console.log(`CPU microseconds per packet of 20 ms of G.711 (parsing it in clear: ${plainUs.toFixed(2)})\n`)
  console.log(`${'suite'.padEnd(26)}${['protect', 'unprotect', 'forged'].map((name) => name.padStart(12)).join('')}`)
  for (const { suite, protectUs, unprotectUs, forgedUs } of suites) {
    console.log(`${suite.padEnd(26)}${column(protectUs)}${column(unprotectUs)}${column(forgedUs)}`)
  }
  console.log('\nwithout the rest of the transform')
  for (const { way, us } of parts) console.log(`${way.padEnd(50)}${column(us)}`)
}
