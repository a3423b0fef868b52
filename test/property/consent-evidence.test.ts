import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chooseRule } from '../../src/consent/choose-rule.ts'
import { ConsentCase } from '../../src/consent/consent-case.ts'
import type { ConsentOutput, ConsentState } from '../../src/consent/words.ts'
import type { ConsentEventBody } from '../../src/evidence/consent-event.ts'
import { consentState, isSupported } from '../../src/evidence/consent-state.ts'
import { eventOfFact, eventOfRule, eventOfState } from '../../src/server/consent/consent-events.ts'
import { ConsentReasons } from '../../src/server/consent/consent-reasons.ts'
import { objections, others, parties, rules, type World, worlds } from '../support/any-consent.ts'
import { RULE_DATA } from '../unit/consent/support.ts'

const RULE_CHOSEN = chooseRule({ parties: [], source: {} }, RULE_DATA)

const OBJECTED: readonly ConsentState[] = ['refused', 'withdrawn']

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ does: fc.constant('fact' as const), fact: others }) },
    { weight: 3, arbitrary: fc.record({ does: fc.constant('fact' as const), fact: objections }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('parties' as const), parties }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('rule' as const), rule: rules }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('wait' as const) }) },
  ),
  { maxLength: 60 },
)
type Step = typeof steps extends fc.Arbitrary<readonly (infer One)[]> ? One : never

/** A recording as the desk keeps it: what happened, what was decided because of it, and what was done. */
class Kept {
  readonly events: (ConsentEventBody & { readonly number: number })[] = []
  readonly consent: ConsentCase
  /** As the events have it when the recorder dies between the last fact and what is decided because of it. */
  stateAtCrash: ConsentState = 'unknown'
  readonly #reasons = new ConsentReasons()
  #nowUs = 0
  #call: Pick<World, 'parties' | 'rule'>

  readonly #lateUs: number

  /** @param lateUs what is heard may be told so much later, so that deadlines pass later too */
  constructor(world: World, lateUs: number) {
    this.#lateUs = lateUs
    this.#call = world
    this.consent = new ConsentCase({ ...world, startedUs: 0 })
    this.#note(eventOfRule(RULE_CHOSEN))
    this.#take(this.consent.begin(0))
  }

  take(step: Step): void {
    this.#nowUs += step.does === 'wait' ? 25_000_000 : 1_000_000
    if (step.does === 'fact') this.#note(eventOfFact(step.fact).body)
    if (step.does === 'rule') this.#note(eventOfRule(RULE_CHOSEN))
    this.stateAtCrash = consentState(this.events)
    this.#take(this.#outputs(step))
  }

  end(): void {
    this.#take(this.consent.end(this.#nowUs))
  }

  #outputs(step: Step): readonly ConsentOutput[] {
    if (step.does === 'fact') return this.consent.handleFact(this.#nowUs, step.fact, this.#nowUs - this.#lateUs)
    if (step.does === 'parties' || step.does === 'rule') {
      this.#call = { ...this.#call, ...step }
      return this.consent.setCall(this.#nowUs, this.#call.parties, this.#call.rule)
    }
    return this.consent.handleTimeout(this.#nowUs)
  }

  #take(outputs: readonly ConsentOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'state') this.#note(eventOfState(output.state, this.#reasons.numbers, output.explanation))
      else this.#note({ type: 'enforced', action: output.action })
    }
  }

  #note(body: ConsentEventBody): void {
    this.#reasons.add(this.events.length, body)
    this.events.push({ ...body, number: this.events.length })
  }
}

test('the events that are signed say the state in which the recorder was, after each of them, and support it', () => {
  fc.assert(
    fc.property(worlds, steps, fc.constantFrom(0, 1_500_000), (world, some, lateUs) => {
      const kept = new Kept(world, lateUs)
      for (const step of some) {
        kept.take(step)
        expect(consentState(kept.events)).toBe(kept.consent.state)
        if (step.does === 'fact' && OBJECTED.includes(kept.consent.state)) expect(OBJECTED).toContain(kept.stateAtCrash)
      }
      kept.end()
      expect(consentState(kept.events)).toBe(kept.consent.state)
      const unsupported = kept.events.filter((event) => event.type === 'decided' && !isSupported(event, kept.events))
      expect(unsupported).toEqual([])
    }),
    { numRuns: 3000 },
  )
})
