import { isUuidV7 } from '../../ids.ts'
import { objectKey, recordingPrefix } from './layout.ts'
import type { ObjectStore } from './object-store.ts'

/** Reads an object of a recording, whichever of the tenants it belongs to: the id says the day. Undefined when there is none. */
export async function readObject(
  store: Pick<ObjectStore, 'get'>,
  tenants: Iterable<string>,
  { recordingId, name }: { readonly recordingId: string; readonly name: string },
): Promise<Uint8Array | undefined> {
  if (!isUuidV7(recordingId)) return undefined
  for (const tenant of tenants) {
    const bytes = await store.get(objectKey(recordingPrefix(tenant, recordingId), name))
    if (bytes !== undefined) return bytes
  }
  return undefined
}
