import { type Deadlined, DeadlineHeap } from './deadline-heap.ts'

/** An item of a {@link TimedTable}. */
export interface TimedItem extends Deadlined {
  readonly key: string
}

/** A bounded map of items that have deadlines. */
export class TimedTable<Item extends TimedItem> {
  readonly #max: number
  readonly #items = new Map<string, Item>()
  readonly #heap = new DeadlineHeap<Item>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#items.size
  }

  get isFull(): boolean {
    return this.#items.size >= this.#max
  }

  /** How many items have a deadline. */
  get waiting(): number {
    return this.#heap.size
  }

  get nextTimeoutUs(): number {
    return this.#heap.nextTimeoutUs ?? Infinity
  }

  get(key: string): Item | undefined {
    return this.#items.get(key)
  }

  /** Adds an item; false, and nothing is added, when the table is full. */
  add(item: Item): boolean {
    if (this.isFull) return false
    this.#items.set(item.key, item)
    this.#heap.update(item)
    return true
  }

  /** To be told whenever the item's deadline may have changed. Items that left the table are ignored. */
  update(item: Item): void {
    if (this.#items.get(item.key) === item) this.#heap.update(item)
  }

  /** True when the item was there. */
  delete(item: Item): boolean {
    if (this.#items.get(item.key) !== item) return false
    this.#heap.remove(item)
    return this.#items.delete(item.key)
  }

  /** An item whose deadline has come; {@link update} or {@link delete} it afterwards. */
  takeDue(nowUs: number): Item | undefined {
    return this.#heap.takeDue(nowUs)
  }

  values(): IterableIterator<Item> {
    return this.#items.values()
  }
}
