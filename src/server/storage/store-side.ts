import { setTimeout as sleep } from 'node:timers/promises'

import type { S3Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { backoffMs } from './backoff.ts'
import { FolderStore } from './folder-store.ts'
import type { ObjectStore } from './object-store.ts'
import { openS3Store } from './open-store.ts'
import { S3_PASSING_CODES } from './s3/s3-error.ts'
import { CLOCK_OFFSET_GOOD_MS, type S3Report } from './s3/s3-report.ts'
import type { S3Store } from './s3/s3-store.ts'
import { UploadGate } from './upload-gate.ts'

const CHECK_RETRY = { firstMs: 1_000, lastMs: 30_000 }

/** One store of the daemon, with what stands before it. */
export interface StoreSide {
  readonly store: ObjectStore
  /** The way for what is recorded: as much at once, and as fast, as the store may be asked. */
  readonly writes: Pick<ObjectStore, 'put'>
  /** What an S3 server was found to do; undefined for a folder, and until the server has answered. */
  report(): S3Report | undefined
  /** Resolves once the store has been tried out with success; to false when it is stopped before. */
  readonly ready: Promise<boolean>
  /** Takes over new credentials, and tries at once what waits. */
  reload(s3: S3Config | undefined): void
  stop(): void
}

interface SideOptions {
  readonly log: Logger
  /** An error at the first try that does not end the start: the store is tried again until it works. */
  readonly isPassing: (error: EarwitnessError) => boolean
}

/** @throws EarwitnessError `storage-…` when the store refuses */
export async function openFolderSide(folder: string, { log, isPassing }: SideOptions): Promise<StoreSide> {
  const store = new FolderStore(folder)
  const stopped = new AbortController()
  const { ready } = await tryOut(store, { log, isPassing, signal: stopped.signal })
  return { store, writes: store, report: () => undefined, ready, reload: () => {}, stop: () => stopped.abort() }
}

/** An S3 server that is only out of reach, which is what passes. */
export function isOutOfReach(error: EarwitnessError): boolean {
  return S3_PASSING_CODES.has(error.code)
}

/** @throws EarwitnessError `storage-…` when the server refuses */
export async function openS3Side(config: S3Config, { log, isPassing }: SideOptions): Promise<StoreSide> {
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
  const { ready } = await tryOut(store, { log, isPassing, signal: stopped.signal })
  return {
    store,
    writes: gate,
    report: () => store.report,
    ready,
    reload(s3) {
      if (s3?.credentials !== undefined) store.setCredentials(s3.credentials)
      gate.wake()
      log.info({}, 'the credentials of the S3 server were read again')
    },
    stop() {
      stopped.abort()
      gate.stop()
      store.close()
    },
  }
}

type Trying = SideOptions & { readonly signal: AbortSignal }

/** Until a server has shown what it can do, each upload asks first whether the object is there. */
async function tryOut(
  store: ObjectStore,
  { log, isPassing, signal }: Trying,
): Promise<{ readonly ready: Promise<boolean> }> {
  try {
    await store.check()
    tellReport(store, log)
    return { ready: Promise.resolve(true) }
  } catch (error) {
    if (!(error instanceof EarwitnessError) || !isPassing(error)) throw error
    log.error({ code: error.code, hint: error.hint }, 'the store is not ready; recordings wait for it')
    return { ready: checkAgain(store, log, signal) }
  }
}

async function checkAgain(store: ObjectStore, log: Logger, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    await sleep(backoffMs(attempt, CHECK_RETRY, Math.random()), undefined, { signal, ref: false }).catch(() => {})
    if (signal.aborted) return false
    try {
      await store.check()
      tellReport(store, log)
      return true
    } catch (error) {
      const code = error instanceof EarwitnessError ? error.code : 'storage-failed'
      log.warn({ code, attempt }, 'the store could not be tried out yet')
    }
  }
  return false
}

function tellReport(store: ObjectStore | S3Store, log: Logger): void {
  const report = 'report' in store ? store.report : undefined
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
