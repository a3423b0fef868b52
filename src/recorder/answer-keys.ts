/** Keys of a telephone that mean something, each one to {@link ANSWER_KEYS_MAX} of `0-9 * # A-D`. */
export interface ConsentKeys {
  readonly yes?: string
  readonly no?: string
  readonly withdraw?: string
}

export type KeyMeaning = keyof ConsentKeys

export const ANSWER_KEYS_MAX = 4
/** Keys of one answer follow on each other within this time. */
const BETWEEN_KEYS_SAMPLES = 3 * 48_000

interface Press {
  readonly digit: string
  /** 48 kHz positions on the recording's timeline. */
  readonly fromSample: number
  readonly toSample: number
}

/**
 * Finds the keys that mean something among those that are pressed on one media stream. Longer ones count before shorter ones that they end with, so `9` is not
 * taken out of `*9`; what was pressed is forgotten once it has meant something, and after {@link ANSWER_KEYS_MAX} keys in any case.
 */
export class AnswerKeys {
  readonly #meanings: readonly (readonly [KeyMeaning, string])[]
  #pressed: Press[] = []

  constructor(keys: ConsentKeys) {
    const known = Object.entries(keys) as readonly [KeyMeaning, string][]
    this.#meanings = known.toSorted(([, left], [, right]) => right.length - left.length)
  }

  /** What the press completes, and where its first key began; undefined when nothing. */
  press(press: Press): { readonly meaning: KeyMeaning; readonly fromSample: number } | undefined {
    const before = this.#pressed.at(-1)
    if (before !== undefined && press.fromSample - before.toSample > BETWEEN_KEYS_SAMPLES) this.#pressed = []
    this.#pressed = [...this.#pressed, press].slice(-ANSWER_KEYS_MAX)
    const digits = this.#pressed.map(({ digit }) => digit).join('')
    for (const [meaning, keys] of this.#meanings) {
      if (!digits.endsWith(keys)) continue
      const first = this.#pressed.at(-keys.length) ?? press
      this.#pressed = []
      return { meaning, fromSample: first.fromSample }
    }
    return undefined
  }
}
