/** One SQL statement with its values. */
export interface Statement {
  readonly sql: string
  readonly values: readonly unknown[]
  /** It must find its row; else the record speaks of a recording that the database does not have. */
  readonly mustMatch?: boolean
}
