import { EarwitnessError } from '../../errors.ts'
import { isUuidV7 } from '../../ids.ts'
import { recordingPrefix } from './layout.ts'

/**
 * The prefix of the objects of a recording, without asking the database: the id says the day, the configuration the tenants.
 *
 * @param hasObjects whether there is any under a prefix
 * @throws EarwitnessError `recording-id-invalid`, `recording-not-found`
 */
export async function findRecordingPrefix(
  id: string,
  tenants: Iterable<string>,
  hasObjects: (prefix: string) => Promise<boolean>,
): Promise<string> {
  if (!isUuidV7(id)) {
    throw new EarwitnessError(
      'recording-id-invalid',
      'That is not the id of a recording.',
      'Copy an id from `earwitness recordings list`; it looks like 01990000-0000-7000-8000-000000000000.',
    )
  }
  for (const tenant of tenants) {
    const prefix = recordingPrefix(tenant, id)
    if (await hasObjects(prefix)) return prefix
  }
  throw new EarwitnessError(
    'recording-not-found',
    `The object store holds nothing under ${id}.`,
    'Check the id with `earwitness recordings list`, and that --config names the recorder it belongs to.',
  )
}
