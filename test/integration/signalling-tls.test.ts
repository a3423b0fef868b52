import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions, createServer, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DialogId } from '../../src/ids.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import { EmbeddedSignalling } from '../../src/server/signalling/embedded.ts'
import type { BoundAddress, OfferRequest, SignallingCounter } from '../../src/server/signalling/port.ts'
import type { TlsSettings } from '../../src/server/signalling/tls-files.ts'
import { bytesOf, parseRequest, parseResponse, request, SDP, tagOf } from '../unit/protocol/sip/wire.ts'
import { Inbox, TcpPeer } from './signalling-peer.ts'

let folder = ''
const closers: (() => unknown)[] = []

const at = (name: string): string => join(folder, name)
const pem = (name: string): string => readFileSync(at(name), 'utf8')

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
}

/** Makes `NAME.pem` and `NAME.key`, signed by `ca`; by itself when there is none. */
function certify(name: string, ca?: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
  const subject = ['-subj', `/CN=${name}.example.com`, '-days', '2', '-out', `${name}.pem`]
  const signer =
    ca === undefined ? [] : ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-addext', 'basicConstraints=CA:FALSE']
  openssl('req', '-x509', ...key, ...subject, ...signer)
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-tls-'))
  certify('ca')
  certify('stranger')
  for (const name of ['srs', 'renewed', 'src']) certify(name, 'ca')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(tls: Partial<TlsSettings> = {}) {
  cpSync(at('srs.pem'), at('live.pem'))
  cpSync(at('srs.key'), at('live.key'))
  const offers: OfferRequest[] = []
  const counters: SignallingCounter[] = []
  const warnings = new Inbox()
  const confirmed = new Inbox()
  const settings = {
    certFile: at('live.pem'),
    keyFile: at('live.key'),
    caFile: at('ca.pem'),
    requestCert: false,
    ...tls,
  }
  const signalling = new EmbeddedSignalling({
    listen: [{ transport: 'tls', address: '127.0.0.1', port: 0 }],
    tls: settings,
    log: { debug: () => {}, info: () => {}, warn: (_, message) => warnings.put(message) },
    randomToken: () => randomBytes(12).toString('hex'),
    nowUs: monotonicUs,
  })
  const [bound] = await signalling.run({
    handleInvite: (offer) => {
      offers.push(offer)
      offer.answer(bytesOf(SDP))
    },
    handleReinvite: (offer) => offer.answer(bytesOf(SDP)),
    handleConfirmed: (dialogId: DialogId) => confirmed.put(dialogId),
    handleEnded: () => {},
    optionsStatus: () => ({ status: 200 }),
    handleCounted: (counter) => counters.push(counter),
  })
  closers.push(() => signalling.stop())
  return { signalling, offers, counters, warnings, confirmed, bound: bound! }
}

/** A TLS client; resolves when the handshake is done, rejects when the server lets it down. */
async function dial(bound: BoundAddress, options: ConnectionOptions = {}) {
  const socket: TLSSocket = connect({
    port: bound.port,
    host: bound.address,
    ca: pem('ca.pem'),
    checkServerIdentity: () => undefined,
    ...options,
  })
  closers.push(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  return { socket, peer: new TcpPeer(socket) }
}

const tlsInvite = (shape: Parameters<typeof request>[0] = {}): string =>
  request({
    via: `SIP/2.0/TLS src.invalid;branch=${shape.branch ?? 'z9hG4bK-1'}`,
    contact: '<sip:src@src.invalid;transport=tls>;+sip.src',
    body: SDP,
    ...shape,
  })

const options = (branch: string): string =>
  request({ method: 'OPTIONS', via: `SIP/2.0/TLS src.invalid;branch=${branch}`, sipCallId: branch })

function okTo(text: string): string {
  const { headers } = parseRequest(text)
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headers.first(name)}\r\n`)
  return `SIP/2.0 200 OK\r\n${copied.join('')}Content-Length: 0\r\n\r\n`
}

describe('SIP over TLS', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    '%s: INVITE, 200 with a Contact of TLS, ACK, and our BYE back',
    async (version) => {
      const { signalling, offers, bound } = await start()
      const { socket, peer } = await dial(bound, { minVersion: version, maxVersion: version })
      expect(socket.getProtocol()).toBe(version)
      await peer.write(tlsInvite())
      const ok = parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200')))
      expect(ok.headers.first('contact')).toBe(`<sip:srs@127.0.0.1:${bound.port};transport=tls>;+sip.srs`)
      await peer.write(tlsInvite({ method: 'ACK', cseq: '1 ACK', branch: 'z9hG4bK-a', toTag: tagOf(ok), body: '' }))
      expect(offers[0]!.source.transport).toBe('tls')
      const done = signalling.bye(offers[0]!.dialogId)
      const bye = await peer.inbox.nextStarting('BYE ')
      expect(parseRequest(bye).headers.first('via')).toMatch(/^SIP\/2\.0\/TLS /)
      await peer.write(okTo(bye))
      await done
    },
  )

  test('older versions and plain TCP are turned away, and counted', async () => {
    const { counters, bound } = await start()
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(dial(bound, old)).rejects.toThrow()
    const plain: Socket = connectTcp(bound.port, bound.address)
    plain.on('error', () => {})
    plain.end(options('z9hG4bK-plain'))
    await new Promise((resolve) => plain.resume().once('close', resolve))
    const dropped = counters.filter((one) => one.kind === 'dropped').map(({ reason }) => reason)
    expect(dropped).toEqual(['tlsHandshake', 'tlsHandshake'])
  })

  test('BYE goes over a new connection when the client closed its own', async () => {
    const { signalling, offers, confirmed, bound } = await start()
    const received = new Inbox()
    const src = createServer({ cert: pem('src.pem'), key: pem('src.key') }, (socket) => {
      closers.push(() => socket.destroy())
      socket.on('error', () => {})
      socket.on('data', (bytes) => {
        received.put(bytes.toString())
        socket.write(okTo(bytes.toString()))
      })
    })
    await new Promise<void>((resolve) => src.listen(0, '127.0.0.1', resolve))
    closers.push(() => src.close())
    const address = src.address()
    if (address === null || typeof address === 'string') throw new Error('no address')
    const { socket, peer } = await dial(bound)
    const contact = `<sip:src@127.0.0.1:${address.port};transport=tls>`
    await peer.write(tlsInvite({ contact }))
    const toTag = tagOf(parseResponse(bytesOf(await peer.inbox.nextStarting('SIP/2.0 200'))))
    await peer.write(tlsInvite({ method: 'ACK', cseq: '1 ACK', branch: 'z9hG4bK-a', toTag, body: '', contact }))
    await confirmed.next()
    socket.end()
    await peer.inbox.nextStarting('closed')
    await signalling.bye(offers[0]!.dialogId)
    expect(await received.next()).toMatch(/^BYE /)
  })
})

describe('mutual TLS', () => {
  test('lets in who has a certificate of our CA', async () => {
    const { bound } = await start({ requestCert: true })
    const { peer } = await dial(bound, { cert: pem('src.pem'), key: pem('src.key') })
    await peer.write(options('z9hG4bK-1'))
    expect(await peer.inbox.next()).toMatch(/^SIP\/2\.0 200 /)
  })

  test.each([
    ['no certificate', undefined],
    ["another CA's", 'stranger'],
  ])('turns away who has %s', async (_, name) => {
    const { counters, bound } = await start({ requestCert: true })
    const identity = name === undefined ? {} : { cert: pem(`${name}.pem`), key: pem(`${name}.key`) }
    // In TLS 1.2 the client learns of it in the handshake, in 1.3 only afterwards.
    await expect(dial(bound, { ...identity, maxVersion: 'TLSv1.2' })).rejects.toThrow()
    expect(counters).toContainEqual({ kind: 'dropped', reason: 'tlsHandshake' })
  })
})

describe('certificates read again', () => {
  const nameOf = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN)

  test('new connections get the new one, open ones go on', async () => {
    const { signalling, bound } = await start()
    const before = await dial(bound)
    cpSync(at('renewed.pem'), at('live.pem'))
    cpSync(at('renewed.key'), at('live.key'))
    signalling.reloadCertificates()
    const after = await dial(bound)
    expect([nameOf(before.socket), nameOf(after.socket)]).toEqual(['srs.example.com', 'renewed.example.com'])
    await before.peer.write(options('z9hG4bK-1'))
    expect(await before.peer.inbox.next()).toMatch(/^SIP\/2\.0 200 /)
  })

  test('files that cannot be used change nothing, and are logged', async () => {
    const { signalling, warnings, bound } = await start()
    cpSync(at('renewed.pem'), at('live.pem'))
    signalling.reloadCertificates()
    expect(await warnings.next()).toContain('the old ones stay')
    expect(nameOf((await dial(bound)).socket)).toBe('srs.example.com')
  })
})

describe('files that cannot be used', () => {
  test('are told apart at the start', async () => {
    writeFileSync(at('junk.pem'), 'not a certificate')
    const file = { code: 'sip-tls-files' }
    await expect(start({ certFile: at('missing.pem') })).rejects.toMatchObject(file)
    await expect(start({ keyFile: at('src.key') })).rejects.toThrow('do not belong together')
    await expect(start({ certFile: at('junk.pem') })).rejects.toMatchObject(file)
  })
})
