import { join } from 'node:path'

import type { Config, ReplicaConfig, S3Config } from '../../config/config.ts'
import { FolderStore } from './folder-store.ts'
import type { ObjectStore } from './object-store.ts'
import { FallbackReader, type OnFallback } from './replica/fallback-reader.ts'
import type { S3Store } from './s3/s3-store.ts'

export type StorageConfig = Pick<Config, 'storage' | 'dataDir'>

/** The folder that holds the recordings, for kind: folder. */
export function storageFolder({ storage, dataDir }: StorageConfig): string {
  return storage.folder.path ?? join(dataDir, 'recordings')
}

/** The folder of a replica that is one. */
export function replicaFolder({ folder }: ReplicaConfig): string {
  if (folder.path === undefined) throw new TypeError('the replica is no folder')
  return folder.path
}

/** What the configuration names, for reading: the store, and the replica for what the store lacks or does not give. */
export async function openStoreForReading(
  config: StorageConfig,
  onFallback: OnFallback,
): Promise<Pick<ObjectStore, 'get' | 'list'>> {
  const { s3, replica } = config.storage
  const primary = s3 === undefined ? new FolderStore(storageFolder(config)) : await openS3Store(s3)
  if (replica === undefined) return primary
  const second = replica.s3 === undefined ? new FolderStore(replicaFolder(replica)) : await openS3Store(replica.s3)
  return new FallbackReader({ primary, replica: second, onFallback, listsWithoutPrimary: true })
}

/** The S3 SDK takes 35 MB and a while to load: only where it is used. */
export async function openS3Store(config: S3Config): Promise<S3Store> {
  const { S3Store } = await import('./s3/s3-store.ts')
  return new S3Store(config)
}
