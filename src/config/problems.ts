import { EarwitnessError } from '../errors.ts'

export type ConfigProblemCode =
  | 'config-conflict'
  | 'config-duplicate-key'
  | 'config-invalid-value'
  | 'config-not-found'
  | 'config-not-supported-yet'
  | 'config-secret-missing'
  | 'config-syntax'
  | 'config-too-large'
  | 'config-unknown-key'
  | 'config-unknown-variable'
  | 'config-unreadable'
  | 'config-vault-key'
  | 'config-weak-password-hash'
  | 'consent-before-not-held'
  | 'consent-cannot-come'
  | 'consent-pack-invalid'
  | 'consent-pack-unreadable'
  | 'witness-key-invalid'

/** One thing wrong with the configuration. */
export interface ConfigProblem {
  readonly code: ConfigProblemCode
  /** `FILE:LINE:COLUMN`, `env NAME`, or undefined where neither fits. */
  readonly where: string | undefined
  /** Names keys and values, never a secret. */
  readonly sentence: string
  readonly hint: string
}

/** Problems kept; a file that has more is not a configuration file. The rest is counted. */
export const PROBLEMS_MAX = 50

/** Everything wrong with the configuration, in one error. Its code is the first problem's. */
export class ConfigError extends EarwitnessError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly [ConfigProblem, ...ConfigProblem[]]) {
    const [first] = problems
    super(first.code, problems.map(describeProblem).join('\n'), first.hint)
    this.problems = problems
  }
}

/** `FILE:LINE:COLUMN: sentence`. */
export function describeProblem(problem: ConfigProblem): string {
  return problem.where === undefined ? problem.sentence : `${problem.where}: ${problem.sentence}`
}

/** Collects problems while the sources are read one after the other. */
export class Problems {
  readonly #list: ConfigProblem[] = []
  readonly #warnings: ConfigProblem[] = []
  readonly #paths = new Set<string>()
  #dropped = 0

  /** `path` is marked, so that checks across keys skip it; undefined when no key is concerned. */
  add(path: string | undefined, problem: ConfigProblem): void {
    if (path !== undefined) this.#paths.add(path)
    if (this.#list.length < PROBLEMS_MAX) this.#list.push(problem)
    else this.#dropped += 1
  }

  /** Something that works and is unwise. */
  warn(problem: ConfigProblem): void {
    if (this.#warnings.length < PROBLEMS_MAX) this.#warnings.push(problem)
  }

  get warnings(): readonly ConfigProblem[] {
    return this.#warnings
  }

  /** Whether `path`, or anything below or above it, is known to be wrong. */
  concerns(path: string): boolean {
    for (const bad of this.#paths) {
      if (bad === path || isBelow(bad, path) || isBelow(path, bad)) return true
    }
    return false
  }

  throwIfAny(): void {
    const [first, ...rest] = this.#list
    if (first === undefined) return
    if (this.#dropped > 0) {
      const sentence = `${this.#dropped} more problems are not shown.`
      rest.push({ code: first.code, where: undefined, sentence, hint: 'Correct the first ones and try again.' })
    }
    throw new ConfigError([first, ...rest])
  }
}

function isBelow(path: string, ancestor: string): boolean {
  return path.startsWith(`${ancestor}.`) || path.startsWith(`${ancestor}[`)
}
