import { sealToRecipients, type RandomBytes } from '../evidence/age-seal.ts'
import { snapshotName } from '../evidence/object-names.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import type { MetadataSnapshot } from '../protocol/siprec/metadata.ts'
import type { SnapshotRecord } from './manifest-body.ts'
import type { RecordingSink } from './recording-types.ts'

/** Metadata snapshots kept per recording session. */
export const SNAPSHOTS_MAX = 1_000

/** A metadata document as it came: the parsed snapshot, or nothing when it did not parse; its bytes are kept anyway. */
export interface ReceivedMetadata {
  readonly raw: Uint8Array
  readonly rawSha256: string
  readonly snapshot: MetadataSnapshot | undefined
  /** What `raw` is when it is no rs-metadata document. */
  readonly mediaType?: string
}

/** Seals the metadata documents of one recording as they arrive, and lists them for its manifest. RFC 7865 */
export class SnapshotKeeper {
  readonly entries: SnapshotRecord[] = []
  readonly #recipient: string
  readonly #randomBytes: RandomBytes
  readonly #sink: RecordingSink

  constructor(options: {
    readonly recipient: string
    readonly randomBytes: RandomBytes
    readonly sink: RecordingSink
  }) {
    this.#recipient = options.recipient
    this.#randomBytes = options.randomBytes
    this.#sink = options.sink
  }

  get isFull(): boolean {
    return this.entries.length >= SNAPSHOTS_MAX
  }

  /** Seals the document to the recording's key. The caller asks {@link isFull} before. */
  keep(received: ReceivedMetadata, receivedAt: string): void {
    const seq = this.entries.length
    const name = snapshotName(seq)
    const sealed = sealToRecipients(received.raw, [this.#recipient], this.#randomBytes)
    this.entries.push({
      seq,
      name,
      sealedSha256: sha256Hex(sealed),
      sealedSizeBytes: sealed.length,
      rawSha256: received.rawSha256,
      dataMode: received.snapshot?.dataMode,
      receivedAt,
      ...(received.mediaType === undefined ? {} : { mediaType: received.mediaType }),
    })
    this.#sink.handleSealed({ kind: 'metadata', name, bytes: sealed, snapshotSeq: seq, rawSha256: received.rawSha256 })
  }
}
