import { AnnouncementMatcher } from '../../consent/matcher/announcement-matcher.ts'
import type { Prompt } from '../../consent/matcher/prompt.ts'
import type { PromptRef } from '../../consent/words.ts'
import { type ConsentListening, type HeardPrompt, type PromptEar } from '../../recorder/consent-listener.ts'

/** A prompt that is listened for, and how facts name it. */
export interface ListenedPrompt {
  readonly ref: PromptRef
  /** Registered with the hash of its file as version, so that no two are confused. */
  readonly prompt: Prompt
}

/** Makes what listens for these prompts in one media stream, as long as `consent` wants it; undefined where there is nothing to listen for. */
export function promptEars(
  prompts: readonly ListenedPrompt[],
): (consent: ConsentListening | undefined) => (() => PromptEar) | undefined {
  const refs = new Map(prompts.map(({ ref }) => [ref.sha256, ref]))
  return (consent) => {
    if (consent === undefined || prompts.length === 0) return undefined
    return () => new MatcherEar(prompts, refs, consent.windowMs)
  }
}

class MatcherEar implements PromptEar {
  readonly #matcher: AnnouncementMatcher
  readonly #refs: ReadonlyMap<string, PromptRef>

  constructor(prompts: readonly ListenedPrompt[], refs: ReadonlyMap<string, PromptRef>, windowMs: number) {
    this.#refs = refs
    this.#matcher = new AnnouncementMatcher({
      prompts: prompts.map(({ prompt }) => prompt),
      windowMs,
    })
  }

  get isOver(): boolean {
    return this.#matcher.state === 'over'
  }

  push(samples: Int16Array): void {
    this.#matcher.push(samples)
  }

  takeFindings(): readonly HeardPrompt[] {
    return this.#matcher
      .takeFindings()
      .flatMap(({ version, startSample, samplesHeard, shareHeard, confidence, verdict }) => {
        const prompt = this.#refs.get(version)
        if (prompt === undefined) return []
        return { prompt, fromSample: startSample, heardSamples: samplesHeard, share: shareHeard, confidence, verdict }
      })
  }

  finish(): void {
    this.#matcher.finish()
  }
}
