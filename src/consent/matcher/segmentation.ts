/** Cost of going from one state to the other, in nats: shorter stretches of either are taken for chance. */
const CHANGE_COST = 7

/**
 * The most likely row of two states (Viterbi).
 *
 * @param gains for each hop: nats by which 1 is more likely there than 0
 * @param states is overwritten: 0 or 1 for each hop
 * @returns how many nats the row is more likely than 0 throughout
 */
export function segment(gains: Float64Array, states: Uint8Array): number {
  const cameFrom = new Uint8Array(gains.length)
  let no = 0
  let yes = 0
  for (let i = 0; i < gains.length; i++) {
    const toNo = yes - CHANGE_COST > no ? 1 : 0
    const toYes = no - CHANGE_COST > yes ? 0 : 1
    const nextNo = toNo === 1 ? yes - CHANGE_COST : no
    const nextYes = toYes === 1 ? yes : no - CHANGE_COST
    cameFrom[i] = toNo | (toYes << 1)
    no = nextNo
    yes = nextYes + (gains[i] ?? 0)
  }
  let state = yes > no ? 1 : 0
  for (let i = gains.length - 1; i >= 0; i--) {
    states[i] = state
    state = ((cameFrom[i] ?? 0) >> state) & 1
  }
  return Math.max(no, yes)
}
