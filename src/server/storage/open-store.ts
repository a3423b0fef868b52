import { chown, stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { Config, ReplicaConfig, S3Config } from '../../config/config.ts'
import { FolderStore, INCOMING } from './folder-store.ts'
import type { CustodyStore, ObjectStore } from './object-store.ts'
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

/** The store, or the replica, for holds and destruction. */
export interface CustodyPlace {
  readonly place: 'store' | 'replica'
  readonly store: CustodyStore
  /** For people. */
  readonly description: string
  /** Gives an object that root wrote, and the folders that it is in, to the owner of the folder, so that the recorder can read it. */
  adopt(key: string): Promise<void>
}

/** Each by itself, the store first; whoever opened them closes them. */
export async function openForCustody(
  config: StorageConfig,
): Promise<{ readonly places: readonly CustodyPlace[]; readonly close: () => void }> {
  const { s3, replica } = config.storage
  const opened: S3Store[] = []
  const open = async (place: CustodyPlace['place'], s3Config: S3Config | undefined, folder: () => string) => {
    if (s3Config === undefined) {
      const root = folder()
      const adopt = (key: string): Promise<void> => adoptFile({ root, dataDir: config.dataDir }, key)
      return { place, store: new FolderStore(root), description: `folder ${root}`, adopt }
    }
    const store = await openS3Store(s3Config)
    opened.push(store)
    return { place, store, description: `bucket ${s3Config.bucket}`, adopt: () => Promise.resolve() }
  }
  const places: CustodyPlace[] = [await open('store', s3, () => storageFolder(config))]
  if (replica !== undefined) places.push(await open('replica', replica.s3, () => replicaFolder(replica)))
  const close = (): void => {
    for (const store of opened) store.close()
  }
  return { places, close }
}

/**
 * With the folders that were made for it: in one that is root's the recorder could neither read nor store any more. A store that root has made, and nobody else
 * can enter, goes to the owner of the data folder.
 */
async function adoptFile(
  { root, dataDir }: { readonly root: string; readonly dataDir: string },
  key: string,
): Promise<void> {
  try {
    const own = process.geteuid?.()
    const there = await stat(root)
    const isOurs = there.uid === own && (there.mode & 0o077) === 0
    const { uid, gid } = isOurs ? await stat(dataDir) : there
    const names = key.split('/')
    const paths = names.map((_, index) => join(root, ...names.slice(0, index + 1)))
    for (const path of [...(isOurs ? [root, join(root, INCOMING)] : []), ...paths]) {
      if ((await stat(path)).uid === own) await chown(path, uid, gid)
    }
  } catch {
    // Who may not give it away is its owner already.
  }
}

/** The S3 SDK takes 35 MB and a while to load: only where it is used. */
export async function openS3Store(config: S3Config): Promise<S3Store> {
  const { S3Store } = await import('./s3/s3-store.ts')
  return new S3Store(config)
}
