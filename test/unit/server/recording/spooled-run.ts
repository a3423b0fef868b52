import { Custody } from '../../../../src/server/recording/custody.ts'
import { OpenJournal } from '../../../../src/server/recording/open-journal.ts'
import { Spool } from '../../../../src/server/spool/spool.ts'
import { nodeSpoolFiles } from '../../../../src/server/spool/spool-files.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { OPENED_AT_UNIX_MS } from '../../../support/recording-rig.ts'
import type { SpoolDisk } from '../../../support/spool-disk.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { type MemoryStore, RecordList } from './live-recordings.ts'

const { signingKey: signer } = await vectorSigner()
const ROOMY = { bytesMax: 1e9, ageMsMax: 1e9, freeBytesMin: 0 }
const NO_OBSERVER = { stored: () => {}, failed: () => {} }

export function fail(error: unknown): never {
  throw error
}

/**
 * A process begins: what is on the disk and in the store is all there is. With a `disk` the spool is on that, and may fail; without it in `dataDir`, where the
 * journal of open recordings always is.
 */
export async function startSpooled(
  run: string,
  { dataDir, store, disk }: { readonly dataDir: string; readonly store: MemoryStore; readonly disk?: SpoolDisk },
) {
  const journal = new OpenJournal({ dataDir, nowUnixMs: () => OPENED_AT_UNIX_MS, onError: fail })
  await journal.run()
  const leftOpen = await journal.leftOpen()
  const nowUnixMs = (): number => 0
  const queue = new UploadQueue({ store, observer: NO_OBSERVER, nowUnixMs, retryFirstMs: 1, retryLastMs: 1 })
  const place =
    disk === undefined
      ? { dataDir, files: nodeSpoolFiles, onError: fail }
      : { dataDir: '/data', files: disk, onError: () => {} }
  const spool = new Spool({ ...place, run, queue, nowUnixMs, onTorn: () => {}, limits: ROOMY })
  await spool.run()
  const custody = new Custody({
    ...{ uploads: spool.uploads, spool: spool.keeper, outbox: new RecordList(), journal, signer },
    nowUnixMs: () => OPENED_AT_UNIX_MS + 60_000,
  })
  return { journal, leftOpen, queue, spool, custody }
}
