import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { isWrappedKeyName } from '../../evidence/object-names.ts'
import { isUuidV7, uuidV7UnixMs } from '../../ids.ts'
import { namesIn } from '../names-in.ts'
import { errnoOf } from '../storage/storage-error.ts'
import { isInScope, type RecordingScope } from '../storage/recording-walk.ts'

/** The first line of a journal says whose recording it is; it has a few thousand bytes. */
const JOURNAL_START_BYTES = 64 * 1024

/**
 * Recordings of this machine whose sealed key may be in no store yet: those that are open, by their journals, and those whose key waits in the spool. Read before the stores are looked
 * through, they miss none that is stored meanwhile.
 *
 * @throws Error when a folder of the data folder cannot be read: it may hold some
 */
export async function keysOnTheirWay(dataDir: string, scope: RecordingScope): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const add = (recordingId: string, tenant: string | undefined): void => {
    const beganUnixMs = uuidV7UnixMs(recordingId)
    if (beganUnixMs !== undefined && isInScope(scope, { beganUnixMs, tenant })) found.add(recordingId)
  }
  const journals = join(dataDir, 'open')
  for (const name of await namesIn(journals)) {
    const recordingId = name.slice(0, -'.jsonl'.length)
    if (name.endsWith('.jsonl') && isUuidV7(recordingId)) add(recordingId, await tenantOf(join(journals, name)))
  }
  for (const name of await namesIn(join(dataDir, 'spool', 'objects'))) {
    // `tenant~2026~11~29~<id>~key.age`. What was put aside, with a dot before it, is stored no more.
    const parts = name.split('~')
    const [recordingId = '', object = ''] = parts.slice(-2)
    if (!name.startsWith('.') && isUuidV7(recordingId) && isWrappedKeyName(object)) add(recordingId, parts[0])
  }
  return found
}

/** Undefined when the journal does not say. */
async function tenantOf(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(JOURNAL_START_BYTES) })
      return /"tenant":"([^"\\]+)"/.exec(buffer.toString('latin1', 0, bytesRead))?.[1]
    } finally {
      await file.close()
    }
  } catch (error) {
    // It was closed meanwhile: that it was open counts.
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
