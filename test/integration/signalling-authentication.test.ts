import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DigestAlgorithm } from '../../src/protocol/sip/digest.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { type SourceProfile, SourceTable } from '../../src/server/recording/source-table.ts'
import { Authentication } from '../../src/server/signalling/authentication.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import type { BoundAddress, OfferRequest, SignallingCounter } from '../../src/server/signalling/port.ts'
import { type AnswerOptions, answerTo, hash, readChallenge } from '../support/digest-client.ts'
import { bytesOf, parseResponse, request, type RequestShape, SDP, tagOf } from '../unit/protocol/sip/wire.ts'
import { TcpPeer, UdpPeer } from './signalling-peer.ts'

let folder = ''
const closers: (() => unknown)[] = []
const at = (name: string): string => join(folder, name)
const pem = (name: string): string => readFileSync(at(name), 'utf8')

/** Makes `NAME.pem` and `NAME.key`, signed by the CA when there is one. `names` is a subjectAltName as openssl takes it. */
function certify(name: string, names?: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
  const subject = ['-subj', `/CN=${name}.example.com`, '-days', '2', '-out', `${name}.pem`]
  const signer = name === 'ca' ? [] : ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'basicConstraints=CA:FALSE']
  const alternatives = names === undefined ? [] : ['-addext', `subjectAltName=${names}`]
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...signer, ...alternatives], {
    cwd: folder,
    stdio: 'pipe',
  })
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-auth-'))
  certify('ca')
  certify('srs', 'DNS:srs.example.com')
  certify('plain')
  certify('many', 'DNS:SBC-1.Example.com,DNS:sbc-2.example.com,IP:192.0.2.55,IP:2001:db8::55,URI:sip:pbx.example.com')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-512-256', 'SHA-256', 'MD5']
const sbc = {
  name: 'sbc',
  ha1: new Map(ALGORITHMS.map((algorithm) => [algorithm, hash(algorithm, 'sbc:earwitness:swordfish')] as const)),
}
const source = (name: string, criteria: Partial<SourceProfile>): SourceProfile => ({
  name,
  tenant: 'default',
  forceSiprec: false,
  ...criteria,
})

/** The embedded stack with UDP, TCP and mutual TLS, as the daemon joins it to its sources. */
async function start(profiles: readonly SourceProfile[], options: { readonly includeOptions?: boolean } = {}) {
  const sources = new SourceTable(profiles)
  const offers: OfferRequest[] = []
  const counters: SignallingCounter[] = []
  const logged: object[] = []
  const log = { debug: () => {}, info: () => {}, warn: (fields: object) => void logged.push(fields) }
  const signalling = new EmbeddedSignalling({
    listen: (['udp', 'tcp', 'tls'] as const).map((transport) => ({ transport, address: '127.0.0.1', port: 0 })),
    tls: { certFile: at('srs.pem'), keyFile: at('srs.key'), caFile: at('ca.pem'), requestCert: true },
    log,
    randomToken: () => randomBytes(16).toString('hex'),
    nowUs: monotonicUs,
    authoriser: new Authentication({
      sources,
      realm: 'earwitness',
      includeOptions: options.includeOptions ?? false,
      secret: randomBytes(32),
      log,
    }),
  })
  const bound = await signalling.run({
    handleInvite: (offer) => {
      offers.push(offer)
      offer.answer(bytesOf(SDP))
    },
    handleReinvite: (offer) => {
      offers.push(offer)
      offer.answer(bytesOf(SDP))
    },
    handleConfirmed: () => {},
    handleEnded: () => {},
    optionsStatus: () => ({ status: 200 }),
    handleCounted: (counter) => counters.push(counter),
  })
  closers.push(() => signalling.stop())
  const boundTo = (transport: BoundAddress['transport']): BoundAddress =>
    bound.find((one) => one.transport === transport)!
  return { sources, offers, counters, logged, boundTo }
}

async function dial(bound: BoundAddress, name: string, options: ConnectionOptions = {}) {
  const socket = connect({
    port: bound.port,
    host: bound.address,
    ca: pem('ca.pem'),
    cert: pem(`${name}.pem`),
    key: pem(`${name}.key`),
    checkServerIdentity: () => undefined,
    ...options,
  })
  closers.push(() => socket.destroy())
  const peer = new TcpPeer(socket)
  // TLS 1.2 has it within the handshake, 1.3 after it.
  const session = new Promise<Buffer>((resolve) => socket.once('session', resolve))
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return { socket, peer, session }
}

async function udp(bound: BoundAddress): Promise<UdpPeer> {
  const peer = await UdpPeer.open(bound)
  closers.push(() => peer.close())
  return peer
}

const invite = (shape: RequestShape = {}): string =>
  request({ body: SDP, via: `SIP/2.0/UDP 192.0.2.1;rport;branch=${shape.branch ?? 'z9hG4bK-1'}`, ...shape })

const next = async (peer: { readonly inbox: UdpPeer['inbox'] }) =>
  parseResponse(bytesOf(await peer.inbox.nextStarting('SIP')))

/** The final answer: a 100 before it may or may not be seen. */
async function final(peer: { readonly inbox: UdpPeer['inbox'] }) {
  for (;;) {
    const response = await next(peer)
    if (response.status >= 200) return response
  }
}

describe('a source with users', () => {
  const profiles = [source('berlin', { address: '127.0.0.0/8', users: [sbc] })]

  test.each(ALGORITHMS)(
    'over UDP, by %s: 401, then 200, and the name of the user with the offer',
    async (algorithm) => {
      const { offers, counters, sources, boundTo } = await start(profiles)
      const peer = await udp(boundTo('udp'))
      peer.send(invite())
      const challenges = (await next(peer)).headers.all('WWW-Authenticate').map(readChallenge)
      expect(challenges.map((one) => one.algorithm)).toEqual(ALGORITHMS)
      const extra = [`Authorization: ${answerTo(challenges.find((one) => one.algorithm === algorithm)!)}`]
      peer.send(invite({ branch: 'z9hG4bK-2', cseq: '2 INVITE', extra }))
      expect((await final(peer)).status).toBe(200)
      expect(offers.map((offer) => offer.source.user)).toEqual(['sbc'])
      expect(sources.lookup(offers[0]!.source)).toMatchObject({ name: 'berlin', refusal: undefined })
      const outcomes = counters.flatMap((one) => (one.kind === 'authentication' ? [one.outcome] : []))
      expect(outcomes).toEqual(['challenged', 'accepted'])
    },
  )

  test('over TCP, with the nonce kept for the next dialog and the body signed', async () => {
    const { offers, boundTo } = await start(profiles)
    const peer = await TcpPeer.open(boundTo('tcp'))
    closers.push(() => peer.close())
    await peer.write(invite())
    const [challenge] = (await next(peer)).headers.all('WWW-Authenticate').map(readChallenge)
    for (const [index, nc] of ['00000001', '00000002', '00000003'].entries()) {
      const options: AnswerOptions = { nc, qop: 'auth-int', body: SDP }
      const extra = [`Authorization: ${answerTo(challenge!, options)}`]
      await peer.write(invite({ branch: `z9hG4bK-n${index}`, sipCallId: `call ${index}`, extra }))
      expect((await final(peer)).status).toBe(200)
    }
    expect(offers.map((offer) => offer.source.user)).toEqual(['sbc', 'sbc', 'sbc'])
  })

  test('a wrong password opens nothing, and the log tells the source but neither user nor password', async () => {
    const { offers, logged, boundTo } = await start(profiles)
    const peer = await udp(boundTo('udp'))
    peer.send(invite())
    const [challenge] = (await next(peer)).headers.all('WWW-Authenticate').map(readChallenge)
    const extra = [`Authorization: ${answerTo(challenge!, { user: '15550199', password: 'guess' })}`]
    peer.send(invite({ branch: 'z9hG4bK-2', cseq: '2 INVITE', extra }))
    expect((await final(peer)).status).toBe(401)
    expect(offers).toEqual([])
    expect(logged).toEqual([{ src: 'berlin', reason: 'wrong' }])
  })

  test('a re-INVITE and a BYE need no password, and the user stays that of the dialog', async () => {
    const { offers, boundTo } = await start(profiles)
    const peer = await udp(boundTo('udp'))
    peer.send(invite())
    const [challenge] = (await next(peer)).headers.all('WWW-Authenticate').map(readChallenge)
    const extra = [`Authorization: ${answerTo(challenge!)}`]
    peer.send(invite({ branch: 'z9hG4bK-2', cseq: '2 INVITE', extra }))
    const toTag = tagOf(await final(peer))
    peer.send(request({ method: 'ACK', cseq: '2 ACK', branch: 'z9hG4bK-a', toTag }))
    peer.send(invite({ branch: 'z9hG4bK-3', cseq: '3 INVITE', toTag }))
    expect((await final(peer)).status).toBe(200)
    peer.send(request({ method: 'ACK', cseq: '3 ACK', branch: 'z9hG4bK-b', toTag }))
    const via = 'SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK-4'
    peer.send(request({ method: 'BYE', cseq: '4 BYE', via, toTag }))
    expect((await final(peer)).headers.first('CSeq')).toBe('4 BYE')
    expect(offers.map((offer) => offer.source.user)).toEqual(['sbc', 'sbc'])
  })

  test.each([
    [false, 200],
    [true, 401],
  ])('OPTIONS are asked for a password: %j, answered %i', async (includeOptions, status) => {
    const { boundTo } = await start(profiles, { includeOptions })
    const peer = await udp(boundTo('udp'))
    peer.send(request({ method: 'OPTIONS', via: 'SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK-1' }))
    expect((await final(peer)).status).toBe(status)
  })
})

describe('the names of a client certificate', () => {
  const MANY = ['sbc-1.example.com', 'sbc-2.example.com', '192.0.2.55', '2001:db8:0:0:0:0:0:55', 'pbx.example.com']

  async function namesSeen(name: string, options: ConnectionOptions = {}) {
    const started = await start([])
    const { peer } = await dial(started.boundTo('tls'), name, options)
    await peer.write(invite())
    expect((await final(peer)).status).toBe(200)
    return started.offers[0]!.source.tlsNames
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'come with the offer, by %s: DNS names, addresses, SIP domains',
    async (version) => {
      expect(await namesSeen('many', { minVersion: version, maxVersion: version })).toEqual(MANY)
    },
  )

  test('are its common name when it bears no others', async () => {
    expect(await namesSeen('plain')).toEqual(['plain.example.com'])
  })

  test('are none on UDP and TCP', async () => {
    const { offers, boundTo } = await start([])
    const peer = await udp(boundTo('udp'))
    peer.send(invite())
    await final(peer)
    expect(offers[0]!.source.tlsNames).toEqual([])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'are the same when the client takes up its TLS session again, by %s',
    async (version) => {
      const { offers, boundTo } = await start([])
      const versions = { minVersion: version, maxVersion: version }
      const first = await dial(boundTo('tls'), 'many', versions)
      await first.peer.write(invite())
      await final(first.peer)
      const again = await dial(boundTo('tls'), 'many', { ...versions, session: await first.session })
      expect(again.socket.isSessionReused()).toBe(true)
      await again.peer.write(invite({ branch: 'z9hG4bK-2', sipCallId: 'two' }))
      await final(again.peer)
      expect(offers.map((offer) => offer.source.tlsNames)).toEqual([MANY, MANY])
    },
  )

  test('choose the profile, and with users in it a password is needed besides', async () => {
    const profiles = [
      source('by-name', { tlsName: 'sbc-1.example.com', users: [sbc] }),
      source('by-star', { tlsName: '*.example.com' }),
    ]
    const { offers, sources, boundTo } = await start(profiles)
    const plain = await dial(boundTo('tls'), 'plain')
    await plain.peer.write(invite())
    expect((await final(plain.peer)).status).toBe(200)
    const many = await dial(boundTo('tls'), 'many')
    await many.peer.write(invite({ sipCallId: 'many', branch: 'z9hG4bK-m' }))
    const challenged = await final(many.peer)
    expect(challenged.status).toBe(401)
    const extra = [`Authorization: ${answerTo(readChallenge(challenged.headers.first('WWW-Authenticate')!))}`]
    await many.peer.write(invite({ sipCallId: 'many', branch: 'z9hG4bK-2', cseq: '2 INVITE', extra }))
    expect((await final(many.peer)).status).toBe(200)
    expect(offers.map((offer) => sources.lookup(offer.source).name)).toEqual(['by-star', 'by-name'])
  })
})

test('a SIPS dialog gets a SIPS Contact over TLS', async () => {
  const { boundTo } = await start([])
  const { peer } = await dial(boundTo('tls'), 'plain')
  await peer.write(invite({ uri: 'sips:srs@srs.example.com' }))
  const { port } = boundTo('tls')
  expect((await final(peer)).headers.first('Contact')).toBe(`<sips:srs@127.0.0.1:${port}>;+sip.srs`)
})
