/** What the database folder asks of a logger; pino's is one. Numbers, names and AoRs never reach it. */
export interface DatabaseLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
