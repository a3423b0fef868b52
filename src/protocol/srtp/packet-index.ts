/** Sequence numbers in one turn of the rollover counter (ROC). RFC 3711 3.3.1 */
export const TURN = 0x1_0000
/** Packet indices have 48 bits: 32 of ROC, 16 of sequence number. */
const INDEX_LIMIT = 0x1_0000_0000_0000

/**
 * The index that a sequence number most likely stands for: the one nearest to the highest seen so far. RFC 3711 3.3.1, A
 *
 * Before the first turn there is nothing to go back to, and so a number far ahead is then taken as it is.
 */
export function estimateIndex(highest: number, sequenceNumber: number): number {
  const sameTurn = highest - (highest % TURN) + sequenceNumber
  if (sameTurn - highest > TURN / 2 && sameTurn >= TURN) return sameTurn - TURN
  if (highest - sameTurn > TURN / 2 && sameTurn + TURN < INDEX_LIMIT) return sameTurn + TURN
  return sameTurn
}

/** ROC of an index. */
export function turnOf(index: number): number {
  return Math.floor(index / TURN)
}
