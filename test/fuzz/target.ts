import type { Random } from './random.ts'

/** Something that is fuzzed. Inputs are bytes, so that every finding is a file. */
export interface FuzzTarget {
  readonly name: string
  /** Good and bad examples to start from. */
  readonly corpus: readonly Uint8Array[]
  /** Pieces of text that mean something to this parser. */
  readonly dictionary: readonly string[]
  /** A fresh input by the grammar of the target; without it, mutations of the corpus alone. */
  generate?(random: Random): Uint8Array
  /** Throws when an input breaks something: whatever the code throws, or an {@link Error} that names the invariant. */
  run(input: Uint8Array): void
  /** Pieces that a reproducer may lose; bytes when left out. */
  split?(input: Uint8Array): readonly Uint8Array[]
}

/** Fails the input with the name of what does not hold. */
export function invariant(holds: boolean, name: string): void {
  if (!holds) throw new Error(`invariant: ${name}`)
}
