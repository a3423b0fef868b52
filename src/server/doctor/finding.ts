/** ok: as it should be. warn: it works, and something could be lost or cost more than it need. fail: it will not work. */
export type Verdict = 'ok' | 'warn' | 'fail'

/** What one check found. `check` is stable; sentence and hint are for people. */
export interface Finding {
  readonly check: string
  readonly verdict: Verdict
  readonly sentence: string
  readonly hint?: string
}

export function ok(check: string, sentence: string): Finding {
  return { check, verdict: 'ok', sentence }
}

export function warn(check: string, sentence: string, hint: string): Finding {
  return { check, verdict: 'warn', sentence, hint }
}

export function fail(check: string, sentence: string, hint: string): Finding {
  return { check, verdict: 'fail', sentence, hint }
}
