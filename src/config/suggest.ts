/** Words longer than this are not compared: nothing we know is longer. */
const SUGGESTION_LENGTH_MAX = 64

/**
 * Edits to get from one word to the other: insert, remove, replace a letter, or swap two neighbours (optimal string
 * alignment).
 */
export function editDistance(from: string, to: string): number {
  const width = to.length + 1
  const at = (row: number, column: number): number => row * width + column
  const costs = new Uint16Array((from.length + 1) * width)
  for (let column = 0; column < width; column += 1) costs[column] = column
  for (let row = 1; row <= from.length; row += 1) {
    costs[at(row, 0)] = row
    for (let column = 1; column < width; column += 1) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1
      let cost = Math.min(
        (costs[at(row - 1, column)] ?? 0) + 1,
        (costs[at(row, column - 1)] ?? 0) + 1,
        (costs[at(row - 1, column - 1)] ?? 0) + same,
      )
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) cost = Math.min(cost, (costs[at(row - 2, column - 2)] ?? 0) + 1)
      costs[at(row, column)] = cost
    }
  }
  return costs[at(from.length, to.length)] ?? 0
}

/** The candidate a person most likely meant, or undefined when none is near: a third of its letters may be wrong. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length === 0 || word.length > SUGGESTION_LENGTH_MAX) return undefined
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  const wanted = word.toLowerCase()
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase())
    const allowed = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3))
    if (distance > allowed || distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}
