import type { Registry } from 'prom-client'

import type { Config } from '../config/config.ts'
import { tenantsOf } from '../config/tenants.ts'
import type { LaterConsentDesk } from './consent/later-desk.ts'
import { ApiServer, type ApiServerOptions } from './http/api-server.ts'
import type { EventHub } from './http/event-hub.ts'
import type { BoundHttpAddress } from './http/listen.ts'
import type { LiveListening } from './recording/live-listening.ts'
import type { ObjectStore } from './storage/object-store.ts'
import { readObject } from './storage/read-object.ts'
import type { StatusBoard } from './status-board.ts'
import type { Health } from './telemetry/health.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { TelemetryServer } from './telemetry/telemetry-server.ts'

/** Starts the API and the telemetry server; `started` is told how to stop each of them, as soon as it runs. */
export async function startHttpServices(
  { http, telemetry, sources }: Pick<Config, 'http' | 'telemetry' | 'sources'>,
  options: {
    readonly board: StatusBoard
    readonly eventHub: EventHub
    readonly listening: LiveListening
    readonly announce: ApiServerOptions['announce']
    readonly later: Pick<LaterConsentDesk, 'say'>
    readonly store: Pick<ObjectStore, 'get'>
    readonly metrics: Metrics
    readonly registry: Registry
    readonly health: Health
    readonly log: Logger
    readonly started: (stop: () => Promise<void>) => void
  },
): Promise<{ readonly http: BoundHttpAddress; readonly telemetry: BoundHttpAddress }> {
  const { board, eventHub, listening, store, metrics, registry, health, log, started } = options
  const tenants = tenantsOf({ sources })
  const apiServer = new ApiServer({
    listen: http.listen,
    status: () => board.report(),
    recordingSessions: () => board.recordingSessions(),
    announce: options.announce,
    operate: (rsId, action) => board.operate(rsId, action),
    noteConsent: (rsId, word) => board.noteConsent(rsId, word),
    sayLater: (saying) => options.later.say(saying),
    events: {
      hub: eventHub,
      askLevels: () => board.levels(),
      nowUnixMs: Date.now,
      onCut: () => metrics.eventSubscribersCutTotal.inc(),
    },
    readObject: (recordingId, name) => readObject(store, tenants, { recordingId, name }),
    audio: {
      listen: (rsId, from, open) => listening.listen(rsId, from, open),
      onListenerCut: () => metrics.liveListeningTotal.inc({ outcome: 'cut' }),
    },
    reportError: (error) => log.error({ err: error }, 'HTTP request failed'),
  })
  const httpAddress = await apiServer.run()
  started(() => apiServer.stop())
  const telemetryServer = new TelemetryServer({
    listen: telemetry.listen,
    health,
    registry,
    reportError: (error) => log.error({ err: error }, 'telemetry request failed'),
  })
  const telemetryAddress = await telemetryServer.run()
  started(() => telemetryServer.stop())
  return { http: httpAddress, telemetry: telemetryAddress }
}
