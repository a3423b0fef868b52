import type { Config } from '../config/config.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { ExitCode } from '../errors.ts'

/** One option of a command: what `util.parseArgs` wants, and what `--help` says about it. */
export interface CommandOption {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** One line in the operator's words, lower case, without a full stop. */
  readonly description: string
  /** What stands for the value in help, upper case: `FILE`, `N`, `DURATION`. Only for `type: 'string'`. */
  readonly placeholder?: string
}

/** What stood on the command line after the command's name. Read it with the helpers of `arguments.ts`. */
export interface ParsedArguments {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>
  readonly positionals: readonly string[]
}

export interface CommandContext {
  readonly args: ParsedArguments
  /**
   * The configuration: `--config FILE`, else EARWITNESS_CONFIG, else `config/earwitness.yaml` when present, else
   * defaults.
   * Loaded at the first use and kept. Throws {@link EarwitnessError} `config-…`.
   */
  readonly config: () => Config
  /** Reads it once more: files and secrets may have changed since. */
  readonly freshConfig: () => Config
  /** The same with the origin of every value. */
  readonly loadedConfig: () => LoadedConfig
  /** Data only. */
  readonly stdout: NodeJS.WritableStream
  /** Talk: progress, notices, errors. */
  readonly stderr: NodeJS.WritableStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** `--json` was given: stdout carries JSON only. */
  readonly json: boolean
  /**
   * Aborted by the first SIGINT or SIGTERM. A command with `handlesSignals` installs its own handlers instead and
   * this one never
   * fires.
   */
  readonly signal: AbortSignal
}

/**
 * One command. Each file `src/cli/<name>.ts` exports `command: Command`; the table in `commands.ts` imports it when
 * it is asked
 * for, so that `--help` loads none of them.
 *
 * `--help`, `--json` and `--config FILE` exist on every command and must not be repeated in `options`.
 */
export interface Command {
  readonly name: string
  /** One line for the list of commands, lower case, without a full stop: `opens a recording and …`. */
  readonly summary: string
  /** What follows `earwitness` on the command line: `export ID -o FILE [options]`. */
  readonly usage: string
  /** Paragraphs under the usage line: what a first-time reader needs. */
  readonly description?: string
  /** Complete command lines a reader can copy, each without the leading `earwitness`. */
  readonly examples?: readonly string[]
  readonly options: Readonly<Record<string, CommandOption>>
  /** How many positional arguments are fine; none by default. */
  readonly positionals?: { readonly min: number; readonly max: number }
  /** The command listens for SIGINT and SIGTERM itself (the daemon drains). */
  readonly handlesSignals?: boolean
  /**
   * Does the work and says how it went; throws {@link EarwitnessError} for what a person should read. Must not call
   * `process.exit`.
   */
  run(context: CommandContext): Promise<ExitCode>
}
