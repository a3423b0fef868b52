import type { Metric, Registry } from 'prom-client'

/**
 * A Prometheus summary without quantiles: `_sum` and `_count`, to which whole batches are added.
 *
 * prom-client's own Summary takes one observation at a time, which is too many for an event that happens fifty times a second
 * in every media stream and is summed up in the workers already.
 */
export class SumAndCount {
  readonly name: string
  readonly help: string
  readonly #sumName: string
  readonly #countName: string
  #sum = 0
  #count = 0

  constructor(options: { readonly registry: Registry; readonly name: string; readonly help: string }) {
    this.name = options.name
    this.help = options.help
    this.#sumName = `${options.name}_sum`
    this.#countName = `${options.name}_count`
    // the registry needs `name` and `get` only; its types ask for one of its own classes
    options.registry.registerMetric(this as unknown as Metric)
  }

  add(sum: number, count: number): void {
    this.#sum += sum
    this.#count += count
  }

  reset(): void {
    this.#sum = 0
    this.#count = 0
  }

  get() {
    const values = [
      { metricName: this.#sumName, labels: {}, value: this.#sum },
      { metricName: this.#countName, labels: {}, value: this.#count },
    ]
    return { name: this.name, help: this.help, type: 'summary', values, aggregator: 'sum' }
  }
}
