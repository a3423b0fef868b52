import type { ConsentHearing, ConsentListening } from '../../recorder/consent-listener.ts'
import { CommandTranscriber, NO_TRANSCRIPTIONS, type TranscriptionOutcome } from './command-transcriber.ts'
import { promptEars } from './prompt-ears.ts'
import type { WorkerSettings } from './worker-messages.ts'

/** How long the end of a recording waits for what was said last: a recorder that stops has to store its manifests behind it. */
export const ANSWER_WAIT_MS_MAX = 20_000

/** What the recordings of a media worker hear with: prompts that are looked for, and who makes words of spoken answers. */
export class WorkerHearing {
  readonly #earFor: ReturnType<typeof promptEars>
  readonly #transcriber: CommandTranscriber | undefined
  readonly #answerWaitMs: number

  constructor({ prompts = [], transcriber }: Pick<WorkerSettings, 'prompts' | 'transcriber'>) {
    this.#earFor = promptEars(prompts)
    this.#answerWaitMs = Math.min(transcriber?.timeoutMs ?? 0, ANSWER_WAIT_MS_MAX)
    this.#transcriber = transcriber === undefined ? undefined : new CommandTranscriber(transcriber)
  }

  /** For one recording. */
  of(consent: ConsentListening | undefined): ConsentHearing {
    return { createEar: this.#earFor(consent), transcriber: this.#transcriber }
  }

  /** Resolves when `begin` has called what it is given, or no more time is left: nothing of the recording's end waits longer for a transcriber. */
  async awaitAnswers(begin: (heard: () => void) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const patience = setTimeout(resolve, this.#answerWaitMs)
    begin(resolve)
    await promise
    clearTimeout(patience)
  }

  get transcriptions(): Readonly<Record<TranscriptionOutcome, number>> {
    return this.#transcriber?.counts ?? NO_TRANSCRIPTIONS
  }

  stop(): void {
    this.#transcriber?.stop()
  }
}
