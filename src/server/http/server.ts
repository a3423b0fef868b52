import type { Socket } from 'node:net'

import { fastify, type FastifyInstance } from 'fastify'

import { problem, PROBLEM_TYPE, useProblems } from './problem.ts'

/** What is read has a line or two; a bound against those who send more. */
const BODY_BYTES_MAX = 64 * 1024
/** A request must be complete within this time, and a connection may idle for this long. */
const REQUEST_TIMEOUT_MS = 15_000
const KEEP_ALIVE_TIMEOUT_MS = 10_000
/** Open connections; probes, Prometheus and a few consoles need a handful. */
export const HTTP_CONNECTIONS_MAX = 512

/** For machines and for the console's own pages: nothing is cached, framed, sniffed or run. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const

/** A Fastify with the bounds, headers and errors that all servers of the recorder share; no routes. */
export function createHttpServer(reportError: (error: unknown) => void): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    // while stopping, requests on open connections get 503 with `connection: close`
    return503OnClosing: true,
    clientErrorHandler: refuseMalformed,
  })
  app.server.maxConnections = HTTP_CONNECTIONS_MAX
  app.addHook('onRequest', async (_request, reply) => {
    void reply.headers(HEADERS)
  })
  useProblems(app, reportError)
  return app
}

/** Bytes that are not HTTP: there is no request to reply to, so the answer is written by hand. */
function refuseMalformed(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const status = tooLarge ? 431 : 400
  const body = JSON.stringify(
    problem(status, 'bad-request', tooLarge ? 'The headers are too large.' : 'This is not HTTP/1.1.'),
  )
  const head = [
    `HTTP/1.1 ${status} ${tooLarge ? 'Request Header Fields Too Large' : 'Bad Request'}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
