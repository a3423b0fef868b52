import { setTimeout as sleep } from 'node:timers/promises'

import type { S3Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { backoffMs } from './backoff.ts'
import type { ObjectStore } from './object-store.ts'
import { openObjectStore, openS3Store, type StorageConfig } from './open-store.ts'
import { S3_PASSING_CODES } from './s3/s3-error.ts'
import { CLOCK_OFFSET_GOOD_MS, type S3Report } from './s3/s3-report.ts'
import type { S3Store } from './s3/s3-store.ts'
import { UploadGate } from './upload-gate.ts'
import { UploadQueue } from './upload-queue.ts'

const CHECK_RETRY = { firstMs: 1_000, lastMs: 30_000 }

/** Where the daemon keeps objects. */
export interface Storage {
  readonly store: ObjectStore
  readonly uploads: UploadQueue
  /** What an S3 server was found to do; undefined for a folder, and until the server has answered. */
  report(): S3Report | undefined
  /** Resolves once the store has been tried out with success; to false when it is stopped before. */
  readonly ready: Promise<boolean>
  /** Takes over new credentials, and tries at once what waits. */
  reload(config: StorageConfig): void
  stop(): void
}

interface Parts {
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'chunkUploadSeconds'>
}

/**
 * Opens the configured store and tries it out.
 *
 * A store that refuses (credentials, bucket, certificate, full disk) throws: better that the SRC goes to its next recorder.
 * An S3 server that is only out of reach now does not: recording begins, what is sealed waits, and the store is
 * tried out once it answers.
 *
 * @throws EarwitnessError `storage-…`
 */
export async function startStorage(config: StorageConfig, parts: Parts): Promise<Storage> {
  const { s3 } = config.storage
  if (s3 !== undefined) return startS3(s3, parts)
  const store = await openObjectStore(config)
  await store.check()
  const uploads = createQueue(store, parts)
  const ready = Promise.resolve(true)
  return { store, uploads, report: () => undefined, ready, reload: () => {}, stop: () => uploads.stop() }
}

async function startS3(config: S3Config, parts: Parts): Promise<Storage> {
  const { log } = parts
  const store = await openS3Store(config)
  const stopped = new AbortController()
  const gate = new UploadGate({
    store,
    uploadsMax: config.uploadsMax,
    bytesPerSecondMax: config.bytesPerSecondMax,
    onState: (state) => {
      if (state === 'closed') log.info({}, 'the S3 server takes objects again')
      else if (state === 'open') log.warn({}, 'the S3 server fails again and again; it is left alone for a moment')
    },
  })
  let ready = Promise.resolve(true)
  try {
    await store.check()
    tellReport(store.report, log)
  } catch (error) {
    if (!(error instanceof EarwitnessError) || !S3_PASSING_CODES.has(error.code)) throw error
    log.error({ code: error.code, hint: error.hint }, 'the S3 server is not ready; recordings wait for it')
    ready = checkAgain(store, log, stopped.signal)
  }
  const uploads = createQueue(gate, parts)
  return {
    store,
    uploads,
    report: () => store.report,
    ready,
    reload({ storage }) {
      if (storage.s3?.credentials !== undefined) store.setCredentials(storage.s3.credentials)
      gate.wake()
      uploads.wake()
      log.info({}, 'the credentials of the S3 server were read again')
    },
    stop() {
      stopped.abort()
      uploads.stop()
      gate.stop()
      store.close()
    },
  }
}

/** Until the server has shown what it can do, each upload asks first whether the object is there. */
async function checkAgain(store: S3Store, log: Logger, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    await sleep(backoffMs(attempt, CHECK_RETRY, Math.random()), undefined, { signal, ref: false }).catch(() => {})
    if (signal.aborted) return false
    try {
      await store.check()
      tellReport(store.report, log)
      return true
    } catch (error) {
      const code = error instanceof EarwitnessError ? error.code : 'storage-failed'
      log.warn({ code, attempt }, 'the S3 server could not be tried out yet')
    }
  }
  return false
}

function tellReport(report: S3Report | undefined, log: Logger): void {
  if (report === undefined) return
  const { condition, objectLock, clockOffsetMs } = report
  log.info({ kind: condition, state: objectLock, clockOffsetMs }, 'the S3 server was tried out')
  if (condition !== 'honoured') {
    log.warn(
      { code: 'storage-condition-ignored' },
      'the S3 server does not honour If-None-Match; each upload asks first whether the object is there',
    )
  }
  if (objectLock === 'ignored') {
    log.error(
      { code: 'storage-lock-ignored' },
      'the S3 server accepts Object Lock and does not enforce it: a locked object could be destroyed',
    )
  }
  if (Math.abs(clockOffsetMs) > CLOCK_OFFSET_GOOD_MS) {
    log.warn(
      { code: 'storage-clock-skew', clockOffsetMs },
      'the clock of the S3 server differs from that of this machine',
    )
  }
}

function createQueue(store: Pick<ObjectStore, 'put'>, { log, metrics }: Parts): UploadQueue {
  return new UploadQueue({
    store,
    nowUnixMs: Date.now,
    observer: {
      stored: (seconds) => metrics.chunkUploadSeconds.observe({ outcome: 'stored' }, seconds),
      failed: (seconds, code, attempt) => {
        metrics.chunkUploadSeconds.observe({ outcome: code }, seconds)
        if (attempt === 1) log.error({ code }, 'a sealed object could not be stored yet; it is tried again')
      },
    },
  })
}
