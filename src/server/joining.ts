import { readConsentPacks } from '../config/read-consent-packs.ts'
import type { Config } from '../config/config.ts'
import type { ConsentSettings } from './consent/consent-desk.ts'
import { LaterConsentDesk } from './consent/later-desk.ts'
import { PolicyShredder } from './consent/policy-shredder.ts'
import { listenedPrompts } from './consent/listened-prompts.ts'
import type { ListenedPrompt } from './media/prompt-ears.ts'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AdmissionController } from './admission.ts'
import type { EventHub } from './http/event-hub.ts'
import { MediaPlane } from './media/media-plane.ts'
import { alertThresholds } from './media/alert-thresholds.ts'
import { chooseReceiver } from './media/receiver-choice.ts'
import { monotonicUs } from './monotonic.ts'
import { LiveListening } from './recording/live-listening.ts'
import { RecordingControl } from './recording/recording-control.ts'
import { RecordingEvents } from './recording/recording-events.ts'
import { SourceTable } from './recording/source-table.ts'
import { Authentication } from './signalling/authentication.ts'
import { createSignalling, type Signalling } from './signalling/create-signalling.ts'
import { randomToken } from './signalling/random-token.ts'
import { SpoolWatch } from './spool/spool-watch.ts'
import type { Health } from './telemetry/health.ts'
import type { Keeping, StartOptions } from './keeping.ts'

const LATER_STOP_MS = 5_000

/** What makes recordings. */
export interface Joined {
  readonly media: MediaPlane
  readonly control: RecordingControl
  readonly shredder: PolicyShredder
  readonly later: LaterConsentDesk
  readonly signalling: Signalling
  readonly listening: LiveListening
  readonly sources: SourceTable
}

interface JoinParts extends Keeping, StartOptions {
  readonly health: Health
  readonly admission: AdmissionController
  readonly eventHub: EventHub
}

/** Makes what makes recordings, and joins it. */
export async function joinServices(parts: JoinParts): Promise<Joined> {
  const { config } = parts
  const sources = new SourceTable(config.sources, { unknownSources: config.unknownSources })
  const signalling = joinSignalling(parts, sources)
  const media = createMediaPlane(parts, await promptsToHear(config))
  const shredder = new PolicyShredder(parts)
  const events = new RecordingEvents({ ...parts, publish: parts.eventHub.publish })
  const control = new RecordingControl({
    signalling: signalling.port,
    media,
    ...{ custody: parts.custody, spool: parts.spool, spoolWatch: watchSpool(parts) },
    sources,
    consent: consentSettings(parts, shredder),
    events,
    settings: {
      ...{ layout: config.recording.layout, dtmf: config.recording.dtmf },
      chunkUs: config.recording.chunkSeconds * 1_000_000,
      silenceGateDbov: config.recording.silenceGate,
      conceals: config.recording.concealment,
      mediaTimeoutMs: config.recording.mediaTimeoutMs,
      // With another engine, sip.advertise is its address, and media comes here.
      mediaAddress: config.rtp.advertise ?? (config.sip.drachtio === undefined ? config.sip.advertise : undefined),
      vaultRecipients: parts.vaultRecipients,
      software: parts.software,
      sendsRtcp: config.rtp.sendRtcp,
    },
    refusal: (method) => {
      const refusal = parts.health.refusal()
      if (refusal === undefined && method === 'INVITE') parts.admission.take(monotonicUs())
      return refusal
    },
    isOverfull: () => parts.spool.uploads.isOverfull,
    nowUs: monotonicUs,
    nowUnixMs: Date.now,
    sleep: async (ms) => sleep(ms, undefined, { ref: false }),
    randomBytes: (length) => randomBytes(length),
  })
  media.setHandler(control)
  const listening = new LiveListening({
    ...{ isOn: config.liveListening, audio: media.audio, events, nowUs: monotonicUs },
    live: () => control.live,
  })
  return { control, shredder, later: laterDesk(parts), media, signalling, listening, sources }
}

/** Whoever stops waits for what is being written, and not for a store that hangs. */
function laterDesk(parts: JoinParts): LaterConsentDesk {
  const later = new LaterConsentDesk({ ...parts, onEvent: (type) => parts.metrics.consentEventsTotal.inc({ type }) })
  parts.undo.push(() => Promise.race([later.whenIdle(), sleep(LATER_STOP_MS, undefined, { ref: false })]))
  return later
}

function joinSignalling({ config, log }: JoinParts, sources: SourceTable): Signalling {
  return createSignalling(config.sip, {
    log,
    randomToken,
    authoriser: new Authentication({
      sources,
      realm: config.sip.realm,
      includeOptions: config.sip.authenticateOptions,
      secret: randomBytes(32),
      log,
    }),
    nowUs: monotonicUs,
    queueWaitUs: config.limits.openingWaitMs * 1_000,
  })
}

function createMediaPlane({ config, spool }: JoinParts, prompts: readonly ListenedPrompt[]): MediaPlane {
  return new MediaPlane({
    settings: {
      bindAddress: config.rtp.address,
      opusEngine: config.media.opusEngine,
      opusBitsPerSecond: config.recording.opusBitrate,
      opusComplexity: config.recording.opusComplexity,
      busyShareMax: config.limits.workerBusyPercent / 100,
      receiveBufferBytes: config.rtp.receiveBufferBytes,
      alerts: alertThresholds(config.alerts),
      receiver: chooseReceiver(config.media.receiver),
      liveListening: config.liveListening,
      prompts,
      transcriber: config.consent.transcriber,
      spoolFolder: spool.runFolder,
    },
    portMin: config.rtp.portMin,
    portMax: config.rtp.portMax,
    openingWaitUs: config.limits.openingWaitMs * 1_000,
  })
}

function consentSettings({ config, custody, announcements }: JoinParts, shredder: PolicyShredder): ConsentSettings {
  return {
    shred: (recording) => shredder.shred(recording),
    sources: new Map(config.sources.map(({ name, consent }) => [name, consent])),
    byDefault: config.consent.byDefault,
    data: readConsentPacks({ ownFolder: config.consent.packs }),
    keep: (recording, note) => custody.consented(recording, note),
    announced: ({ communication: { ids, consentTokens }, facts: { src, tenant } }, changed) =>
      announcements.tokens.take({ source: { name: src, tenant }, ids, tokens: consentTokens, changed }),
  }
}

/** None where no source is listened to. */
async function promptsToHear({ consent, sources, announcements }: Config): Promise<readonly ListenedPrompt[]> {
  const policies = [consent.byDefault, ...sources.map((source) => source.consent)]
  if (policies.every(({ listening }) => listening === undefined)) return []
  return listenedPrompts(announcements.folder)
}

function watchSpool(parts: JoinParts): SpoolWatch {
  const watch = new SpoolWatch(parts)
  watch.run()
  parts.undo.push(() => watch.stop())
  return watch
}
