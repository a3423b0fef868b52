import { parseMessage } from '../../../src/protocol/sip/parse-message.ts'
import { Bench, bytesOf, request, SDP, TCP_FLOW, UDP_FLOW } from '../../unit/protocol/sip/wire.ts'
import type { Random } from '../random.ts'
import { type FuzzTarget, invariant } from '../target.ts'
import { makeRequest, SIP_WORDS } from './sip-grammar.ts'

/** Between steps; a step is a letter and what it needs. */
const SEPARATOR = 0x1e
const STEPS_MAX = 40
/** What one message may make us send at once: an answer, a refusal of what was open, a BYE, and a little. */
const SENT_AT_ONCE_MAX = 6
/** Longer than any timer of RFC 3261, and than the session timers that are offered here. */
const LONG_US = 4_000_000_000
const OWN_METHODS = ['INVITE', 'UPDATE', 'INFO'] as const
/** Our tags are `token1`, `token2`, …: a peer that knows them. */
const TAGS = Array.from({ length: 12 }, (_, index) => `token${index + 1}`)

/**
 * The user agent server in virtual time. Steps: `U`, `T` a message over UDP, TCP; `W` microseconds go by; `A` the newest offer is
 * answered, `R` refused, `P` gets a provisional response; `B` the newest dialog is ended by us, `Q` asked something.
 */
export const transactions: FuzzTarget = {
  name: 'transactions',
  corpus: [
    steps(
      `U${request({ body: SDP })}`,
      'A',
      `U${request({ method: 'ACK', branch: 'z9hG4bK-a', cseq: '1 ACK', toTag: 'token1' })}`,
      'B',
    ),
    steps(`U${request({ body: SDP })}`, `U${request({ method: 'CANCEL', cseq: '1 CANCEL' })}`, 'W33000000'),
    steps(
      `T${request({ body: SDP })}`,
      'A',
      'W40000000',
      `T${request({ method: 'BYE', cseq: '2 BYE', toTag: 'token1' })}`,
    ),
    steps(
      `U${request({ body: SDP, extra: ['Require: 100rel'] })}`,
      'P1',
      'A',
      'W500000',
      `U${request({ method: 'PRACK', cseq: '2 PRACK', branch: 'z9hG4bK-p', toTag: 'token1', extra: ['RAck: 1 1 INVITE'] })}`,
      `U${request({ method: 'ACK', branch: 'z9hG4bK-a', cseq: '1 ACK', toTag: 'token1' })}`,
      'Q',
      'W32000000',
    ),
    steps(
      `U${request({ body: SDP })}`,
      'R',
      'W500000',
      'USIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKtoken3\r\nCSeq: 1 BYE\r\n\r\n',
    ),
  ],
  dictionary: [
    ...SIP_WORDS,
    ...TAGS,
    '\u001eW500000\u001e',
    '\u001eA\u001e',
    '\u001eB\u001e',
    '\u001eR\u001e',
    '\u001eP1\u001e',
    '\u001eQ\u001e',
  ],
  generate: (random) => steps(...Array.from({ length: 1 + random.below(20) }, () => makeStep(random))),
  run: (input) => new Run().all(split(input).slice(0, STEPS_MAX)),
  split: (input) => split(input).map((step) => Buffer.concat([step, Uint8Array.of(SEPARATOR)])),
}

function steps(...texts: readonly string[]): Uint8Array {
  return Buffer.from(texts.join(String.fromCharCode(SEPARATOR)), 'latin1')
}

function split(input: Uint8Array): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let start = 0; start < input.length;) {
    const end = input.indexOf(SEPARATOR, start)
    pieces.push(input.subarray(start, end === -1 ? input.length : end))
    start = end === -1 ? input.length : end + 1
  }
  return pieces
}

function makeStep(random: Random): string {
  const kind = random.below(12)
  if (kind < 2) return `W${random.pick([0, 1, 500_000, 4_000_000, 32_000_000, 64_000_000, 90_000_000])}`
  if (kind < 4) return 'A'
  if (kind === 4) return random.pick(['R', 'B', 'P', 'P1', 'Q', 'Q1', 'Q22'])
  if (kind === 5) {
    const branch = `z9hG4bK${random.pick(TAGS)}`
    const method = random.pick(['BYE', 'INVITE', 'UPDATE', 'INFO'])
    const status = random.pick([100, 180, 200, 401, 408, 422, 481, 491, 500])
    return `USIP/2.0 ${status} X\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=${branch}\r\nCSeq: ${random.below(4)} ${method}\r\nTo: <sip:a>;tag=a\r\n\r\n`
  }
  const toTag = random.chance(0.6) ? random.pick(TAGS) : undefined
  return `${random.pick(['U', 'U', 'T'])}${makeRequest(random, { toTag, fromTag: 'a', sipCallId: random.pick(['c1', 'c1', 'c2']) })}`
}

class Run {
  readonly #bench = new Bench()
  readonly #refused = new Set<string>()

  all(inputs: readonly Uint8Array[]): void {
    for (const step of inputs) this.#take(step)
    const bench = this.#bench
    const good = request({ method: 'OPTIONS', branch: 'z9hG4bK-last-of-all', sipCallId: 'last-of-all' })
    bench.receive(good)
    invariant(bench.outline.at(-1) === '200', 'a good request is answered')
    this.#check()
    bench.advance(LONG_US)
    this.#check()
    const { transactionCount, openCount, dialogCount } = bench.userAgent
    invariant(transactionCount === 0, 'no transaction is left after all timers')
    invariant(openCount === 0, 'nothing is open after all timers')
    invariant(dialogCount === this.#living().size, 'every dialog shown is refused, ended once, or alive')
  }

  #take(step: Uint8Array): void {
    const bench = this.#bench
    const kind = String.fromCharCode(step[0] ?? 0)
    const rest = step.slice(1)
    const sentBefore = bench.sent.length
    const offer = bench.offers.at(-1)
    if (kind === 'U' || kind === 'T') bench.receive(rest, kind === 'U' ? UDP_FLOW : TCP_FLOW)
    else if (kind === 'W')
      return bench.advance(Math.min(100_000_000, Number.parseInt(Buffer.from(rest).toString(), 10) || 0))
    else if (kind === 'A' && offer !== undefined) bench.userAgent.answer(offer.offerId, bytesOf(SDP), bench.nowUs)
    else if (kind === 'R' && offer !== undefined) {
      const isRefused = bench.userAgent.refuse(offer.offerId, { status: 488, reason: 'No' }, bench.nowUs)
      if (isRefused && offer.isInitial) this.#refused.add(offer.dialogId)
    } else if (kind === 'P' && offer !== undefined) {
      bench.userAgent.progress(offer.offerId, rest.length === 0 ? 180 : 183, bytesOf(SDP), bench.nowUs)
    } else if (kind === 'Q' && offer !== undefined) {
      const asked = {
        method: OWN_METHODS[rest.length % 3] ?? 'INFO',
        contentType: 'application/sdp',
        body: bytesOf(SDP),
      }
      bench.userAgent.request(offer.dialogId, asked, bench.nowUs)
    } else if (kind === 'B' && offer !== undefined) bench.userAgent.bye(offer.dialogId, undefined, bench.nowUs)
    invariant(bench.sent.length - sentBefore <= SENT_AT_ONCE_MAX, 'one message does not make many')
  }

  /** Everything that was sent is SIP, and no dialog ends twice. */
  #check(): void {
    for (const { bytes } of this.#bench.sent) {
      const parsed = parseMessage(bytes, 'stream')
      // An answer repeats the Vias of its request, however many there are.
      const isLong = parsed.ok ? /^header(Count|Length)$/.test(parsed.value.defect ?? '') : parsed.reason === 'tooLarge'
      invariant(isLong || (parsed.ok && parsed.value.defect === undefined), 'what we send is well formed')
    }
    const ended = this.#ended()
    invariant(new Set(ended).size === ended.length, 'a dialog ends once')
    const offered = this.#offered()
    invariant(
      ended.every((dialogId) => offered.has(dialogId)),
      'only what was shown ends',
    )
  }

  #ended(): readonly string[] {
    return this.#bench.happened.flatMap((event) => (event.kind === 'ended' ? [event.dialogId as string] : []))
  }

  #offered(): Set<string> {
    return new Set(this.#bench.offers.map(({ dialogId }) => dialogId as string))
  }

  #living(): Set<string> {
    const living = this.#offered()
    for (const dialogId of [...this.#ended(), ...this.#refused]) living.delete(dialogId)
    return living
  }
}
