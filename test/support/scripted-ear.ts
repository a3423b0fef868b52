import type { HeardPrompt, PromptEar } from '../../src/recorder/consent-listener.ts'

/** Finds prompts where a script says, once all of them was pushed: what looks for real ones is tested by itself. */
export class ScriptedEar implements PromptEar {
  readonly pushed: number[] = []
  isFinished = false
  isOver = false
  isHearing = false
  #total = 0
  #findings: readonly HeardPrompt[]

  constructor(findings: readonly HeardPrompt[]) {
    this.#findings = findings
  }

  push(samples: Int16Array): void {
    this.pushed.push(samples.length)
    this.#total += samples.length
  }

  takeFindings(): readonly HeardPrompt[] {
    const found = this.#findings.filter(({ fromSample, heardSamples }) => fromSample + heardSamples <= this.#total)
    this.#findings = this.#findings.filter((finding) => !found.includes(finding))
    return found
  }

  finish(): void {
    this.isFinished = true
  }
}

/** All of a prompt, at 8 kHz samples. */
export function heardPrompt(fromSample: number, heardSamples: number): HeardPrompt {
  const prompt = { promptId: 'recorded', sha256: 'a'.repeat(64), language: 'en' }
  return {
    prompt,
    asks: true,
    fromSample,
    heardSamples,
    endSample: fromSample + heardSamples,
    share: 1,
    confidence: 0.9,
    verdict: 'heardInFull',
  }
}
