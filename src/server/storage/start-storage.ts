import type { Logger } from '../telemetry/logger.ts'
import { guardSide, type RefusedObject } from '../custody/key-guard.ts'
import { ShreddedMarks } from '../custody/shredded-marks.ts'
import { RotatedMarks } from '../custody/rotated-marks.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ObjectStore } from './object-store.ts'
import { storageFolder, type StorageConfig } from './open-store.ts'
import { startReplica, type ReplicaMetrics, type ReplicaStatus } from './replica/start-replica.ts'
import type { S3Report } from './s3/s3-report.ts'
import { isOutOfReach, openFolderSide, openS3Side } from './store-side.ts'
import { UploadQueue } from './upload-queue.ts'

/** Where the daemon keeps objects. */
export interface Storage {
  /** With a replica: writes go to both, reads fall back to it. */
  readonly store: ObjectStore
  readonly uploads: UploadQueue
  /** What the S3 server of the store was found to do; undefined for a folder, and until the server has answered. */
  report(): S3Report | undefined
  /** Undefined without a replica. */
  readonly replica: ReplicaStatus | undefined
  /** Resolves once the store has been tried out with success; to false when it is stopped before. */
  readonly ready: Promise<boolean>
  /** Takes over new credentials, and tries at once what waits. */
  reload(config: StorageConfig): void
  stop(): Promise<void>
}

interface Parts {
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'chunkUploadSeconds' | 'destroyedObjectsRefusedTotal'> & ReplicaMetrics
}

/**
 * Opens the configured store, and its replica, and tries them out.
 *
 * A store that refuses (credentials, bucket, certificate, full disk) throws: better that the SRC goes to its next recorder.
 * An S3 server that is only out of reach now does not: recording begins, what is sealed waits, and the store is
 * tried out once it answers. A replica in whatever trouble ends no start, unless nothing counts as stored without it.
 *
 * @throws EarwitnessError `storage-…`
 */
export async function startStorage(config: StorageConfig, parts: Parts): Promise<Storage> {
  const { log } = parts
  const { s3 } = config.storage
  const guard = {
    marks: new ShreddedMarks(config.dataDir),
    rotated: new RotatedMarks(config.dataDir),
    onRefused: (refused: RefusedObject) => {
      parts.metrics.destroyedObjectsRefusedTotal.inc()
      log.warn({ ...refused }, 'an object that was destroyed was about to be stored again, and was not')
    },
  }
  const opened =
    s3 === undefined
      ? await openFolderSide(storageFolder(config), { log, isPassing: () => false })
      : await openS3Side(s3, { log, isPassing: isOutOfReach })
  const side = guardSide(opened, guard)
  const { ready } = side
  const replica = await startReplica(config, { ...parts, primary: side, guard })
  const uploads = createQueue(replica?.store ?? side.writes, parts)
  return {
    store: replica?.store ?? side.store,
    uploads,
    report: () => side.report(),
    replica: replica?.status,
    ready,
    reload({ storage }) {
      side.reload(storage.s3)
      replica?.reload(storage.replica?.s3)
      uploads.wake()
    },
    async stop() {
      uploads.stop()
      side.stop()
      await replica?.stop()
    },
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
