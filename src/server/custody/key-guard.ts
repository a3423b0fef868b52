import { EarwitnessError } from '../../errors.ts'
import { isDestroyedBy } from '../../evidence/custody/destroyed-by.ts'
import { isSealedKeyName, isWrappedKeyName, wrappedKeyNumber } from '../../evidence/object-names.ts'
import { isUuidV7 } from '../../ids.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { StoreSide } from '../storage/store-side.ts'
import type { RotatedMarks } from './rotated-marks.ts'
import type { ShreddedMarks } from './shredded-marks.ts'

/** Something that was destroyed was about to be stored again. */
export interface RefusedObject {
  readonly recordingId: string
  /** Of the object. */
  readonly name: string
  /** Whether the store may still have it: it would not let it be destroyed, as Object Lock does. */
  readonly mayBeLeft: boolean
}

export interface KeyGuardOptions {
  readonly marks: Pick<ShreddedMarks, 'read'>
  readonly rotated: Pick<RotatedMarks, 'lowest'>
  readonly onRefused: (refused: RefusedObject) => void
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
  const refuse = async (key: string, refused: Pick<RefusedObject, 'recordingId' | 'name'>): Promise<void> => {
    let mayBeLeft = false
    try {
      await store.delete(key)
    } catch (error) {
      if (!(error instanceof EarwitnessError) || error.code !== 'storage-denied') throw error
      // Trying for ever helps nobody.
      mayBeLeft = true
    }
    onRefused({ ...refused, mayBeLeft })
  }
  return async (key, bytes) => {
    const [recordingId = '', name = ''] = key.split('/').slice(-2)
    if (!isUuidV7(recordingId) || !isDestroyedBy('objects', name)) return writes.put(key, bytes)
    if (await isDestroyed(recordingId, name)) {
      // An attempt before this one may have stored the key and been killed. Other objects are no secret without it, and a mark that cannot be read stands for them too.
      if (isSealedKeyName(name)) return refuse(key, { recordingId, name })
      return onRefused({ recordingId, name, mayBeLeft: false })
    }
    await writes.put(key, bytes)
    // It may have been destroyed while it was on its way.
    if (await isDestroyed(recordingId, name)) await refuse(key, { recordingId, name })
  }
}
