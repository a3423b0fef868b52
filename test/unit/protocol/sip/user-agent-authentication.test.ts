import { beforeEach, describe, expect, test } from 'vitest'
import { DigestAuthenticator } from '../../../../src/protocol/sip/digest-authenticator.ts'
import type { Authoriser } from '../../../../src/protocol/sip/door.ts'
import { accountsOf, type AnswerOptions, answerTo, hash, mac, readChallenge } from '../../../support/digest-client.ts'
import { Bench, request, type RequestShape, SDP, tagOf, TCP_FLOW, UDP_FLOW } from './wire.ts'

const LATER_US = 40_000_000

/** Asks everybody but the address 192.0.2.77; OPTIONS only when told so. */
class Porter implements Authoriser {
  includeOptions = false
  readonly #digest = new DigestAuthenticator({ realm: 'earwitness', hash, mac })

  authorise: Authoriser['authorise'] = ({ method, headers, body }, flow, nowUs) => {
    const isExempt = flow.address === '192.0.2.77' || (method === 'OPTIONS' && !this.includeOptions)
    if (isExempt) return { kind: 'granted', user: undefined }
    const verdict = this.#digest.authenticate({
      request: { method, authorizations: headers.all('Authorization'), body },
      accounts: accountsOf({ sbc: 'swordfish' }),
      peer: flow.address,
      nowUs,
    })
    return verdict.kind === 'accepted' ? { kind: 'granted', user: verdict.user } : { ...verdict, kind: 'denied' }
  }

  tagFor = (transactionKey: string): string => mac(`tag ${transactionKey}`).slice(0, 32)
}

let porter: Porter
let bench: Bench

beforeEach(() => {
  porter = new Porter()
  bench = new Bench({ authoriser: porter })
})

const invite = (shape: RequestShape = {}): string => request({ body: SDP, ...shape })
const ack = (shape: RequestShape = {}): string => request({ method: 'ACK', cseq: '1 ACK', ...shape })

/** The Authorization header that answers the last 401. */
function authorization(options: AnswerOptions = {}): string {
  return `Authorization: ${answerTo(readChallenge(bench.lastResponse.headers.first('WWW-Authenticate')!), options)}`
}

/** A second INVITE with the answer to the challenge of the first. */
function answered(options: AnswerOptions = {}, shape: RequestShape = {}): string {
  return invite({ branch: 'z9hG4bK-2', cseq: '2 INVITE', extra: [authorization(options)], ...shape })
}

const outcomes = (): readonly string[] =>
  bench.counted.flatMap((one) => (one.kind === 'authentication' ? [one.outcome] : []))

describe('an INVITE without a password', () => {
  test('gets 401 with the challenges, and nothing is remembered of it', () => {
    bench.receive(invite())
    expect(bench.outline).toEqual(['401'])
    const response = bench.lastResponse
    expect(response.headers.all('WWW-Authenticate').map((value) => readChallenge(value).algorithm)).toEqual([
      'SHA-512-256',
      'SHA-256',
      'MD5',
    ])
    expect(response.headers.first('Via')).toContain('z9hG4bK-1')
    expect(response.headers.first('CSeq')).toBe('1 INVITE')
    const { transactionCount, dialogCount, openCount } = bench.userAgent
    expect({ transactionCount, dialogCount, openCount }).toEqual({ transactionCount: 0, dialogCount: 0, openCount: 0 })
    expect(bench.offers).toEqual([])
    expect(bench.counted).toContainEqual({ kind: 'request', method: 'INVITE', code: 401 })
    expect(outcomes()).toEqual(['challenged'])
  })

  test('is never answered again by itself, so that nobody can be flooded in our name', () => {
    bench.receive(invite())
    bench.advance(LATER_US)
    expect(bench.sent.map(({ target }) => [target.host, target.port])).toEqual([['192.0.2.1', 5060]])
  })

  test('that comes again gets 401 again, under the same tag (RFC 3261 8.2.7)', () => {
    bench.receive(invite())
    const first = tagOf(bench.lastResponse)
    bench.receive(invite())
    expect(bench.outline).toEqual(['401', '401'])
    expect(tagOf(bench.lastResponse)).toBe(first)
    bench.receive(invite({ branch: 'z9hG4bK-other', sipCallId: 'other' }))
    expect(tagOf(bench.lastResponse)).not.toBe(first)
  })

  test('has its ACK taken without a word, while a stray one is counted', () => {
    bench.receive(invite())
    bench.receive(ack({ toTag: tagOf(bench.lastResponse) }))
    expect(bench.counted.filter(({ kind }) => kind === 'dropped')).toEqual([])
    bench.receive(ack({ toTag: 'made-up' }))
    expect(bench.counted).toContainEqual({ kind: 'dropped', reason: 'strayAck' })
    expect(bench.outline).toEqual(['401'])
  })

  test('has nothing left to CANCEL', () => {
    bench.receive(invite())
    bench.receive(request({ method: 'CANCEL', cseq: '1 CANCEL' }))
    expect(bench.outline).toEqual(['401', '481'])
  })

  test('is asked before anything else is said about it: 420, 416, 415 and 503 are for who belongs here', () => {
    bench.admission = { status: 503, retryAfterSeconds: 5 }
    bench.receive(invite({ extra: ['Require: foo'], uri: 'http://192.0.2.9' }))
    expect(bench.outline).toEqual(['401'])
  })
})

describe('an INVITE with the right password', () => {
  test.each([
    ['UDP', UDP_FLOW],
    ['TCP', TCP_FLOW],
  ])('by %s opens a dialog whose user is known, here and in each later offer', (_, flow) => {
    bench.flow = flow
    bench.receive(invite())
    bench.receive(answered())
    bench.answerLast()
    expect(bench.outline).toEqual(['401', '100', '200'])
    expect(bench.offers.map(({ user }) => user)).toEqual(['sbc'])
    const toTag = tagOf(bench.lastResponse)
    bench.receive(ack({ cseq: '2 ACK', branch: 'z9hG4bK-a', toTag }))
    bench.receive(invite({ branch: 'z9hG4bK-3', cseq: '3 INVITE', toTag }))
    bench.answerLast()
    bench.receive(ack({ cseq: '3 ACK', branch: 'z9hG4bK-b', toTag }))
    expect(bench.offers.map(({ user }) => user)).toEqual(['sbc', 'sbc'])
    expect(outcomes()).toEqual(['challenged', 'accepted'])
  })

  test('is followed by BYE, INFO and UPDATE without one: what is inside the dialog came in with it', () => {
    bench.receive(invite())
    bench.receive(answered())
    bench.answerLast()
    const toTag = tagOf(bench.lastResponse)
    bench.receive(ack({ cseq: '2 ACK', branch: 'z9hG4bK-a', toTag }))
    bench.sent.length = 0
    bench.receive(request({ method: 'INFO', cseq: '3 INFO', branch: 'z9hG4bK-3', toTag }))
    bench.receive(request({ method: 'UPDATE', cseq: '4 UPDATE', branch: 'z9hG4bK-4', toTag }))
    bench.receive(request({ method: 'OPTIONS', cseq: '5 OPTIONS', branch: 'z9hG4bK-5', toTag }))
    bench.receive(request({ method: 'BYE', cseq: '6 BYE', branch: 'z9hG4bK-6', toTag }))
    expect(bench.outline).toEqual(['200', '200', '200', '200'])
    expect(bench.ends).toEqual(['bye'])
  })

  test('that is retransmitted is one INVITE, and one that came by two ways is refused as merged', () => {
    bench.receive(invite())
    const right = answered()
    bench.receive(right)
    bench.receive(right)
    expect(bench.outline).toEqual(['401', '100', '100'])
    bench.receive(right.replace('z9hG4bK-2', 'z9hG4bK-other-way'))
    expect(bench.outline.at(-1)).toBe('482')
    expect(bench.offers).toHaveLength(1)
  })

  test('sent again as a new INVITE is a replay: asked again, as stale', () => {
    bench.receive(invite())
    const extra = [authorization()]
    bench.receive(invite({ branch: 'z9hG4bK-2', cseq: '2 INVITE', extra }))
    bench.receive(invite({ branch: 'z9hG4bK-3', cseq: '1 INVITE', sipCallId: 'thief', extra }))
    expect(bench.outline).toEqual(['401', '100', '401'])
    expect(readChallenge(bench.lastResponse.headers.first('WWW-Authenticate')!).stale).toBe(true)
    expect(bench.offers).toHaveLength(1)
  })

  test('opens nothing with a To tag of a dialog that is not there', () => {
    bench.receive(invite())
    bench.receive(answered({}, { toTag: 'made-up' }))
    expect(bench.outline).toEqual(['401', '481'])
  })
})

test('a wrong password is asked again, then refused with 403 and a Warning', () => {
  bench.receive(invite())
  for (let round = 0; round < 9; round++) {
    const extra = [authorization({ password: 'guess' })]
    bench.receive(invite({ branch: `z9hG4bK-w${round}`, cseq: `${round + 2} INVITE`, extra }))
  }
  expect(bench.outline).toEqual([...Array.from({ length: 9 }, () => '401'), '403'])
  expect(bench.lastResponse.headers.first('Warning')).toContain('too often')
  expect(outcomes().slice(-2)).toEqual(['wrong', 'forbidden'])
  expect(bench.offers).toEqual([])
})

describe('OPTIONS outside a dialog', () => {
  test('is answered without a password unless configured otherwise', () => {
    bench.receive(request({ method: 'OPTIONS' }))
    porter.includeOptions = true
    bench.receive(request({ method: 'OPTIONS', branch: 'z9hG4bK-2', sipCallId: 'two' }))
    const right = [authorization({ method: 'OPTIONS' })]
    bench.receive(
      request({ method: 'OPTIONS', branch: 'z9hG4bK-3', sipCallId: 'two', cseq: '2 OPTIONS', extra: right }),
    )
    expect(bench.outline).toEqual(['200', '401', '200'])
  })
})

test('who need not prove anything is let in as before, without a user', () => {
  bench.receive(invite(), { ...UDP_FLOW, address: '192.0.2.77' })
  expect(bench.outline).toEqual(['100'])
  expect(bench.offers.map(({ user }) => user)).toEqual([undefined])
  expect(outcomes()).toEqual([])
})

describe('our Contact (RFC 3261 12.1.1)', () => {
  const TLS_FLOW = { ...TCP_FLOW, transport: 'tls', localPort: 5061 } as const
  const SIPS = '<sips:srs@192.0.2.9:5061>;+sip.srs'
  const SIP = '<sip:srs@192.0.2.9:5061;transport=tls>;+sip.srs'

  test.each([
    ['the Request-URI is sips', { uri: 'sips:srs@192.0.2.9' }, SIPS],
    [
      'the top Record-Route is sips',
      { extra: ['Record-Route: <sips:p1.example.com;lr>, <sip:p2.example.com;lr>'] },
      SIPS,
    ],
    ['there is no Record-Route and the Contact is sips', { contact: '<sips:src@192.0.2.1>;+sip.src' }, SIPS],
    [
      'the top Record-Route is sip, whatever the Contact is',
      { contact: '<sips:src@192.0.2.1>', extra: ['Record-Route: <sip:p1.example.com;lr>, <sips:p2.example.com;lr>'] },
      SIP,
    ],
    ['nothing is sips', {}, SIP],
  ])('over TLS, when %s', (_, shape, contact) => {
    bench = new Bench()
    bench.flow = TLS_FLOW
    bench.receive(invite(shape))
    bench.answerLast()
    expect(bench.lastResponse.headers.first('Contact')).toBe(contact)
  })

  test('stays what can be reached where there is no TLS', () => {
    bench = new Bench()
    bench.receive(invite({ uri: 'sips:srs@192.0.2.9' }))
    bench.answerLast()
    expect(bench.lastResponse.headers.first('Contact')).toBe('<sip:srs@192.0.2.9:5060>;+sip.srs')
  })

  test('is sips in a refresh of ours too', () => {
    bench = new Bench()
    bench.flow = TLS_FLOW
    const extra = ['Session-Expires: 90;refresher=uas', 'Supported: timer', 'Allow: UPDATE']
    bench.establish({ uri: 'sips:srs@192.0.2.9', extra })
    bench.advance(60_000_000)
    const update = bench.sent.find(({ text }) => text.startsWith('UPDATE '))
    expect(update?.text).toContain(`Contact: ${SIPS}\r\n`)
  })
})
