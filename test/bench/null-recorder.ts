/** The embedded SIP stack with a recorder that records nothing: what `sip-dialogs.ts` measures, in a process of its own. */
import { monotonicUs } from '../../src/server/monotonic.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import { randomToken } from '../../src/server/signalling/random-token.ts'

const SDP = Buffer.from(
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n' +
    'm=audio 20000 RTP/AVP 0\r\na=label:1\r\na=recvonly\r\nm=audio 20002 RTP/AVP 0\r\na=label:2\r\na=recvonly\r\n',
)
let retransmissions = 0

const signalling = new EmbeddedSignalling({
  listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
  log: { debug: () => {}, info: () => {}, warn: (fields, message) => console.error(message, fields) },
  randomToken,
  nowUs: monotonicUs,
})
const [bound] = await signalling.run({
  handleInvite: (offer) => offer.answer(SDP),
  handleReinvite: (offer) => offer.answer(SDP),
  handleConfirmed: () => {},
  handleEnded: () => {},
  optionsStatus: () => ({ status: 200 }),
  handleCounted: (counter) => {
    if (counter.kind === 'retransmission') retransmissions += 1
  },
})
console.log(JSON.stringify({ port: bound?.port }))
process.stdin.on('data', () => console.log(JSON.stringify({ retransmissions, cpu: process.cpuUsage() })))
process.stdin.on('end', () => process.exit(0))
