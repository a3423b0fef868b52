/** Words, or groups of words, that somebody agrees or refuses with. */
export interface SpokenWords {
  readonly yes: readonly string[]
  readonly no: readonly string[]
}

/**
 * What somebody answered, out of the words that a transcriber made of it. A no anywhere in them is a no: it stops at once what a yes, which a person has to listen to anyway,
 * would not start. Undefined: neither. Case, accents written apart, and what is no letter or digit do not count ("I don't." is `i dont`).
 */
export function spokenAnswer(text: string, words: SpokenWords): 'yes' | 'no' | undefined {
  const said = plain(text)
  const isSaid = (phrase: string): boolean => {
    const words = plain(phrase)
    // One without a letter would be in everything.
    return words.trim() !== '' && said.includes(words)
  }
  if (words.no.some(isSaid)) return 'no'
  return words.yes.some(isSaid) ? 'yes' : undefined
}

/** Words between single spaces, with one before the first and behind the last. */
function plain(text: string): string {
  const letters = text.normalize('NFKC').toLowerCase().replaceAll(/['’]/gu, '')
  return ` ${letters.replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, ' ').trim()} `
}
