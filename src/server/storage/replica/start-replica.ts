import { join } from 'node:path'

import type { ReplicaConfig, S3Config } from '../../../config/config.ts'
import { guardSide, type KeyGuardOptions } from '../../custody/key-guard.ts'
import { nodeSpoolFiles } from '../../spool/spool-files.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { ObjectStore } from '../object-store.ts'
import { replicaFolder, type StorageConfig } from '../open-store.ts'
import { isOutOfReach, openFolderSide, openS3Side, type StoreSide } from '../store-side.ts'
import type { FallbackKind } from './fallback-reader.ts'
import { MissingList } from './missing-list.ts'
import { ReplicatedStore } from './replicated-store.ts'
import { Replicator } from './replicator.ts'

/** Objects on their way to a folder at once. */
const FOLDER_UPLOADS_MAX = 8
/** Of what is told again and again. */
const TELL_EVERY_MS = 60_000

export type ReplicaMetrics = Pick<
  Metrics,
  'replicaUploadSeconds' | 'replicaUnnotedTotal' | 'replicaConflictsTotal' | 'storageFallbackReadsTotal'
>

/** How far the replica is. */
export interface ReplicaStatus {
  /** Objects that are not known to be in both stores. */
  readonly missing: number
  /** Since when the oldest of them is not. */
  readonly oldestUnixMs: number | undefined
  /** The error code of the last attempt while the replica refuses, undefined while it works. */
  readonly failing: string | undefined
  /** Of them in memory. */
  readonly heldBytes: number
  /** Resolves when both stores have everything, or after `timeoutMs`; true when they have. */
  drain(timeoutMs: number): Promise<boolean>
}

interface Replica {
  /** Both stores as one. */
  readonly store: ObjectStore
  readonly status: ReplicaStatus
  reload(s3: S3Config | undefined): void
  stop(): Promise<void>
}

/**
 * Opens the second store, when one is configured, and begins to bring it what it lacks.
 *
 * @throws EarwitnessError `storage-…` when the replica refuses and nothing counts as stored without it
 */
export async function startReplica(
  { storage, dataDir }: StorageConfig,
  parts: {
    readonly primary: StoreSide
    readonly log: Logger
    readonly metrics: ReplicaMetrics
    readonly guard: KeyGuardOptions
  },
): Promise<Replica | undefined> {
  const config = storage.replica
  if (config === undefined) return undefined
  const { primary, metrics } = parts
  const log = parts.log.child({ service: 'replica' })
  const side = guardSide(await openSide(config, log), parts.guard)
  const missing = new MissingList({
    folder: join(dataDir, 'replica'),
    files: nodeSpoolFiles,
    onError: (error) => log.error({ err: error }, 'the list of what the replica lacks cannot be kept on disk'),
  })
  await missing.run()
  if (missing.count > 0)
    log.warn({ count: missing.count }, 'the replica lacks objects of an earlier run; it gets them now')
  const replicator = new Replicator({
    primary: { get: (key) => primary.store.get(key), put: (key, bytes) => primary.writes.put(key, bytes) },
    replica: { get: (key) => side.store.get(key), put: (key, bytes) => side.writes.put(key, bytes) },
    missing,
    durable: config.durable,
    uploadsMax: config.s3?.uploadsMax ?? FOLDER_UPLOADS_MAX,
    observer: observe(log, metrics),
    nowUnixMs: Date.now,
  })
  const onFallback = (kind: FallbackKind): void => metrics.storageFallbackReadsTotal.inc({ kind })
  // Not before the first store was tried out: until then nothing can be read back from it.
  void primary.ready.then((isReady) => isReady && replicator.run())
  return {
    store: new ReplicatedStore({ primary: primary.store, replica: side.store, replicator, onFallback }),
    status: replicator,
    reload(s3) {
      side.reload(s3)
      replicator.wake()
    },
    async stop() {
      side.stop()
      await replicator.stop()
    },
  }
}

function openSide(config: ReplicaConfig, log: Logger): Promise<StoreSide> {
  const { s3, durable } = config
  const isNeeded = durable === 'both'
  if (s3 !== undefined) return openS3Side(s3, { log, isPassing: (error) => !isNeeded || isOutOfReach(error) })
  return openFolderSide(replicaFolder(config), { log, isPassing: () => !isNeeded })
}

function observe(log: Logger, metrics: ReplicaMetrics): ConstructorParameters<typeof Replicator>[0]['observer'] {
  let told = Number.NEGATIVE_INFINITY
  return {
    stored: (seconds) => metrics.replicaUploadSeconds.observe({ outcome: 'stored' }, seconds),
    failed(seconds, code) {
      metrics.replicaUploadSeconds.observe({ outcome: code }, seconds)
      if (code === 'storage-conflict') {
        metrics.replicaConflictsTotal.inc()
        log.error(
          { code },
          'the replica holds another object of the same name, and keeps it; the store has the right one',
        )
      }
      if (performance.now() - told < TELL_EVERY_MS) return
      told = performance.now()
      log.warn({ code }, 'the replica does not take objects; what it misses is noted, and brought to it later')
    },
    unnoted: () => metrics.replicaUnnotedTotal.inc(),
  }
}
