import { runCommandLine } from './cli/run-command-line.ts'
import { ExitCode } from './errors.ts'

const stopping = new AbortController()
let outputFailed = false

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The reader went away (`| head`): nobody is left to tell. Anything else, a full disk for one, means that data is
    // missing.
    if (error.code !== 'EPIPE') outputFailed = true
    stopping.abort()
  })
}

function abortOnSignal(): AbortSignal {
  // Once only: a second Ctrl-C ends the process the usual way, even when a command does not listen.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
  return stopping.signal
}

// The exit code is set, not forced, so that what is still on its way to a pipe arrives.
process.exitCode = await runCommandLine({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  abortOnSignal,
})
process.on('exit', () => {
  if (outputFailed && process.exitCode === ExitCode.done) process.exitCode = ExitCode.failed
})
