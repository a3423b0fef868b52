import type { ConsentEventBody } from '../../evidence/consent-event.ts'

/** Events of one kind that a decision names; the newest. */
export const REASONS_PER_KIND_MAX = 8

/**
 * The events that a decision names as its reasons: of each kind the newest, so that no flood of one kind takes away from a decision what it follows from. Kinds
 * are as many as the words of events, some twenty.
 */
export class ConsentReasons {
  readonly #numbers = new Map<string, number[]>()

  /** Decisions, and what was done because of them, are no reasons. */
  add(number: number, body: ConsentEventBody): void {
    if (body.type === 'decided' || body.type === 'enforced') return
    const kind = kindOf(body)
    const numbers = this.#numbers.get(kind) ?? []
    this.#numbers.set(kind, [...numbers, number].slice(-REASONS_PER_KIND_MAX))
  }

  /** In the order of the events. */
  get numbers(): readonly number[] {
    return [...this.#numbers.values()].flat().toSorted((one, other) => one - other)
  }
}

/** What tells events apart from which different states follow. */
function kindOf(body: ConsentEventBody): string {
  switch (body.type) {
    case 'announcementPlayed':
      return `${body.type} ${body.heardToEnd} ${body.endCause}`
    case 'announcementHeard':
      return `${body.type} ${body.verdict}`
    case 'answered':
      return `${body.type} ${body.answer} ${body.by}`
    case 'reviewed':
      return `${body.type} ${body.answer}`
    default:
      return body.type
  }
}
