import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import type { Result } from '../../result.ts'
import type { AudioListener } from '../media/live-audio.ts'
import type { LiveListeningRefusal } from '../recording/live-listening.ts'
import { AudioStream } from './audio-stream.ts'
import { CROSS_SITE, isCrossSite } from './cross-site.ts'
import { headersOf, problem, sendProblem, type Problem } from './problem.ts'

/** How to listen; the result ends it. */
export type Listen = (
  rsId: string,
  from: string,
  open: () => AudioListener,
) => Promise<Result<() => void, LiveListeningRefusal>>

export interface AudioRoutesOptions {
  readonly listen: Listen
  /** A listener was cut off, because it did not read. */
  readonly onListenerCut: () => void
}

const NOT_RECORDING = problem(
  409,
  'recording-session-not-recording',
  'This recording session is still being opened, or is ending already.',
)

const PROBLEMS: Readonly<Record<LiveListeningRefusal, Problem>> = {
  off: problem(
    403,
    'live-listening-off',
    'Nobody can listen to recordings while they are made.',
    'Set liveListening: true in the configuration, when those who reach the HTTP API may hear what is said.',
  ),
  unknown: problem(
    404,
    'recording-session-not-found',
    'No recording session with this id is under way.',
    'GET /api/v1/recording-sessions lists those that are; ids of recordings are others.',
  ),
  notRecording: NOT_RECORDING,
  over: NOT_RECORDING,
  tooMany: problem(
    503,
    'listeners-too-many',
    'As many as are served listen already, to this recording session or to all.',
    'Wait for one of them to end.',
  ),
  notNotable: problem(
    409,
    'listening-not-notable',
    'So much happened in this recording session that its manifest has no room to note another listener.',
    'Listen to the recording when it is over.',
  ),
}

/**
 * `GET /api/v1/recording-sessions/{rsId}/audio`: the recording as it is made, from now on, as an Ogg Opus stream that players open at once; a link begins when
 * streams join. It comes 1 to 2 s after it was said: pages are of one second, and are the very ones that are sealed.
 */
export class AudioRoutes {
  readonly #options: AudioRoutesOptions
  readonly #streams = new Set<AudioStream>()

  constructor(app: FastifyInstance, options: AudioRoutesOptions) {
    this.#options = options
    app.get<{ Params: { rsId: string } }>(
      '/api/v1/recording-sessions/:rsId/audio',
      { exposeHeadRoute: false },
      (request, reply) => this.#open(request, reply),
    )
  }

  stop(): void {
    for (const stream of this.#streams) stream.end()
  }

  async #open(request: FastifyRequest<{ Params: { rsId: string } }>, reply: FastifyReply): Promise<FastifyReply> {
    if (isCrossSite(request)) return sendProblem(reply, CROSS_SITE)
    let stream: AudioStream | undefined
    const started = await this.#options.listen(request.params.rsId, request.ip, () => {
      void reply.hijack()
      // A listener waits; that is not idling.
      request.raw.socket.setTimeout(0)
      stream = new AudioStream(reply.raw, { headers: headersOf(reply), onCut: this.#options.onListenerCut })
      return stream
    })
    if (!started.ok) return sendProblem(reply, PROBLEMS[started.reason])
    if (stream !== undefined) this.#follow(reply, stream, started.value)
    return reply
  }

  #follow(reply: FastifyReply, stream: AudioStream, end: () => void): void {
    if (reply.raw.closed) {
      end()
      return
    }
    this.#streams.add(stream)
    reply.raw.once('close', () => {
      this.#streams.delete(stream)
      end()
    })
  }
}
