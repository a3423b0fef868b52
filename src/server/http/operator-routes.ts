import type { FastifyInstance, FastifyReply } from 'fastify'

import type { Result } from '../../result.ts'
import { CONSENT_ANSWERS, type ConsentWord } from '../recording/noted-consent.ts'
import { CROSS_SITE, isCrossSite } from './cross-site.ts'
import { problem, sendProblem, type Problem } from './problem.ts'
import type { LiveRecordingSession } from './status-report.ts'

/** What can be done to a live recording session. */
const ACTIONS = ['pause', 'resume', 'stop'] as const
type Action = (typeof ACTIONS)[number]

export type Operate = (rsId: string, action: Action) => Result<LiveRecordingSession, 'unknown' | 'notRecording'>

type Refusal = 'unknown' | 'notRecording' | 'unknownParty' | 'notDecided' | 'notKept'

export type NoteConsent = (rsId: string, word: ConsentWord) => Promise<Result<LiveRecordingSession, Refusal>>

const PROBLEMS: Readonly<Record<Refusal, Problem>> = {
  unknown: problem(
    404,
    'recording-session-not-found',
    'No recording session with this id is under way.',
    'GET /api/v1/recording-sessions lists those that are; ids of recordings are others.',
  ),
  notRecording: problem(
    409,
    'recording-session-not-recording',
    'This recording session is still being opened, or is ending already.',
  ),
  unknownParty: problem(
    400,
    'consent-unknown-party',
    'Nobody in this recording session has that id, so nobody has said yes.',
    'Give the participant_id of the metadata, or the id of a media stream of which no participant is known.',
  ),
  notDecided: problem(
    409,
    'consent-not-decided',
    'Nothing is decided about consent for recordings of this source.',
    'Set consent for the source, or for all, in the configuration.',
  ),
  notKept: problem(
    503,
    'consent-not-written',
    'What was said of consent is not on the disk: it allows nothing, and a crash would take it. What it forbids is done.',
    'Look at the disk of the recorder and its log, and say it again.',
  ),
}

/**
 * `POST /api/v1/recording-sessions/{rsId}/pause|resume|stop`. A pause holds when it is answered; `stop` is answered (202) before the manifest is
 * stored. Asking for what is so changes nothing.
 *
 * There is no authentication yet, so what a browser sends on behalf of another site is refused. (Fetch Metadata, `Sec-Fetch-Site`)
 */
export function addOperatorRoutes(app: FastifyInstance, operate: Operate): void {
  for (const action of ACTIONS) {
    const path = `/api/v1/recording-sessions/:rsId/${action}`
    app.post<{ Params: { rsId: string } }>(path, (request, reply) => {
      if (isCrossSite(request)) return sendProblem(reply, CROSS_SITE)
      const operated = operate(request.params.rsId, action)
      if (!operated.ok) return sendProblem(reply, PROBLEMS[operated.reason])
      return reply.code(action === 'stop' ? 202 : 200).send(operated.value)
    })
    app.get(path, (_request, reply) => postOnly(reply))
  }
}

/**
 * `POST /api/v1/recording-sessions/{rsId}/consent` with `{answer, participantId?}`: what the operator has been told by a party, kept as a signed event. It holds
 * when it is answered, also over a crash, with all that the policy of the source wants then.
 */
export function addConsentRoute(app: FastifyInstance, noteConsent: NoteConsent): void {
  const path = '/api/v1/recording-sessions/:rsId/consent'
  app.post<{ Params: { rsId: string }; Body: unknown }>(path, async (request, reply) => {
    if (isCrossSite(request)) return sendProblem(reply, CROSS_SITE)
    const word = readConsentWord(request.body)
    if (word === undefined) return sendProblem(reply, BAD_CONSENT)
    const noted = await noteConsent(request.params.rsId, word)
    return noted.ok ? reply.send(noted.value) : sendProblem(reply, PROBLEMS[noted.reason])
  })
  app.get(path, (_request, reply) => postOnly(reply))
}

const BAD_CONSENT = problem(
  400,
  'consent-invalid',
  'This says nothing about consent.',
  'Send JSON: {"answer": "yes" | "no" | "withdrawn", "participantId": "…"}; the participant may be left out with "withdrawn" alone.',
)
/** Ids of participants are base64 of 16 bytes, or what a client makes of that. RFC 7865 6.5 */
const PARTICIPANT_ID_LENGTH_MAX = 200

function readConsentWord(body: unknown): ConsentWord | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const answer = CONSENT_ANSWERS.find((known) => known === Reflect.get(body, 'answer'))
  const participantId: unknown = Reflect.get(body, 'participantId')
  if (answer === undefined) return undefined
  if (participantId === undefined) return answer === 'withdrawn' ? { answer } : undefined
  if (typeof participantId !== 'string' || participantId === '' || participantId.length > PARTICIPANT_ID_LENGTH_MAX)
    return undefined
  return { answer, participantId }
}

function postOnly(reply: FastifyReply): FastifyReply {
  void reply.header('allow', 'POST')
  return sendProblem(reply, problem(405, 'method-not-allowed', 'This address is for POST only.'))
}
