import type { CustodyStore } from '../storage/object-store.ts'
import type { CustodyPlace } from '../storage/open-store.ts'

/** A store in which wrapped keys lie: the configured one, or its replica. A key must change in both, by itself. */
export type RotationPlace = Pick<CustodyPlace, 'place'> &
  Pick<CustodyStore, 'get' | 'put' | 'list' | 'delete' | 'destroyUnnamed'> & {
    /** Puts the legal hold of the store itself on an object, where it has such. */
    hold(key: string): Promise<void>
  }

/** What root writes belongs to the owner of the folder, or the recorder could not read it. */
export function rotationPlace(place: CustodyPlace): RotationPlace {
  const { store } = place
  return {
    place: place.place,
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    delete: (key) => store.delete(key),
    destroyUnnamed: (hashes) => store.destroyUnnamed(hashes),
    async put(key, bytes) {
      await store.put(key, bytes)
      await place.adopt(key)
    },
    async hold(key) {
      for (const copy of await store.copies(key)) if (copy.key === key) await store.setLegalHold(copy, true)
    },
  }
}
