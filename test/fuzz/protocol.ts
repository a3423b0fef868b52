export interface WorkerSettings {
  readonly seed: number
  readonly names: readonly string[]
  readonly deadlineMs: number
  /** Count of executions, length of the input, number of the target, then the input. */
  readonly shared: SharedArrayBuffer
}

export type WorkerMessage =
  | {
      readonly kind: 'batch'
      readonly target: string
      readonly executions: number
      readonly elapsedMs: number
      readonly slowestMs: number
      /** Number of the slowest execution: with the seed, its input again. */
      readonly slowest: number
    }
  | {
      readonly kind: 'finding'
      readonly target: string
      readonly execution: number
      readonly failure: string
      readonly input: Uint8Array
      readonly small: Uint8Array
    }
  | { readonly kind: 'done' }
