/** What this folder asks of a logger; pino's is one. Numbers, names and header values never reach it. */
export interface SignallingLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}
