import { registerPrompt } from '../../consent/matcher/prompt.ts'
import { EarwitnessError } from '../../errors.ts'
import { promptSamples } from '../../media/prompt-audio.ts'
import { HEARING_RATE } from '../../recorder/spoken-answers.ts'
import { readPrompts } from '../announcer/prompt-library.ts'
import type { ListenedPrompt } from '../media/prompt-ears.ts'

const REFUSED = {
  tooLong: 'is too long to be listened for',
  tooFewActiveBlocks: 'has too little speech to be told from other sound',
} as const

/**
 * The prompts of a folder as they are listened for in recordings. Each is known by the hash of its file.
 *
 * @throws EarwitnessError `prompt-not-found-again`, and those of `readPrompts`
 */
export async function listenedPrompts(folder: string): Promise<readonly ListenedPrompt[]> {
  const prompts = await readPrompts(folder)
  return prompts.map(({ ref, asks, audio, file }) => {
    const samples = promptSamples(audio, HEARING_RATE)
    const { promptId, sha256: version } = ref
    const registered = registerPrompt(samples, { promptId, version })
    if (registered.ok) return { ref, asks, prompt: registered.value }
    throw new EarwitnessError(
      'prompt-not-found-again',
      `The prompt ${file} ${REFUSED[registered.reason]}.`,
      'Two seconds of clear speech and more, and two minutes at most, can be found in a recording.',
    )
  })
}
