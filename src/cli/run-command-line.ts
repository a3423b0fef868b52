import { ConfigError, describeProblem } from '../config/problems.ts'
import type { LoadedConfig } from '../config/load.ts'
import { closest } from '../config/suggest.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { flag, parseArguments, textOption, usageError } from './arguments.ts'
import type { Command, CommandContext, ParsedArguments } from './command.ts'
import { COMMANDS, type CommandEntry } from './commands.ts'
import { commandHelp, overviewHelp } from './help.ts'
import { paintFor, printable, writeLines } from './output.ts'

/** What a process gives a command line: its streams and surroundings. */
export interface Surroundings {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Signal for a command that does not handle signals itself; called only for such a command. */
  readonly abortOnSignal: () => AbortSignal
  /** Table of commands, given by tests. */
  readonly commands?: readonly CommandEntry[]
}

/** Runs one command line. Never throws: what goes wrong is printed on stderr and told by the exit code. */
export async function runCommandLine(surroundings: Surroundings): Promise<ExitCode> {
  try {
    return await dispatch(surroundings)
  } catch (error) {
    reportError(error, surroundings)
    return error instanceof EarwitnessError ? error.exitCode : ExitCode.failed
  }
}

async function dispatch(surroundings: Surroundings): Promise<ExitCode> {
  const { argv, stdout } = surroundings
  const [first, ...rest] = argv
  const paint = paintFor(stdout, surroundings.env)
  if (first === '--version' || first === '-V') {
    writeLines(stdout, [`earwitness ${packageJson.version}`])
    return ExitCode.done
  }
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    writeLines(stdout, overviewHelp(stdout, paint))
    return ExitCode.done
  }
  if (first === undefined) {
    writeLines(surroundings.stderr, overviewHelp(surroundings.stderr, paintFor(surroundings.stderr, surroundings.env)))
    return ExitCode.usage
  }
  const help = first === 'help'
  const command = await findCommand(surroundings.commands ?? COMMANDS, help ? (rest[0] ?? '') : first)
  const args = parseArguments(command, help ? ['--help'] : rest)
  if (flag(args, 'help')) {
    writeLines(stdout, commandHelp(command, stdout, paint))
    return ExitCode.done
  }
  return command.run(await contextFor(command, args, surroundings))
}

async function findCommand(commands: readonly CommandEntry[], name: string): Promise<Command> {
  const entry = commands.find((candidate) => candidate.name === name)
  if (entry !== undefined) return (await entry.load()).command
  if (name.startsWith('-')) {
    const hint = 'Options stand after the command: "earwitness COMMAND --help".'
    throw usageError('usage-unknown-option', `There is no option ${name} before a command.`, hint)
  }
  const near = closest(
    name,
    commands.map((candidate) => candidate.name),
  )
  throw usageError(
    'usage-unknown-command',
    `There is no command "${name}".`,
    `${near === undefined ? '' : `Did you mean "${near}"? `}"earwitness --help" lists the commands.`,
  )
}

async function contextFor(
  command: Command,
  args: ParsedArguments,
  surroundings: Surroundings,
): Promise<CommandContext> {
  // Not at the top: the schema and the YAML parser take longer to load than help takes to print.
  const { loadConfig } = await import('../config/load.ts')
  const { env, cwd, stdout, stderr } = surroundings
  let loaded: LoadedConfig | undefined
  const load = (): LoadedConfig => loadConfig({ file: textOption(args, 'config'), env, cwd })
  const loadedConfig = (): LoadedConfig => (loaded ??= load())
  return {
    args,
    config: () => loadedConfig().config,
    freshConfig: () => load().config,
    loadedConfig,
    stdout,
    stderr,
    env,
    cwd,
    json: flag(args, 'json'),
    signal: command.handlesSignals === true ? new AbortController().signal : surroundings.abortOnSignal(),
  }
}

interface ReportedError {
  readonly code: string
  readonly message: string
  readonly hint: string
}

/** Prints `error: sentence [code]` and `hint: …` for everything that is wrong, or with `--json` one object a line. */
function reportError(error: unknown, { argv, env, stderr }: Surroundings): void {
  const wantsJson = argv.includes('--json')
  const paint = paintFor(stderr, env)
  const reports = describeError(error)
  const lines = reports.flatMap(({ code, message, hint }) =>
    wantsJson
      ? [JSON.stringify({ error: { code, message, hint } })]
      : [
          `${paint('red', 'error:')} ${printable(message)} ${paint('dim', `[${code}]`)}`,
          ...(hint === '' ? [] : [`${paint('cyan', 'hint:')} ${printable(hint)}`]),
        ],
  )
  const stack = error instanceof Error && !(error instanceof EarwitnessError) && !wantsJson ? [String(error.stack)] : []
  writeLines(stderr, [...lines, ...stack])
}

function describeError(error: unknown): readonly ReportedError[] {
  if (error instanceof ConfigError) {
    return error.problems.map((problem) => ({
      code: problem.code,
      message: describeProblem(problem),
      hint: problem.hint,
    }))
  }
  if (error instanceof EarwitnessError) return [{ code: error.code, message: error.message, hint: error.hint }]
  if (error instanceof Error && error.name === 'AbortError') {
    return [{ code: 'stopped', message: 'Stopped before it was done.', hint: '' }]
  }
  const message = error instanceof Error ? error.message : String(error)
  const hint = 'This is a mistake in Earwitness; please report it with what stands below.'
  return [{ code: 'internal', message: `Something went wrong that should not: ${message}`, hint }]
}
