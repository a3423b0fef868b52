import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import type { SignallingCounter } from '../../src/server/signalling/port.ts'
import { runSipp } from '../support/sipp.ts'

const SCENARIO = fileURLToPath(new URL('../../sipp-scenarios/rfc3262/early-media.xml', import.meta.url))
const ANSWER = Buffer.from(
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=label:1\r\na=recvonly\r\n',
)

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

test('SIPp requires 100rel and acknowledges a 183 with SDP by PRACK', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-100rel-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  const counters: SignallingCounter[] = []
  const happened: string[] = []
  const signalling = new EmbeddedSignalling({
    listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
    log: { debug: () => {}, info: () => {}, warn: () => {} },
    randomToken: () => randomBytes(16).toString('hex'),
    nowUs: monotonicUs,
  })
  const [bound] = await signalling.run({
    handleInvite: (offer) => {
      offer.progress(183, ANSWER)
      // At once: the 200 has to wait for the PRACK by itself.
      offer.answer(ANSWER)
    },
    handleReinvite: (offer) => offer.refuse(488, 'Not Acceptable Here'),
    handleConfirmed: () => void happened.push('confirmed'),
    handleEnded: (_, end) => void happened.push(`ended ${end.cause}`),
    optionsStatus: () => ({ status: 200 }),
    handleCounted: (counter) => void counters.push(counter),
  })
  closers.push(() => signalling.stop())
  await writeFile(join(folder, 'none.csv'), 'SEQUENTIAL\nnothing\n')
  const result = await runSipp({
    scenario: SCENARIO,
    fields: join(folder, 'none.csv'),
    folder,
    target: { transport: 'udp', address: bound!.address, port: bound!.port },
    pauseMs: 0,
    patienceMs: 20_000,
  })
  expect(result, result.errors + result.messages).toMatchObject({ exitCode: 0, successful: 1, failed: 0 })
  expect(happened).toEqual(['confirmed', 'ended bye'])
  expect(counters).toContainEqual({ kind: 'request', method: 'PRACK', code: 200 })
  expect(counters).toContainEqual({ kind: 'retransmission', direction: 'out' })
})
