/** What the running hash is before the first chunk. FORMAT.md 3 */
export const RUNNING_HASH_START = '0'.repeat(64)

/** The ASCII text whose SHA-256 is the next running hash; apart from its hashing because browsers hash elsewhere. */
export function runningHashText(previous: string, chunkSha256: string): string {
  return `earwitness-chunk-chain/1\n${previous}\n${chunkSha256}\n`
}
