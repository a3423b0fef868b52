import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'

import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'

import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { MANIFEST_NAME } from '../../../src/evidence/object-names.ts'

/** Of a recording. */
const SAMPLES_PER_MS = 48

/** What a bucket holds of one recording. */
export interface StoredRecordingObjects {
  readonly manifest: ManifestBody
  /** When the server took each object, Unix milliseconds, by its name. */
  readonly storedAtMs: ReadonlyMap<string, number>
}

/** Every recording in the bucket that has a manifest. */
export async function storedObjects(client: S3Client, bucket: string): Promise<readonly StoredRecordingObjects[]> {
  const byFolder = new Map<string, Map<string, number>>()
  let next: string | undefined
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, ...(next === undefined ? {} : { ContinuationToken: next }) }),
    )
    for (const { Key = '', LastModified } of page.Contents ?? []) {
      const folder = Key.slice(0, Key.lastIndexOf('/'))
      const names = byFolder.get(folder) ?? new Map<string, number>()
      byFolder.set(folder, names.set(Key.slice(folder.length + 1), LastModified?.getTime() ?? Number.NaN))
    }
    next = page.NextContinuationToken
  } while (next !== undefined)
  const found: StoredRecordingObjects[] = []
  for (const [folder, storedAtMs] of byFolder) {
    if (!storedAtMs.has(MANIFEST_NAME)) continue
    found.push({ manifest: await manifestAt(client, bucket, `${folder}/${MANIFEST_NAME}`), storedAtMs })
  }
  return found
}

async function manifestAt(client: S3Client, bucket: string, key: string): Promise<ManifestBody> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  const [, body = ''] = (await buffer(Body as Readable)).toString('utf8').split('.')
  return JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as ManifestBody
}

/** Milliseconds from when the first sample of each chunk was spoken until the server had it, in ascending order: of chunks of running recording sessions, and of the last of each, which comes with all else at its end. */
export function uploadLags(
  recordings: readonly StoredRecordingObjects[],
  spokenFromMs: number,
): { readonly running: readonly number[]; readonly last: readonly number[] } {
  const lags = recordings.flatMap(({ manifest, storedAtMs }) =>
    manifest.chunks.map(({ name, fromSample, chunkSeq }) => ({
      isLast: chunkSeq === manifest.chunks.length - 1,
      ms: (storedAtMs.get(name) ?? Number.NaN) - (spokenFromMs + fromSample / SAMPLES_PER_MS),
    })),
  )
  const ascending = (wanted: boolean): readonly number[] =>
    lags
      .filter(({ isLast }) => isLast === wanted)
      .map(({ ms }) => ms)
      .toSorted((one, other) => one - other)
  return { running: ascending(false), last: ascending(true) }
}
