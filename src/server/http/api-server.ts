import type { FastifyInstance } from 'fastify'

import { accepted } from '../../result.ts'
import { addAnnouncementRoutes, type Announce } from './announcement-routes.ts'
import { AudioRoutes, type AudioRoutesOptions } from './audio-routes.ts'
import { addConsentRoutes } from './consent-routes.ts'
import { addLaterConsentRoute, type SayLater } from './later-consent-routes.ts'
import { EventRoutes, type EventRoutesOptions } from './event-routes.ts'
import { type BoundHttpAddress, close, type HttpListenAddress, listen } from './listen.ts'
import { addConsentRoute, addOperatorRoutes, type NoteConsent, type Operate } from './operator-routes.ts'
import { createHttpServer } from './server.ts'
import { addRecordingRoutes, type ReadObject } from './recording-routes.ts'
import type { LiveRecordingSession, StatusReport } from './status-report.ts'

export interface ApiServerOptions {
  readonly listen: HttpListenAddress
  readonly status: () => StatusReport
  readonly recordingSessions: () => Promise<readonly LiveRecordingSession[]>
  readonly events: EventRoutesOptions
  readonly audio: AudioRoutesOptions
  readonly readObject: ReadObject
  readonly operate: Operate
  readonly announce: Announce
  readonly noteConsent: NoteConsent
  readonly sayLater: SayLater
  /** Told of every exception behind a 500 or 503. */
  readonly reportError: (error: unknown) => void
}

/**
 * The HTTP API on `http.listen`; every error is a problem document (RFC 9457).
 *
 * There is no authentication yet: keep it on loopback or behind a proxy that has some.
 */
export class ApiServer {
  readonly #app: FastifyInstance
  readonly #options: ApiServerOptions
  readonly #events: EventRoutes
  readonly #audio: AudioRoutes

  constructor(options: ApiServerOptions) {
    this.#options = options
    this.#app = createHttpServer(options.reportError)
    this.#app.get('/api/v1/status', async () => options.status())
    this.#app.get('/api/v1/recording-sessions', async () => {
      const recordingSessions = Array.from(await options.recordingSessions(), shown)
      return { recordingSessions, total: recordingSessions.length }
    })
    this.#events = new EventRoutes(this.#app, options.events)
    this.#audio = new AudioRoutes(this.#app, options.audio)
    addRecordingRoutes(this.#app, options.readObject)
    addConsentRoutes(this.#app, options.readObject)
    addLaterConsentRoute(this.#app, options.sayLater)
    addAnnouncementRoutes(this.#app, options.announce)
    addOperatorRoutes(this.#app, (rsId, action) => {
      const operated = options.operate(rsId, action)
      return operated.ok ? accepted(shown(operated.value)) : operated
    })
    addConsentRoute(this.#app, async (rsId, word) => {
      const noted = await options.noteConsent(rsId, word)
      return noted.ok ? accepted(shown(noted.value)) : noted
    })
  }

  /** @throws EarwitnessError `http-port-in-use` and others of {@link listen} */
  run(): Promise<BoundHttpAddress> {
    return listen(this.#app, this.#options.listen, 'http.listen')
  }

  /** Nothing to wait for: while recording sessions end, `status` must still be answered. */
  async drain(): Promise<void> {}

  stop(): Promise<void> {
    this.#events.stop()
    this.#audio.stop()
    return close(this.#app)
  }
}

/** Picks the fields that may be shown, whatever else the daemon's object carries. */
function shown(recordingSession: LiveRecordingSession): LiveRecordingSession {
  const { rsId, recordingId, src, state, pausedBy, consent, startedAt, streams } = recordingSession
  const known = consent === undefined ? {} : { consent }
  return { rsId, recordingId, src, state, pausedBy, ...known, startedAt, ...(streams === undefined ? {} : { streams }) }
}
