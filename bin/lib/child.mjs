import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { SetUpError } from './talk.mjs'

/** The same signal again within this time is one request that came by several ways (npm and the process group). */
const REPEATED_SIGNAL_MS = 1_000
/** What a failing program said is kept up to this many characters, the end of it. */
const OUTPUT_CHARACTERS_MAX = 64 * 1024

/**
 * Runs a program to its end and returns its exit code (128 + signal number when a signal ended it).
 *
 * SIGTERM, SIGHUP and SIGINT are passed on, and this process outlives the program, so that whoever sent the signal sees
 * the real exit code. On a terminal Ctrl-C already reaches the program itself, as a member of the same process group.
 *
 * `isDaemon`: SIGHUP is passed on as it is, because it asks a daemon to read its files again; unless it says that the
 * terminal is gone, which is a wish to stop in good order. Every other program is asked to stop by it.
 */
export async function runToEnd(command, args, { isDaemon = false, ...options } = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options })
  const stopForwarding = forwardSignals(child, isDaemon)
  try {
    return await exitOf(child, command)
  } finally {
    stopForwarding()
  }
}

/** As {@link runToEnd}, without a word unless the caller shows `output` (stdout and stderr as they came). */
export async function runQuietly(command, args, options = {}) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const stopForwarding = forwardSignals(child, false)
  let output = ''
  const collect = (text) => {
    output = (output + text).slice(-OUTPUT_CHARACTERS_MAX)
  }
  child.stdout.setEncoding('utf8').on('data', collect)
  child.stderr.setEncoding('utf8').on('data', collect)
  try {
    return { exitCode: await exitOf(child, command), output }
  } finally {
    stopForwarding()
  }
}

function exitOf(child, command) {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      const message = `${command} cannot be started: ${error.message}`
      reject(new SetUpError('set-up-cannot-start', message, 'Check that it is installed and executable.'))
    })
    child.once('close', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}

function forwardSignals(child, isDaemon) {
  const sentAt = new Map()
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  // A terminal that was closed is none any more by the time its SIGHUP is here.
  const isTerminalGone = () => terminals.some((fd) => !isatty(fd))
  const forward = (signal) => {
    const now = performance.now()
    if (now - (sentAt.get(signal) ?? -REPEATED_SIGNAL_MS) < REPEATED_SIGNAL_MS) return
    sentAt.set(signal, now)
    if (signal === 'SIGINT' && process.stdin.isTTY) return
    const isStop = signal === 'SIGHUP' && (!isDaemon || isTerminalGone())
    child.kill(isStop ? 'SIGTERM' : signal)
  }
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  return () => {
    for (const signal of signals) process.off(signal, forward)
  }
}
