import { parseNameAddr } from '../../../src/protocol/sip/name-addr.ts'
import type { SipMessage } from '../../../src/protocol/sip/message.ts'
import { parseParams } from '../../../src/protocol/sip/params.ts'
import { type ParsedMessage, parseMessage } from '../../../src/protocol/sip/parse-message.ts'
import { parseCSeq } from '../../../src/protocol/sip/scalar-headers.ts'
import { serializeMessage } from '../../../src/protocol/sip/serialize-message.ts'
import { StreamFramer } from '../../../src/protocol/sip/stream-framer.ts'
import { splitList } from '../../../src/protocol/sip/text.ts'
import { parseSipUri } from '../../../src/protocol/sip/uri.ts'
import { formatVia, parseVia } from '../../../src/protocol/sip/via.ts'
import { readSipVectors } from '../../vectors/sip/read-vectors.ts'
import { Random } from '../random.ts'
import { type FuzzTarget, invariant } from '../target.ts'
import { makeRequest, SIP_WORDS } from './sip-grammar.ts'

export const sipMessage: FuzzTarget = {
  name: 'sip',
  corpus: readSipVectors().map(({ bytes }) => bytes),
  dictionary: SIP_WORDS,
  generate: (random) => Buffer.from(makeRequest(random), 'latin1'),
  run(input) {
    const parsed = parseMessage(input)
    if (parsed.ok) {
      invariant(parsed.value.body.buffer === input.buffer, 'the body is a view of the message')
      readHeaders(parsed.value)
      checkPrintedAgain(parsed.value)
    }
    parseMessage(input, 'stream')
    checkSplits(input)
  },
}

function readHeaders({ headers }: SipMessage): void {
  for (const { value } of headers.list) {
    for (const item of splitList(value)) {
      const address = parseNameAddr(item)
      if (address.ok) parseSipUri(address.value.uri)
      const via = parseVia(item)
      // A parameter value may hold what only quotes hold together: printing keeps it, so it reads the same.
      if (via.ok) invariant(parseVia(formatVia(via.value)).ok, 'a Via that was read and printed is read again')
    }
    parseParams(value)
    parseCSeq(value)
  }
}

/** Printing what was read and reading that gives the same, as long as nothing was wrong with it. */
function checkPrintedAgain(message: SipMessage): void {
  if (message.defect !== undefined) return
  const first = parseMessage(serializeMessage(message), 'stream')
  // Printing makes it longer: blanks after names, long names, a Content-Length.
  if (!first.ok) return invariant(first.reason === 'tooLarge', `printed, it is refused: ${first.reason}`)
  const defect = first.value.defect
  invariant(defect === undefined || defect === 'headerCount' || defect === 'headerLength', `printed, it has ${defect}`)
  if (defect !== undefined) return
  const second = parseMessage(serializeMessage(first.value), 'stream')
  invariant(second.ok && textOf(second.value) === textOf(first.value), 'printing is stable')
  invariant(Buffer.compare(first.value.body, message.body) === 0, 'printing keeps the body')
}

function textOf(message: SipMessage): string {
  return Buffer.from(serializeMessage(message)).toString('latin1')
}

/** A stream gives the same messages however the network cuts it. */
function checkSplits(input: Uint8Array): void {
  const whole = framed(input, [input.length])
  const random = new Random(input.length)
  const sizes = Array.from({ length: 16 }, () => 1 + random.size(2_000))
  const split = framed(input, sizes)
  invariant(split === whole, 'a stream in pieces gives what it gives in one')
}

function framed(input: Uint8Array, sizes: readonly number[]): string {
  const framer = new StreamFramer()
  const seen: string[] = []
  let turn = 0
  for (let start = 0; start < input.length; turn++) {
    const end = start + Math.max(1, sizes[turn % sizes.length] ?? 1)
    for (const item of framer.push(input.subarray(start, end))) {
      if (item.kind === 'message') checkParsed(item.bytes, item.parsed)
      seen.push(item.kind === 'message' ? Buffer.from(item.bytes).toString('latin1') : item.kind)
    }
    start = end
  }
  return seen.join('\u0001')
}

/** The framer parses a head once, for itself and for whoever takes the message. */
function checkParsed(bytes: Uint8Array, parsed: ParsedMessage): void {
  const again = parseMessage(bytes, 'stream')
  invariant(parsed.ok === again.ok, 'the framer and the parser agree on what is SIP')
  if (!parsed.ok || !again.ok) return
  const same = [parsed.value, again.value].map(({ headers, body, ...rest }) =>
    JSON.stringify([rest, headers.list, Buffer.from(body).toString('latin1')]),
  )
  invariant(same[0] === same[1], 'the framer and the parser read the same')
}
