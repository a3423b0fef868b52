/** Process exit codes, the same for every command. */
export const ExitCode = { done: 0, failed: 1, usage: 2, verificationFailed: 3, partlyDone: 4 } as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/**
 * An error that a person meets: a stable code to search for, one sentence, and what to do about it.
 *
 * Thrown only by shells and commands; the pure folders return a {@link Result} instead.
 */
export class EarwitnessError extends Error {
  readonly code: string
  readonly hint: string
  readonly exitCode: ExitCode

  constructor(
    code: string,
    message: string,
    hint: string,
    options: { readonly exitCode?: ExitCode; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'EarwitnessError'
    this.code = code
    this.hint = hint
    this.exitCode = options.exitCode ?? ExitCode.failed
  }
}
