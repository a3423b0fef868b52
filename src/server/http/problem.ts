import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { EarwitnessError } from '../../errors.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** Problem details. RFC 9457 3.1, with `code` (stable, to branch on) and `hint` (what to do) as extension members. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly hint?: string
}

const TITLES = new Map([
  [400, 'Bad request'],
  [403, 'Forbidden'],
  [404, 'Not found'],
  [405, 'Method not allowed'],
  [409, 'Conflict'],
  [413, 'Too large'],
  [414, 'Address too long'],
  [415, 'Unsupported media type'],
  [431, 'Headers too large'],
  [500, 'Internal error'],
  [503, 'Not available now'],
])

/** Builds problem details; `type` is a name derived from the code, and not to be fetched. */
export function problem(status: number, code: string, detail: string, hint?: string): Problem {
  const title = TITLES.get(status) ?? (status < 500 ? 'Request refused' : 'Server error')
  return {
    type: `urn:earwitness:problem:${code}`,
    title,
    status,
    detail,
    code,
    ...(hint === undefined ? {} : { hint }),
  }
}

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  return reply.code(body.status).type(PROBLEM_TYPE).send(JSON.stringify(body))
}

/** Those that the server sets on every reply; a hijacked one does not get them by itself. */
export function headersOf(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]))
}

/** Every error of this server is a problem: unknown paths, refused requests, exceptions. Nothing internal is shown. */
export function useProblems(app: FastifyInstance, reportError: (error: unknown) => void): void {
  app.setNotFoundHandler((request, reply) => notFound(app, request, reply))
  app.setErrorHandler((error: unknown, _request, reply) => {
    const body = problemOf(error)
    if (body.status >= 500) reportError(error)
    return sendProblem(reply, body)
  })
}

function notFound(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '/'
  if (app.hasRoute({ method: 'GET', url: path })) {
    void reply.header('allow', 'GET, HEAD')
    return sendProblem(reply, problem(405, 'method-not-allowed', 'This address is for reading only.'))
  }
  const hint = 'The API begins at /api/v1/; health and metrics are on the telemetry address.'
  return sendProblem(reply, problem(404, 'not-found', 'Nothing is at this address.', hint))
}

function problemOf(error: unknown): Problem {
  if (error instanceof EarwitnessError) return problem(503, error.code, error.message, error.hint)
  const status = (error as Partial<FastifyError>).statusCode ?? 500
  if (status < 500) return problem(status, 'bad-request', 'The request cannot be understood.')
  return problem(500, 'internal-error', 'The recorder met an error of its own; its log says more.')
}
