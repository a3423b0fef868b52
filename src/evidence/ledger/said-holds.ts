/** A legal hold, as something else knows of it than the custody records beside the recording. */
export interface SaidHold {
  readonly holdId?: string | undefined
  /** Hex SHA-256 of the custody record. */
  readonly recordSha256?: string | undefined
}

/** Gathers what is said of the holds of one recording, in whatever order. */
export class SaidHolds {
  readonly #added: SaidHold[] = []
  readonly #released = new Set<string | undefined>()

  take({ kind, holdId, recordSha256 }: SaidHold & { readonly kind: string }): void {
    if (kind === 'holdAdded') this.#added.push({ holdId, recordSha256 })
    if (kind === 'holdReleased') this.#released.add(holdId)
  }

  /** Of which nothing says that it was released. */
  get open(): readonly SaidHold[] {
    return this.#added.filter(({ holdId }) => holdId === undefined || !this.#released.has(holdId))
  }
}
