/**
 * What a parser returns: a value, or a reason out of a closed union.
 *
 * A reason is a metric label; `detail` is for people and must never carry numbers, names or digits of a call.
 */
export type Result<Value, Reason extends string> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: Reason; readonly detail?: string }

export function accepted<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value }
}

export function rejected<Reason extends string>(
  reason: Reason,
  detail?: string,
): { readonly ok: false; readonly reason: Reason; readonly detail?: string } {
  return detail === undefined ? { ok: false, reason } : { ok: false, reason, detail }
}

/** The same, with something else made of its value. */
export function mapped<Value, Other, Reason extends string>(
  result: Result<Value, Reason>,
  change: (value: Value) => Other,
): Result<Other, Reason> {
  return result.ok ? accepted(change(result.value)) : result
}
