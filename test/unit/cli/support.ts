import { Writable } from 'node:stream'
import { runCommandLine } from '../../../src/cli/run-command-line.ts'
import type { Command } from '../../../src/cli/command.ts'
import type { ExitCode } from '../../../src/errors.ts'

/** A stream that keeps what is written; a terminal of that many columns when `columns` is given. */
export class Capture extends Writable {
  text = ''
  readonly isTTY: boolean
  readonly columns: number | undefined

  constructor(columns?: number) {
    super({ decodeStrings: false })
    this.isTTY = columns !== undefined
    this.columns = columns
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

export interface Ran {
  readonly exitCode: ExitCode
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line inside this process. */
export async function run(
  argv: readonly string[],
  options: {
    readonly env?: Record<string, string>
    readonly cwd?: string
    readonly columns?: number
    readonly command?: Command
  } = {},
): Promise<Ran> {
  const stdout = new Capture(options.columns)
  const stderr = new Capture(options.columns)
  const { command } = options
  const exitCode = await runCommandLine({
    argv,
    env: options.env ?? {},
    cwd: options.cwd ?? '/nonexistent',
    stdout,
    stderr,
    abortOnSignal: () => new AbortController().signal,
    ...(command === undefined
      ? {}
      : { commands: [{ name: command.name, summary: command.summary, load: () => Promise.resolve({ command }) }] }),
  })
  return { exitCode, stdout: stdout.text, stderr: stderr.text }
}
