import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

import { type BoundHttpAddress, close, type HttpListenAddress, listen } from '../http/listen.ts'
import { createHttpServer } from '../http/server.ts'
import type { Health, HealthVerdict } from './health.ts'

export interface TelemetryServerOptions {
  readonly listen: HttpListenAddress
  readonly health: Health
  readonly registry: Registry
  readonly reportError: (error: unknown) => void
}

/**
 * Probes and metrics on `telemetry.listen`.
 *
 * - `/livez`: 200 while the event loop turns. Restart the process when it stays away.
 * - `/readyz`: 200 while new recording sessions are taken, else 503; `?verbose` gives the checks as JSON.
 * - `/metrics`: Prometheus text format.
 */
export class TelemetryServer {
  readonly #app: FastifyInstance
  readonly #options: TelemetryServerOptions

  constructor(options: TelemetryServerOptions) {
    this.#options = options
    this.#app = createHttpServer(options.reportError)
    this.#app.get('/livez', (_request, reply) => reply.type('text/plain; charset=utf-8').send('live\n'))
    this.#app.get<{ Querystring: { readonly verbose?: string } }>('/readyz', (request, reply) => {
      const verdict = options.health.verdict()
      void reply.code(verdict.ready ? 200 : 503)
      if (request.query.verbose !== undefined) return reply.send(verdict)
      return reply.type('text/plain; charset=utf-8').send(`${inOneLine(verdict)}\n`)
    })
    this.#app.get('/metrics', async (_request, reply) => {
      void reply.type(options.registry.contentType)
      return options.registry.metrics()
    })
  }

  /** @throws EarwitnessError `http-port-in-use` and others of {@link listen} */
  run(): Promise<BoundHttpAddress> {
    return listen(this.#app, this.#options.listen, 'telemetry.listen')
  }

  /** Nothing to wait for: probes must see `draining` until the end. */
  async drain(): Promise<void> {}

  stop(): Promise<void> {
    return close(this.#app)
  }
}

function inOneLine({ ready, state, checks }: HealthVerdict): string {
  const failed = checks.filter((check) => !check.ok).map((check) => check.name)
  const because = failed.length === 0 ? '' : `: ${failed.join(', ')}`
  return ready || state === 'draining' ? state + because : `not ready${because}`
}
