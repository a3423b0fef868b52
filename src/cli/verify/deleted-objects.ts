import type { Config } from '../../config/config.ts'
import { tenantsOf } from '../../config/tenants.ts'
import { EarwitnessError } from '../../errors.ts'
import type { Verdict } from '../../evidence/verify.ts'
import { objectKey, recordingPrefix } from '../../server/storage/layout.ts'
import { openS3Store } from '../../server/storage/open-store.ts'
import type { S3Deletion } from '../../server/storage/s3/s3-store.ts'

/** Objects that are asked after; a recording of which more is missing was destroyed as a whole. */
const ASKED_MAX = 50

/** An object that is missing because somebody has deleted it. */
export interface DeletedObject extends S3Deletion {
  readonly name: string
}

/** Which of the objects that `verdict` misses were deleted in a bucket that keeps versions. None for a folder. */
export async function deletedObjects(config: Config, verdict: Verdict): Promise<readonly DeletedObject[]> {
  const { s3 } = config.storage
  const names = verdict.findings.flatMap(({ code, name }) =>
    code.endsWith('-missing') && name !== undefined ? [name] : [],
  )
  if (s3 === undefined || names.length === 0) return []
  const store = await openS3Store(s3)
  const deleted: DeletedObject[] = []
  try {
    for (const name of names.slice(0, ASKED_MAX)) {
      for (const tenant of tenantsOf(config)) {
        const deletion = await store.deletion(objectKey(recordingPrefix(tenant, verdict.recordingId), name))
        if (deletion !== undefined) deleted.push({ name, ...deletion })
      }
    }
  } catch (error) {
    // The verdict stands without: not every key may list versions.
    if (!(error instanceof EarwitnessError)) throw error
  } finally {
    store.close()
  }
  return deleted
}

/** For people. */
export function describeDeleted({ name, deletedAt, versionIds: [first, ...more] }: DeletedObject): string {
  const when = deletedAt === undefined ? '' : ` at ${deletedAt.toISOString()}`
  if (first === undefined) return `${name} was deleted${when}; the bucket has no version of it any more.`
  const others = more.length === 0 ? '' : ` and ${more.length} more`
  return `${name} was deleted${when}; the bucket still has version ${first}${others}.`
}
