import { isDestroyedBy } from '../../evidence/custody/destroyed-by.ts'
import { isWrappedKeyName, wrappedKeyNumber } from '../../evidence/object-names.ts'
import { isUuidV7 } from '../../ids.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { StoreSide } from '../storage/store-side.ts'
import type { RotatedMarks } from '../vault/rotated-marks.ts'
import type { ShreddedMarks } from './shredded-marks.ts'

export interface KeyGuardOptions {
  readonly marks: Pick<ShreddedMarks, 'read'>
  readonly rotated: Pick<RotatedMarks, 'lowest'>
  /** Something that was destroyed was about to be stored again. */
  readonly onRefused: () => void
}

/**
 * A store of a recorder that takes nothing back which was destroyed, with its recording or because its key was sealed anew: whatever waits in a queue, the spool, a journal or the list of the replica. Such an object counts as stored, so
 * that whoever brings it forgets it.
 */
export function guardSide(side: StoreSide, options: KeyGuardOptions): StoreSide {
  const { store, writes } = side
  const put = guardedPut(store, store, options)
  return {
    store: {
      put,
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      delete: (key) => store.delete(key),
      check: () => store.check(),
    },
    writes: { put: guardedPut(writes, store, options) },
    report: () => side.report(),
    ready: side.ready,
    reload: (s3) => side.reload(s3),
    stop: () => side.stop(),
  }
}

function guardedPut(
  writes: Pick<ObjectStore, 'put'>,
  store: Pick<ObjectStore, 'delete'>,
  { marks, rotated, onRefused }: KeyGuardOptions,
): ObjectStore['put'] {
  const isDestroyed = async (recordingId: string, name: string): Promise<boolean> => {
    const mark = await marks.read(recordingId)
    if (mark !== undefined && isDestroyedBy(mark.scope, name)) return true
    return isWrappedKeyName(name) && wrappedKeyNumber(name) < (await rotated.lowest(recordingId))
  }
  return async (key, bytes) => {
    const [recordingId = '', name = ''] = key.split('/').slice(-2)
    if (!isUuidV7(recordingId) || !isDestroyedBy('objects', name)) return writes.put(key, bytes)
    if (await isDestroyed(recordingId, name)) return onRefused()
    await writes.put(key, bytes)
    // It may have been destroyed while it was on its way.
    if (!(await isDestroyed(recordingId, name))) return
    await store.delete(key)
    onRefused()
  }
}
