import { randomBytes } from 'node:crypto'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { DrachtioSignalling } from '../../src/server/signalling/drachtio/drachtio-signalling.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import type { BoundAddress } from '../../src/server/signalling/port.ts'
import { DrachtioPeer } from '../support/drachtio-peer/drachtio-peer.ts'
import { describeOursOfContract } from './signalling-contract-ours.ts'
import type { EngineUnderTest } from './signalling-contract-parts.ts'
import { describeSignallingContract } from './signalling-contract.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {} }
const randomToken = (): string => randomBytes(16).toString('hex')
const SECRET = 'test-secret'

/** drachtio-server has the timers of SIP, but waits for no PRACK. */
function timersFor(t1Ms: number | undefined) {
  return t1Ms === undefined ? {} : { timers: { prackMs: 64 * t1Ms } }
}

const ENGINES: readonly EngineUnderTest[] = [
  {
    name: 'embedded',
    start: async (handler, { t1Ms }) => {
      const port = new EmbeddedSignalling({
        listen: [
          { transport: 'udp', address: '127.0.0.1', port: 0 },
          { transport: 'tcp', address: '127.0.0.1', port: 0 },
        ],
        log,
        randomToken,
        nowUs: monotonicUs,
        ...(t1Ms === undefined ? {} : { timers: { t1Us: t1Ms * 1_000, t2Us: t1Ms * 8_000, t4Us: t1Ms * 8_000 } }),
      })
      const bound = await port.run(handler)
      const at = (transport: 'udp' | 'tcp'): BoundAddress => bound.find((address) => address.transport === transport)!
      return { port, at, close: async () => {} }
    },
  },
  {
    name: 'drachtio, to whose admin port we connect',
    start: async (handler, { t1Ms }) => {
      const peer = await DrachtioPeer.open({ secret: SECRET, ...(t1Ms === undefined ? {} : { t1Ms }) })
      const port = new DrachtioSignalling({
        meeting: { mode: 'connect', host: '127.0.0.1', port: peer.adminPort },
        secret: SECRET,
        log,
        randomToken,
        nowUs: monotonicUs,
        ...timersFor(t1Ms),
      })
      await port.run(handler)
      return { port, at: (transport) => peer.at(transport), close: () => peer.close() }
    },
  },
  {
    name: 'drachtio, which connects to us',
    start: async (handler, { t1Ms }) => {
      const port = new DrachtioSignalling({
        meeting: { mode: 'listen', address: '127.0.0.1', port: 0, allow: ['127.0.0.0/8'] },
        secret: SECRET,
        log,
        randomToken,
        nowUs: monotonicUs,
        ...timersFor(t1Ms),
      })
      await port.run(handler)
      const peer = await DrachtioPeer.open({
        secret: SECRET,
        routeTo: { host: '127.0.0.1', port: port.listensAt!.port },
        ...(t1Ms === undefined ? {} : { t1Ms }),
      })
      return { port, at: (transport) => peer.at(transport), close: () => peer.close() }
    },
  },
]

for (const engine of ENGINES) {
  describeSignallingContract(engine)
  describeOursOfContract(engine)
}
