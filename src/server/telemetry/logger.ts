import { destination, type Level, pino, stdTimeFunctions } from 'pino'

import { type LogFields, redactFields, redactText } from './redact.ts'

const STDERR = 2
/** Log bytes that wait for a slow reader of stderr; beyond that lines are dropped and counted, and recording goes on. */
export const LOG_BACKLOG_BYTES_MAX = 1024 * 1024

export type LogLevel = Extract<Level, 'trace' | 'debug' | 'info' | 'warn' | 'error'>

/**
 * Takes a fixed sentence and the fields that vary.
 *
 * At info and above only known keys pass (see `redact.ts`): telephone numbers, names and digits never do. At debug and trace
 * everything is written as given, so those levels are for a test bed.
 */
export interface Logger {
  trace(fields: LogFields, message: string): void
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** A logger that adds `fields` to each line; they are held to the rules of info at every level. */
  child(fields: LogFields): Logger
  /** Lines dropped because nobody read them. */
  readonly droppedCount: number
}

/** What a log line is written to: one call, one whole line. */
export interface LogDestination {
  write(line: string): unknown
}

/**
 * JSON lines to stderr, because stdout is data: the one line `ready`, which scripts wait for, stands there alone.
 *
 * Writing never blocks: a full pipe must not stop the SIP timers.
 */
export function createLogger(options: { readonly level: LogLevel; readonly destination?: LogDestination }): Logger {
  const dropped = { count: 0 }
  const target = options.destination ?? stderrDestination(dropped)
  const base = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  )
  return guarded(base, dropped)
}

function stderrDestination(dropped: { count: number }): LogDestination {
  const stream = destination({ dest: STDERR, sync: false, minLength: 0, maxLength: LOG_BACKLOG_BYTES_MAX })
  stream.on('drop', () => {
    dropped.count += 1
  })
  let isGone = false
  // the reader of the log went away; recording matters more
  stream.on('error', (error: NodeJS.ErrnoException) => {
    dropped.count += 1
    // A terminal that was closed never comes back, and pino would wait for it at the end of the process.
    if (error.code !== 'EIO' || isGone) return
    isGone = true
    stream.destroy()
  })
  return {
    write: (line) => {
      if (isGone) dropped.count += 1
      else stream.write(line)
    },
  }
}

type Base = Pick<ReturnType<typeof pino>, LogLevel> & { child(fields: object): Base }

function guarded(base: Base, dropped: { readonly count: number }): Logger {
  return {
    trace: (fields, message) => base.trace(fields, message),
    debug: (fields, message) => base.debug(fields, message),
    info: (fields, message) => base.info(redactFields(fields), redactText(message)),
    warn: (fields, message) => base.warn(redactFields(fields), redactText(message)),
    error: (fields, message) => base.error(redactFields(fields), redactText(message)),
    child: (fields) => guarded(base.child(redactFields(fields)), dropped),
    get droppedCount() {
      return dropped.count
    },
  }
}
