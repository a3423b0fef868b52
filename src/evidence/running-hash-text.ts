/** What the running hash is before the first chunk. FORMAT.md 3 */
export const RUNNING_HASH_START = '0'.repeat(64)

/** What runs: the chunks, or the objects with RTP that was kept as it came. FORMAT.md 3, 3.1 */
export type RunningHashChain = 'chunk' | 'rtp'

/** The ASCII text whose SHA-256 is the next running hash; apart from its hashing because browsers hash elsewhere. */
export function runningHashText(chain: RunningHashChain, previous: string, objectSha256: string): string {
  return `earwitness-${chain}-chain/1\n${previous}\n${objectSha256}\n`
}
