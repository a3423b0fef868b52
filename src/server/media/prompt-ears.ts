import { AnnouncementMatcher } from '../../consent/matcher/announcement-matcher.ts'
import type { Prompt } from '../../consent/matcher/prompt.ts'
import type { PromptRef } from '../../consent/words.ts'
import { type ConsentListening, type HeardPrompt, type PromptEar } from '../../recorder/consent-listener.ts'

/** A prompt that is listened for, and how facts name it. */
export interface ListenedPrompt {
  readonly ref: PromptRef
  /** It asks for a key. */
  readonly asks: boolean
  /** Registered with the hash of its file as version, so that no two are confused. */
  readonly prompt: Prompt
}

/** Makes what listens for these prompts in one media stream, as long as `consent` wants it; undefined where there is nothing to listen for. */
export function promptEars(
  prompts: readonly ListenedPrompt[],
): (consent: ConsentListening | undefined) => (() => PromptEar) | undefined {
  const known: KnownPrompts = new Map(prompts.map((each) => [each.ref.sha256, each]))
  return (consent) => {
    if (consent === undefined || prompts.length === 0) return undefined
    return () => new MatcherEar(known, consent.windowMs)
  }
}

/** By the version they are registered with. */
type KnownPrompts = ReadonlyMap<string, ListenedPrompt>

class MatcherEar implements PromptEar {
  readonly #matcher: AnnouncementMatcher
  readonly #known: KnownPrompts

  constructor(known: KnownPrompts, windowMs: number) {
    this.#known = known
    this.#matcher = new AnnouncementMatcher({
      prompts: [...known.values()].map(({ prompt }) => prompt),
      windowMs,
    })
  }

  get isOver(): boolean {
    return this.#matcher.state === 'over'
  }

  get isHearing(): boolean {
    return this.#matcher.isHearing
  }

  push(samples: Int16Array): void {
    this.#matcher.push(samples)
  }

  takeFindings(): readonly HeardPrompt[] {
    return this.#matcher
      .takeFindings()
      .flatMap(({ version, startSample, endSample, samplesHeard, shareHeard, speed, confidence, verdict }) => {
        const known = this.#known.get(version)
        if (known === undefined) return []
        const { ref: prompt, asks } = known
        const heard = { fromSample: startSample, heardSamples: samplesHeard, share: shareHeard, confidence, verdict }
        const wholeEnd = Math.max(endSample, startSample + Math.round(known.prompt.lengthSamples / speed))
        return { prompt, asks, ...heard, endSample: wholeEnd }
      })
  }

  finish(): void {
    this.#matcher.finish()
  }
}
