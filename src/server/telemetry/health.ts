/** What a check found. The sentence is for the operator: no numbers, names or digits of a call. */
export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly sentence: string }

export interface HealthCheck {
  /** Short and stable: `storage`, `database`, `workers`. */
  readonly name: string
  /** required: without it nothing new can be recorded, so no new work is taken. degrading: recording goes on without it. */
  readonly weight: 'required' | 'degrading'
  /** Must be quick and have no effect: it runs for every SIP OPTIONS and every probe. */
  readonly check: () => CheckResult
}

export interface CheckReport {
  readonly name: string
  readonly weight: 'required' | 'degrading'
  readonly ok: boolean
  readonly sentence?: string
}

/** Why no recording session is taken: a check's name, and its sentence. */
export type Refusal = Required<Pick<CheckReport, 'name' | 'sentence'>>

export interface HealthVerdict {
  /** True when new recording sessions are taken: `/readyz` and SIP OPTIONS say the same. */
  readonly ready: boolean
  readonly state: 'ready' | 'degraded' | 'draining'
  readonly checks: readonly CheckReport[]
}

/** The one place that decides whether this recorder takes new recording sessions. */
export class Health {
  readonly #checks = new Map<string, HealthCheck>()
  #draining = false

  /** Adds a check, or replaces the one of the same name. */
  register(check: HealthCheck): void {
    this.#checks.set(check.name, check)
  }

  /** From now on not ready, whatever the checks say; there is no way back. */
  drain(): void {
    this.#draining = true
  }

  get draining(): boolean {
    return this.#draining
  }

  /** What keeps this recorder from taking new recording sessions: `draining`, or the first required check that fails. */
  refusal(): Refusal | undefined {
    if (this.#draining) return { name: 'draining', sentence: 'The recorder is shutting down.' }
    for (const check of this.#checks.values()) {
      if (check.weight !== 'required') continue
      const { ok, sentence = '' } = report(check)
      if (!ok) return { name: check.name, sentence }
    }
    return undefined
  }

  verdict(): HealthVerdict {
    const checks = Array.from(this.#checks.values(), report)
    const requiredOk = checks.every((check) => check.ok || check.weight === 'degrading')
    const allOk = checks.every((check) => check.ok)
    const undrained = allOk ? 'ready' : 'degraded'
    return { ready: requiredOk && !this.#draining, state: this.#draining ? 'draining' : undrained, checks }
  }
}

function report({ name, weight, check }: HealthCheck): CheckReport {
  try {
    const result = check()
    return result.ok ? { name, weight, ok: true } : { name, weight, ok: false, sentence: result.sentence }
  } catch {
    // a probe must be answered even when a check is broken
    return { name, weight, ok: false, sentence: 'The check itself failed.' }
  }
}
