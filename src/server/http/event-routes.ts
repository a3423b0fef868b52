import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'

import type { EventHub } from './event-hub.ts'
import { EventStream } from './event-stream.ts'
import { LevelFeed, type AskLevels, type WantedLevels } from './level-feed.ts'
import { headersOf, problem, sendProblem } from './problem.ts'

/** Recording sessions whose levels one reader may ask for by id; `all` asks for every one. */
export const LEVELS_ASKED_MAX = 16
/** Below what proxies take for a dead connection, and what we do. */
const HEARTBEAT_MS = 10_000

const QUERY = Type.Object({
  levels: Type.Optional(
    Type.Union(
      [Type.String({ maxLength: 64 }), Type.Array(Type.String({ maxLength: 64 }), { maxItems: LEVELS_ASKED_MAX })],
      {
        description: 'all, or the rsId of a recording session; may be given several times.',
      },
    ),
  ),
})

export interface EventRoutesOptions {
  readonly hub: EventHub
  readonly askLevels: AskLevels
  readonly nowUnixMs: () => number
  /** A reader was cut off, because it did not read. */
  readonly onCut: () => void
}

/** `GET /api/v1/events`: server-sent events of all recording sessions; see `event-schema.ts`. */
export class EventRoutes {
  readonly #options: EventRoutesOptions
  readonly #feed: LevelFeed
  readonly #streams = new Set<EventStream>()
  readonly #heartbeat: NodeJS.Timeout

  constructor(app: FastifyInstance, options: EventRoutesOptions) {
    this.#options = options
    this.#feed = new LevelFeed({ ask: options.askLevels, nowUnixMs: options.nowUnixMs })
    this.#heartbeat = setInterval(() => {
      for (const stream of this.#streams) stream.beat()
    }, HEARTBEAT_MS).unref()
    app.get<{ Querystring: Static<typeof QUERY> }>(
      '/api/v1/events',
      { schema: { querystring: QUERY }, exposeHeadRoute: false },
      (request, reply) => this.#open(request, reply),
    )
  }

  stop(): void {
    clearInterval(this.#heartbeat)
    this.#feed.stop()
    for (const stream of this.#streams) stream.end()
  }

  #open(request: FastifyRequest<{ Querystring: Static<typeof QUERY> }>, reply: FastifyReply): FastifyReply {
    const { hub, onCut } = this.#options
    if (hub.isFull) {
      void reply.header('retry-after', '5')
      return sendProblem(reply, TOO_MANY)
    }
    void reply.hijack()
    const stream = new EventStream(reply.raw, { headers: headersOf(reply), onCut })
    this.#streams.add(stream)
    const lastEventId = request.headers['last-event-id']
    const leave = hub.subscribe(stream, typeof lastEventId === 'string' ? lastEventId : undefined)
    const wanted = wantedLevels(request.query.levels)
    const leaveLevels = wanted === undefined ? undefined : this.#feed.join((text) => stream.write(text), wanted)
    // A reader waits; that is not idling.
    request.raw.socket.setTimeout(0)
    reply.raw.once('close', () => {
      leave()
      leaveLevels?.()
      this.#streams.delete(stream)
    })
    return reply
  }
}

const TOO_MANY = problem(
  503,
  'event-subscribers-too-many',
  'As many programs as are served read the event stream already.',
  'Close one of them, or read `GET /api/v1/recording-sessions` now and then.',
)

function wantedLevels(levels: string | readonly string[] | undefined): WantedLevels | undefined {
  if (levels === undefined) return undefined
  const wanted = typeof levels === 'string' ? [levels] : levels
  return wanted.includes('all') ? 'all' : new Set(wanted)
}
