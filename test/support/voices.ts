/**
 * Four voices out of two: the caller, the callee, and both played backwards. None is like another, at no shift; so whoever is heard on
 * a channel is known for sure.
 */
export function scenarioVoices(caller: Int16Array, callee: Int16Array): readonly Int16Array[] {
  return [caller, callee, caller.toReversed(), callee.toReversed()]
}
