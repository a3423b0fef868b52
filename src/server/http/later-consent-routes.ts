import type { FastifyInstance } from 'fastify'

import { EarwitnessError } from '../../errors.ts'
import { BY_LENGTH_MAX, REASON_LENGTH_MAX } from '../../evidence/custody/custody-note.ts'
import { DECIDABLE_STATES, type LaterWish } from '../../evidence/later-consent.ts'
import type { Result } from '../../result.ts'
import { destroysHeld, type LaterSaying, type SaidLater } from '../consent/say-later.ts'
import { CROSS_SITE, isCrossSite } from './cross-site.ts'
import { problem, sendProblem, type Problem } from './problem.ts'

export type SayLater = (saying: LaterSaying) => Promise<Result<SaidLater, 'busy'>>

/** Reason, name and an id, with room for what JSON makes of them. */
const BODY_BYTES_MAX = 16_384
/** As in what an operator is told while a recording runs. */
const PARTICIPANT_ID_LENGTH_MAX = 200
const RETRY_AFTER_S = '2'

const BAD_BODY = problem(
  400,
  'consent-event-invalid',
  'This says nothing about the consent to a recording that is over.',
  `Send JSON: {"action": "review", "answer": "yes" | "no", "participantId"?}, {"action": "withdraw", "participantId"?} or {"action": "decide", "state": "${DECIDABLE_STATES.join('" | "')}"}, ` +
    `each with "by" (who says so, up to ${BY_LENGTH_MAX} characters) and "reason" (up to ${REASON_LENGTH_MAX}), and "destroysHeld": true where what is still held may go.`,
)
const BUSY = problem(
  503,
  'consent-busy',
  'Too many such requests wait for each other: they are written one at a time.',
  'Send it again in a moment; what was written before is not written twice.',
)
const CONFIRM = 'Send it again with "destroysHeld": true when that is wanted.'

/** Statuses of what the commands say too; what is not here is 503. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['recording-id-invalid', 400],
  ['recording-not-found', 404],
  ['consent-unknown-party', 400],
  ['consent-recording-open', 409],
  ['consent-unanswered', 409],
  ['consent-objected', 409],
  ['consent-unsupported', 409],
  ['consent-full', 409],
  ['consent-damaged', 409],
  ['consent-destroys-held', 409],
])

/**
 * `POST /api/v1/recordings/{id}/consent-events`: what a person has to say of the consent to a recording that is over, as `earwitness consent review`, `withdraw` and `decide`. 201 once it is
 * signed and stored, with what was written; 200 where it had been written before. What could not be done besides is in `troubles`; the same request again tries that again.
 */
export function addLaterConsentRoute(app: FastifyInstance, sayLater: SayLater): void {
  const path = '/api/v1/recordings/:id/consent-events'
  app.post<{ Params: { id: string }; Body: unknown }>(path, { bodyLimit: BODY_BYTES_MAX }, async (request, reply) => {
    if (isCrossSite(request)) return sendProblem(reply, CROSS_SITE)
    const saying = readSaying(request.params.id, request.body)
    if (saying === undefined) return sendProblem(reply, BAD_BODY)
    const later = await sayLater(saying).catch(refusalOf)
    if ('status' in later) return sendProblem(reply, later)
    if (!later.ok) return sendProblem(reply.header('retry-after', RETRY_AFTER_S), BUSY)
    return reply.code(later.value.said.added.length > 0 ? 201 : 200).send(shown(saying.recordingId, later.value))
  })
}

/** What is the caller's to mend; anything else is thrown on. */
function refusalOf(error: unknown): Problem {
  const status = error instanceof EarwitnessError ? STATUSES.get(error.code) : undefined
  if (!(error instanceof EarwitnessError) || status === undefined) throw error
  return problem(status, error.code, error.message, error.hint)
}

function shown(recordingId: string, { said, held, ruleCheck: check, isShredded }: SaidLater): unknown {
  const added = said.added.map(({ event, jws }) => ({ ...event, jws }))
  const { state, hasLedger } = said
  const troubles = [...said.troubles, ...held.troubles]
  const ruleCheck = check === undefined ? {} : { ruleCheck: check }
  return { recordingId, state, added, ...ruleCheck, held: held.outcome, hasLedger, isShredded, troubles }
}

/** Undefined where anything is not as it must be: what is misspelt must not be passed over. */
function readSaying(recordingId: string, body: unknown): LaterSaying | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined
  const { by, reason, destroysHeld: mayDestroy = false, ...rest } = body as Readonly<Record<string, unknown>>
  const [who, why] = [textOf(by, BY_LENGTH_MAX), textOf(reason, REASON_LENGTH_MAX)]
  const wish = readWish(rest)
  if (who === undefined || why === undefined || wish === undefined || typeof mayDestroy !== 'boolean') return undefined
  const confirm = (): Promise<void> => (mayDestroy ? Promise.resolve() : Promise.reject(destroysHeld(CONFIRM)))
  return { recordingId, wish, note: { by: who, reason: why }, confirm }
}

function readWish({ action, ...rest }: Readonly<Record<string, unknown>>): LaterWish | undefined {
  if (action === 'decide') {
    const { state: wanted, ...more } = rest
    const state = DECIDABLE_STATES.find((known) => known === wanted)
    return state === undefined || hasMembers(more) ? undefined : { kind: 'decide', state }
  }
  const { participantId, answer, ...more } = rest
  if (hasMembers(more)) return undefined
  const of = textOf(participantId, PARTICIPANT_ID_LENGTH_MAX)
  if (participantId !== undefined && of === undefined) return undefined
  const whose = of === undefined ? {} : { participantId: of }
  if (action === 'withdraw') return answer === undefined ? { kind: 'withdraw', ...whose } : undefined
  if (action !== 'review' || (answer !== 'yes' && answer !== 'no')) return undefined
  return { kind: 'review', answer, ...whose }
}

const hasMembers = (value: object): boolean => Object.keys(value).length > 0

function textOf(value: unknown, lengthMax: number): string | undefined {
  const text = typeof value === 'string' ? value.trim() : ''
  return text === '' || text.length > lengthMax ? undefined : text
}
