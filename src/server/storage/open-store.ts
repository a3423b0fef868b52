import { join } from 'node:path'

import type { Config, S3Config } from '../../config/config.ts'
import { FolderStore } from './folder-store.ts'
import type { ObjectStore } from './object-store.ts'
import type { S3Store } from './s3/s3-store.ts'

export type StorageConfig = Pick<Config, 'storage' | 'dataDir'>

/** The folder that holds the recordings, for kind: folder. */
export function storageFolder({ storage, dataDir }: StorageConfig): string {
  return storage.folder.path ?? join(dataDir, 'recordings')
}

/** The store that the configuration names, not tried out yet. */
export async function openObjectStore(config: StorageConfig): Promise<ObjectStore> {
  const { s3 } = config.storage
  return s3 === undefined ? new FolderStore(storageFolder(config)) : openS3Store(s3)
}

/** The S3 SDK takes 35 MB and a while to load: only where it is used. */
export async function openS3Store(config: S3Config): Promise<S3Store> {
  const { S3Store } = await import('./s3/s3-store.ts')
  return new S3Store(config)
}
