import type { ConsentHearing, ConsentListening } from '../../recorder/consent-listener.ts'
import { CommandTranscriber, NO_TRANSCRIPTIONS, type TranscriptionOutcome } from './command-transcriber.ts'
import { promptEars } from './prompt-ears.ts'
import type { WorkerSettings } from './worker-messages.ts'

/** What the recordings of a media worker hear with: prompts that are looked for, and who makes words of spoken answers. */
export class WorkerHearing {
  readonly #earFor: ReturnType<typeof promptEars>
  readonly #transcriber: CommandTranscriber | undefined

  constructor({ prompts = [], transcriber }: Pick<WorkerSettings, 'prompts' | 'transcriber'>) {
    this.#earFor = promptEars(prompts)
    this.#transcriber = transcriber === undefined ? undefined : new CommandTranscriber(transcriber)
  }

  /** For one recording. */
  of(consent: ConsentListening | undefined): ConsentHearing {
    return { createEar: this.#earFor(consent), transcriber: this.#transcriber }
  }

  get transcriptions(): Readonly<Record<TranscriptionOutcome, number>> {
    return this.#transcriber?.counts ?? NO_TRANSCRIPTIONS
  }

  stop(): void {
    this.#transcriber?.stop()
  }
}
