import { chown, stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { S3Config } from '../../config/config.ts'
import { FolderStore } from '../storage/folder-store.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { openS3Store, replicaFolder, storageFolder, type StorageConfig } from '../storage/open-store.ts'
import type { S3Store } from '../storage/s3/s3-store.ts'

/** A store in which wrapped keys lie: the configured one, or its replica. */
export type RotationPlace = Pick<ObjectStore, 'get' | 'put' | 'list' | 'delete'>

/** The store and, where there is one, the replica: a key must change in both, by itself. Whoever opened them closes them. */
export async function openRotationPlaces(
  config: StorageConfig,
): Promise<{ readonly places: readonly RotationPlace[]; readonly close: () => void }> {
  const { s3, replica } = config.storage
  const opened: S3Store[] = []
  const open = async (s3Config: S3Config | undefined, folder: () => string): Promise<RotationPlace> => {
    if (s3Config === undefined) return folderPlace(folder())
    const store = await openS3Store(s3Config)
    opened.push(store)
    return store
  }
  const places = [await open(s3, () => storageFolder(config))]
  if (replica !== undefined) places.push(await open(replica.s3, () => replicaFolder(replica)))
  const close = (): void => {
    for (const store of opened) store.close()
  }
  return { places, close }
}

/** What root writes belongs to the owner of the folder, or the recorder could not read it. */
function folderPlace(root: string): RotationPlace {
  const store = new FolderStore(root)
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    delete: (key) => store.delete(key),
    async put(key, bytes) {
      await store.put(key, bytes)
      const owner = await stat(root)
      // Who may not give it away is its owner already.
      await chown(join(root, key), owner.uid, owner.gid).catch(() => {})
    },
  }
}
