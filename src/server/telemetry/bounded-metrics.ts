import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

import type { LabelRule } from './labels.ts'

/** One rule for each label: no value reaches a metric without passing its rule. */
export type LabelRules<Label extends string> = Readonly<Record<Label, LabelRule>>

interface MetricOptions<Label extends string> {
  readonly registry: Registry
  readonly name: string
  readonly help: string
  readonly labels: LabelRules<Label>
}

function bound<Label extends string>(
  rules: LabelRules<Label>,
  labels: Readonly<Record<Label, string>>,
): Record<Label, string> {
  const names = Object.keys(rules) as Label[]
  return Object.fromEntries(names.map((name) => [name, rules[name](labels[name])])) as Record<Label, string>
}

function configurationOf<Label extends string>(options: MetricOptions<Label>) {
  const labelNames = Object.keys(options.labels) as Label[]
  return { name: options.name, help: options.help, labelNames, registers: [options.registry] }
}

/** A counter whose label values are bounded. */
export class BoundedCounter<Label extends string> {
  readonly #counter: Counter<Label>
  readonly #rules: LabelRules<Label>

  constructor(options: MetricOptions<Label>) {
    this.#counter = new Counter(configurationOf(options))
    this.#rules = options.labels
  }

  inc(labels: Readonly<Record<Label, string>>, amount = 1): void {
    this.#counter.inc(bound(this.#rules, labels), amount)
  }
}

/** A gauge whose label values are bounded. Where several values may become `other`, use {@link BoundedGauge.add}. */
export class BoundedGauge<Label extends string> {
  readonly #gauge: Gauge<Label>
  readonly #rules: LabelRules<Label>

  constructor(options: MetricOptions<Label>) {
    this.#gauge = new Gauge(configurationOf(options))
    this.#rules = options.labels
  }

  set(labels: Readonly<Record<Label, string>>, value: number): void {
    this.#gauge.set(bound(this.#rules, labels), value)
  }

  add(labels: Readonly<Record<Label, string>>, amount: number): void {
    this.#gauge.inc(bound(this.#rules, labels), amount)
  }
}

/** A histogram of seconds whose label values are bounded. */
export class BoundedHistogram<Label extends string> {
  readonly #histogram: Histogram<Label>
  readonly #rules: LabelRules<Label>

  constructor(options: MetricOptions<Label> & { readonly buckets: readonly number[] }) {
    this.#histogram = new Histogram({ ...configurationOf(options), buckets: [...options.buckets] })
    this.#rules = options.labels
  }

  observe(labels: Readonly<Record<Label, string>>, seconds: number): void {
    this.#histogram.observe(bound(this.#rules, labels), seconds)
  }
}

/**
 * Turns sums that only grow, as a worker reports them, into steps of a counter.
 *
 * `source` names who reports (a worker); a sum below the one before means that it was restarted and counts from zero.
 * Keeps one number per source and label.
 */
export class TotalFollower {
  readonly #last = new Map<string, number>()

  /** How much was added since the last report; never negative. */
  step(source: string, total: number): number {
    const before = this.#last.get(source) ?? 0
    this.#last.set(source, total)
    return total >= before ? total - before : total
  }
}
