import type { FastifyInstance, FastifyReply } from 'fastify'

import type { Result } from '../../result.ts'
import { CROSS_SITE, isCrossSite } from './cross-site.ts'
import { problem, sendProblem, type Problem } from './problem.ts'
import type { LiveRecordingSession } from './status-report.ts'

/** What can be done to a live recording session. */
const ACTIONS = ['pause', 'resume', 'stop'] as const
type Action = (typeof ACTIONS)[number]

export type Operate = (rsId: string, action: Action) => Result<LiveRecordingSession, 'unknown' | 'notRecording'>

const PROBLEMS: Readonly<Record<'unknown' | 'notRecording', Problem>> = {
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

function postOnly(reply: FastifyReply): FastifyReply {
  void reply.header('allow', 'POST')
  return sendProblem(reply, problem(405, 'method-not-allowed', 'This address is for POST only.'))
}
