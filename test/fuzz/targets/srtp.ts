import { parseRtcp } from '../../../src/protocol/rtp/rtcp.ts'
import { serializeReceiverReport } from '../../../src/protocol/rtp/rtcp-writer.ts'
import { serializeRtp } from '../../../src/protocol/rtp/packet.ts'
import { DATAGRAM_LENGTH_MAX } from '../../../src/protocol/srtp/packet-header.ts'
import type { SrtpKeys } from '../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpReceiver } from '../../../src/protocol/srtp/srtp-receiver.ts'
import { SrtpSender } from '../../../src/protocol/srtp/srtp-sender.ts'
import { ALL_SUITES, keysOf, masterKeyOf } from '../../support/srtp.ts'
import type { Random } from '../random.ts'
import { type FuzzTarget, invariant } from '../target.ts'

const voice = serializeRtp({
  payloadType: 0,
  marker: false,
  sequenceNumber: 65_535,
  timestamp: 1,
  ssrc: 1,
  payload: new Uint8Array(160).fill(0xd5),
})
const report = serializeReceiverReport({ type: 'receiverReport', ssrc: 1, reports: [] })

/** Every suite, with what SDP can change about it: the first octet of an input chooses. */
const KEYS: readonly SrtpKeys[] = ALL_SUITES.flatMap((suite) => [
  keysOf(suite),
  keysOf(suite, { masterKeys: [1, 2].map((seed) => masterKeyOf(suite, seed, Uint8Array.of(0, seed))) }),
  keysOf(suite, { unencryptedSrtp: true, unencryptedSrtcp: true, keyDerivationRate: 16 }),
  keysOf(suite, { unauthenticatedSrtp: true }),
])
/** They live as long as the run, as the state of a media stream does. */
const receivers = KEYS.map((keys) => new SrtpReceiver(keys))
let nowUs = 0

/** The first octet chooses the keys, the rest is the datagram. */
export const srtp: FuzzTarget = {
  name: 'srtp',
  corpus: KEYS.flatMap((keys, choice) => {
    const sender = new SrtpSender(keys)
    return [sender.protectRtp(voice), sender.protectRtcp(report)].map((packet) => Uint8Array.of(choice, ...packet))
  }),
  dictionary: ['\0\u0001', '\0\u0002', '\0\0\0\0'],
  generate(random: Random) {
    const bytes = Uint8Array.from({ length: random.size(1_500) + 2 }, () => random.below(256))
    bytes[1] = 0x80 | random.below(64)
    return bytes
  },
  run(input) {
    const choice = (input[0] ?? 0) % KEYS.length
    const datagram = input.subarray(1)
    const receiver = receivers[choice]
    const keys = KEYS[choice]
    if (receiver === undefined || keys === undefined) return
    const before = datagram.slice()
    nowUs += 1_000
    for (const opened of [receiver.unprotectRtp(datagram, nowUs), receiver.unprotectRtcp(datagram, nowUs)]) {
      invariant(!opened.ok || opened.value.length <= datagram.length, 'what is opened is not longer')
      invariant(!opened.ok || opened.value.buffer !== datagram.buffer, 'what is opened is no view of the datagram')
    }
    invariant(Buffer.compare(before, datagram) === 0, 'the datagram is not changed')
    checkRoundTrip(datagram, keys)
  },
}

/** Whatever has the header of a packet comes back as it was. */
function checkRoundTrip(packet: Uint8Array, keys: SrtpKeys): void {
  if (packet.length > DATAGRAM_LENGTH_MAX - 200 || packet.length < 8 || (packet[0] ?? 0) >> 6 !== 2) return
  const isRtcp = parseRtcp(packet).ok
  let sealed: Uint8Array
  try {
    const sender = new SrtpSender(keys)
    sealed = isRtcp ? sender.protectRtcp(packet) : sender.protectRtp(packet)
  } catch (error) {
    invariant(error instanceof RangeError, 'only what is no packet is refused')
    return
  }
  const receiver = new SrtpReceiver(keys)
  const opened = isRtcp ? receiver.unprotectRtcp(sealed, 0) : receiver.unprotectRtp(sealed, 0)
  invariant(opened.ok && Buffer.compare(opened.value, packet) === 0, 'a packet comes back as it was')
}
