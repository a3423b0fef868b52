/** Beyond this, one of the two clocks is wrong; AWS refuses at fifteen minutes. */
export const CLOCK_OFFSET_GOOD_MS = 10_000

/** What an S3 server was found to do. */
export interface S3Report {
  /** Of `If-None-Match: *`: an existing object stays · is replaced all the same · the server refuses such a request. */
  readonly condition: 'honoured' | 'ignored' | 'refused'
  /** `off` when it is not configured; `ignored` when a locked object could be destroyed. */
  readonly objectLock: 'off' | 'enforced' | 'ignored'
  /** The server's clock is ahead of ours by this, to a second or so. */
  readonly clockOffsetMs: number
}
