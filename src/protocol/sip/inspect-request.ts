import { accepted, rejected, type Result } from '../../result.ts'
import type { SipFlow } from './flow.ts'
import type { MessageDefect, SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { paramValue } from './params.ts'
import { parseCSeq } from './scalar-headers.ts'
import { firstListItem } from './text.ts'
import { BRANCH_COOKIE, parseVia, type Via } from './via.ts'

/** What every request must say before it can be handled. RFC 3261 8.1.1 */
export interface RequestFacts {
  readonly via: Via
  readonly sipCallId: string
  /** Raw header values, as they are to be copied into answers. */
  readonly from: string
  readonly to: string
  /** '' for clients of RFC 2543 that send none. */
  readonly fromTag: string
  /** undefined outside a dialog. */
  readonly toTag: string | undefined
  readonly sequenceNumber: number
  /** Same for a request and its retransmissions, and, with another method, for its ACK and CANCEL. RFC 3261 17.2.3 */
  readonly transactionKey: string
  /** Transaction key that the INVITE of this ACK or CANCEL has. */
  readonly inviteKey: string
  /** Same for a request that came by two ways. RFC 3261 8.2.2.2 */
  readonly mergeKey: string
}

/** Why a request is refused before anything is done with it. `via`: it cannot even be answered. */
export type RequestRejectReason =
  | MessageDefect
  | 'via'
  | 'from'
  | 'to'
  | 'callId'
  | 'cseq'
  | 'cseqMethod'
  | 'repeatedHeader'

const ONCE = ['From', 'To', 'Call-ID', 'CSeq'] as const
/** Headers that identify the request: when they are broken, an ACK, BYE and INVITE could not be told apart. */
const STATUS_OF: ReadonlyMap<RequestRejectReason, readonly [number, string]> = new Map([
  ['version', [505, 'Version Not Supported']],
  ['headerCount', [513, 'Message Too Large']],
  ['headerLength', [513, 'Message Too Large']],
  ['tooLarge', [413, 'Request Entity Too Large']],
  ['contentLength', [400, 'Bad Content-Length']],
  ['requestUri', [400, 'Bad Request-URI']],
  ['from', [400, 'Bad From']],
  ['to', [400, 'Bad To']],
  ['callId', [400, 'Bad Call-ID']],
  ['cseq', [400, 'Bad CSeq']],
  ['cseqMethod', [400, 'CSeq Method Mismatch']],
  ['repeatedHeader', [400, 'Repeated Header']],
])

/** Status and reason phrase with which a rejected request is answered. */
export function statusOfReject(reason: RequestRejectReason): readonly [number, string] {
  return STATUS_OF.get(reason) ?? [400, 'Bad Request']
}

/** The topmost Via of a request, where its answers go. */
export function topVia(request: SipRequest): Result<Via, 'via'> {
  const line = request.headers.first('Via')
  return line === undefined ? rejected('via') : parseVia(firstListItem(line).item)
}

/**
 * Reads what identifies a request.
 *
 * @param flow stands in for the client where a client of RFC 2543 gives no unique branch
 */
export function inspectRequest(request: SipRequest, flow: SipFlow): Result<RequestFacts, RequestRejectReason> {
  const { headers } = request
  const via = topVia(request)
  if (!via.ok) return rejected('via')
  if (request.defect !== undefined) return rejected(request.defect)
  if (ONCE.some((name) => headers.all(name).length > 1)) return rejected('repeatedHeader')
  const from = headers.first('From') ?? ''
  const to = headers.first('To') ?? ''
  const sipCallId = headers.first('Call-ID') ?? ''
  const fromAddr = parseNameAddr(from)
  const toAddr = parseNameAddr(to)
  const cseq = parseCSeq(headers.first('CSeq') ?? '')
  if (!fromAddr.ok) return rejected('from')
  if (!toAddr.ok) return rejected('to')
  if (sipCallId === '') return rejected('callId')
  if (!cseq.ok) return rejected('cseq')
  if (cseq.value.method !== request.method) return rejected('cseqMethod')

  const { sequenceNumber } = cseq.value
  const fromTag = paramValue(fromAddr.value.params, 'tag') ?? ''
  const toTag = paramValue(toAddr.value.params, 'tag')
  const branch = paramValue(via.value.params, 'branch') ?? ''
  // Line feeds cannot stand in a header value, so no two sets of parts make the same key.
  // The cookie alone names no transaction (RFC 4475 3.2.1): all requests of that client would be one.
  const base =
    branch.startsWith(BRANCH_COOKIE) && branch !== BRANCH_COOKIE
      ? `${branch}\n${via.value.host.toLowerCase()}\n${via.value.port ?? ''}`
      : `\n${sipCallId}\n${fromTag}\n${sequenceNumber}\n${flow.address}\n${branch}`
  return accepted({
    via: via.value,
    sipCallId,
    from,
    to,
    fromTag,
    toTag: toTag === '' ? undefined : toTag,
    sequenceNumber,
    transactionKey: `${base}\n${request.method}`,
    inviteKey: `${base}\nINVITE`,
    mergeKey: `${sipCallId}\n${fromTag}\n${sequenceNumber}\n${request.method}`,
  })
}
