import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import type { Result } from '../result.ts'
import type { Config, ListenAddress } from './config.ts'
import type { Problems } from './problems.ts'
import type { Environment } from './read-environment.ts'
import { normaliseConsent } from './normalise-consent.ts'
import { normaliseSources } from './normalise-sources.ts'
import { normaliseStorage } from './normalise-storage.ts'
import { normaliseVault } from './normalise-vault.ts'
import type { RawConfig } from './schema.ts'
import { secretAt } from './secret-at.ts'
import { parseDuration, parseListen, parseSipListen, parseSize } from './values.ts'

export interface NormaliseOptions {
  readonly env: Environment
  readonly cwd: string
  readonly origins: ReadonlyMap<string, string>
  readonly problems: Problems
}

/**
 * Turns texts with units into numbers and relative paths into absolute ones. Values that are known to be wrong are
 * left out.
 */
export function normalise(raw: RawConfig, options: NormaliseOptions): Config {
  const path = (value: string | null): string | undefined => (value === null ? undefined : resolve(options.cwd, value))
  return {
    dataDir: resolve(options.cwd, raw.dataDir),
    sip: {
      listen: parseAll(raw.sip.listen, parseSipListen),
      advertise: raw.sip.advertise ?? undefined,
      realm: raw.sip.realm,
      authenticateOptions: raw.sip.authenticateOptions,
      tls: tlsOf(raw.sip.tls, path),
      drachtio: raw.sip.engine === 'drachtio' ? drachtioOf(raw.sip.drachtio, options) : undefined,
    },
    rtp: {
      address: raw.rtp.address,
      advertise: raw.rtp.advertise ?? undefined,
      portMin: raw.rtp.portMin,
      portMax: raw.rtp.portMax,
      receiveBufferBytes: quantity(parseSize(raw.rtp.receiveBuffer)),
      sendRtcp: raw.rtp.sendRtcp,
    },
    http: { listen: listenOr(raw.http.listen) },
    telemetry: { listen: listenOr(raw.telemetry.listen) },
    database: { url: databaseUrl(raw.database.url, options) },
    storage: normaliseStorage(raw.storage, options),
    vault: normaliseVault(raw.vault, options),
    signer: signerOf(raw.signer, path),
    ledger: { timestampUrl: raw.ledger.timestamp.url ?? undefined, witnesses: raw.ledger.witnesses },
    recording: {
      layout: raw.recording.layout,
      dtmf: raw.recording.dtmf,
      chunkSeconds: raw.recording.chunkSeconds,
      mediaTimeoutMs: quantity(parseDuration(raw.recording.mediaTimeout)),
      concealment: raw.recording.concealment,
      opusBitrate: raw.recording.opusBitrate,
      opusComplexity: raw.recording.opusComplexity,
      silenceGate: raw.recording.silenceGate,
    },
    media: {
      workers: raw.media.workers === 0 ? availableParallelism() : raw.media.workers,
      receiver: raw.media.receiver,
      opusEngine: raw.media.opusEngine,
    },
    limits: {
      recordingSessionsMax: raw.limits.recordingSessionsMax,
      workerBusyPercent: raw.limits.workerBusyPercent,
      eventLoopLagMs: quantity(parseDuration(raw.limits.eventLoopLag)),
      openingWaitMs: quantity(parseDuration(raw.limits.openingWait)),
    },
    spool: {
      bytesMax: quantity(parseSize(raw.spool.maxBytes)),
      ageMsMax: quantity(parseDuration(raw.spool.maxAge)),
      freeBytesMin: quantity(parseSize(raw.spool.minFree)),
    },
    alerts: {
      zeroPacketsMs: quantity(parseDuration(raw.alerts.zeroPackets)),
      oneWayMs: quantity(parseDuration(raw.alerts.oneWay)),
      stoppedMs: quantity(parseDuration(raw.alerts.stopped)),
      silentMs: quantity(parseDuration(raw.alerts.silent)),
      silentLevelDbov: raw.alerts.silentLevel,
    },
    announcements: announcementsOf(raw.announcements, (folder) => resolve(options.cwd, folder)),
    liveListening: raw.liveListening,
    drainTimeoutMs: quantity(parseDuration(raw.drainTimeout)),
    log: { level: raw.log.level },
    unknownSources: raw.unknownSources,
    consent: normaliseConsent(raw, options.cwd),
    sources: normaliseSources(raw, options),
  }
}

function signerOf(
  { keyFile, certificateFile, certificateKeyFile }: RawConfig['signer'],
  path: (value: string | null) => string | undefined,
): Config['signer'] {
  return {
    keyFile: path(keyFile),
    certificateFile: path(certificateFile),
    certificateKeyFile: path(certificateKeyFile),
  }
}

function tlsOf(tls: RawConfig['sip']['tls'], path: (value: string | null) => string | undefined): Config['sip']['tls'] {
  const [certFile, keyFile] = [path(tls.certFile), path(tls.keyFile)]
  if (certFile === undefined || keyFile === undefined) return undefined
  return { certFile, keyFile, caFile: path(tls.caFile), requestCert: tls.requestCert }
}

function announcementsOf(raw: RawConfig['announcements'], path: (value: string) => string): Config['announcements'] {
  const { window, ...answer } = raw.answer
  const { linkWindow, folder, rtpengine, ...others } = raw
  return {
    ...others,
    folder: path(folder),
    rtpengine:
      rtpengine.address === null
        ? undefined
        : { address: listenOr(rtpengine.address), folder: rtpengine.folder ?? undefined },
    answer: { ...answer, windowMs: quantity(parseDuration(window)) },
    linkWindowMs: quantity(parseDuration(linkWindow)),
  }
}

function drachtioOf(drachtio: RawConfig['sip']['drachtio'], options: NormaliseOptions): Config['sip']['drachtio'] {
  const { mode, host, port, listen, allow } = drachtio
  const secret = secretAt('sip.drachtio.secret', drachtio.secret, options) ?? ''
  return { mode, host, port, listen: listenOr(listen), allow, secret }
}

// A value that does not parse has been reported by `checkValue`, and `loadConfig` throws before anybody sees what
// stands here.
const quantity = (parsed: Result<number, string>): number => (parsed.ok ? parsed.value : 0)

function listenOr(text: string): ListenAddress {
  const parsed = parseListen(text)
  return parsed.ok ? parsed.value : { address: '127.0.0.1', port: 0 }
}

function parseAll<Value>(texts: readonly string[], parse: (text: string) => Result<Value, string>): readonly Value[] {
  return texts.flatMap((text) => {
    const parsed = parse(text)
    return parsed.ok ? [parsed.value] : []
  })
}

function databaseUrl(text: string | null, options: NormaliseOptions): string | undefined {
  const path = 'database.url'
  const url = secretAt(path, text, options)
  if (url === undefined || isPostgresUrl(url)) return url
  options.problems.add(path, {
    code: 'config-invalid-value',
    where: options.origins.get(path),
    sentence: `${path} wants a PostgreSQL URL.`,
    hint:
      'Write postgres://USER:PASSWORD@HOST:PORT/NAME; characters such as @ and / in a password are ' +
      'percent-encoded.',
  })
  return undefined
}

function isPostgresUrl(text: string): boolean {
  return URL.canParse(text) && ['postgres:', 'postgresql:'].includes(new URL(text).protocol)
}
