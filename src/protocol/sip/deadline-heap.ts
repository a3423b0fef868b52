/** Something that wants to be woken: at `nextTimeoutUs` (monotonic; Infinity for never). */
export interface Deadlined {
  readonly nextTimeoutUs: number
}

interface Slot<Owner> {
  readonly owner: Owner
  deadlineUs: number
  index: number
}

/** A binary heap of deadlines in which each owner stands once: changing one costs the logarithm of the size. */
export class DeadlineHeap<Owner extends Deadlined> {
  readonly #heap: Slot<Owner>[] = []
  readonly #slots = new Map<Owner, Slot<Owner>>()

  get size(): number {
    return this.#heap.length
  }

  /** The earliest deadline, or undefined when nobody waits. */
  get nextTimeoutUs(): number | undefined {
    return this.#heap[0]?.deadlineUs
  }

  /** Takes over the owner's present `nextTimeoutUs`. */
  update(owner: Owner): void {
    const deadlineUs = owner.nextTimeoutUs
    const slot = this.#slots.get(owner)
    if (deadlineUs === Infinity) {
      if (slot !== undefined) this.#remove(slot)
      return
    }
    if (slot === undefined) {
      const added = { owner, deadlineUs, index: this.#heap.length }
      this.#heap.push(added)
      this.#slots.set(owner, added)
      this.#rise(added)
    } else if (slot.deadlineUs !== deadlineUs) {
      slot.deadlineUs = deadlineUs
      this.#rise(slot)
      this.#sink(slot)
    }
  }

  remove(owner: Owner): void {
    const slot = this.#slots.get(owner)
    if (slot !== undefined) this.#remove(slot)
  }

  /** Removes and returns an owner whose deadline has come. */
  takeDue(nowUs: number): Owner | undefined {
    const slot = this.#heap[0]
    if (slot === undefined || slot.deadlineUs > nowUs) return undefined
    this.#remove(slot)
    return slot.owner
  }

  #remove(slot: Slot<Owner>): void {
    this.#slots.delete(slot.owner)
    const last = this.#heap.pop()
    if (last === undefined || last === slot) return
    this.#place(last, slot.index)
    this.#rise(last)
    this.#sink(last)
  }

  #place(slot: Slot<Owner>, index: number): void {
    this.#heap[index] = slot
    slot.index = index
  }

  #rise(slot: Slot<Owner>): void {
    while (slot.index > 0) {
      const parent = this.#heap[(slot.index - 1) >> 1]
      if (parent === undefined || parent.deadlineUs <= slot.deadlineUs) return
      const index = parent.index
      this.#place(parent, slot.index)
      this.#place(slot, index)
    }
  }

  #sink(slot: Slot<Owner>): void {
    for (;;) {
      const left = this.#heap[2 * slot.index + 1]
      const right = this.#heap[2 * slot.index + 2]
      const child = right !== undefined && left !== undefined && right.deadlineUs < left.deadlineUs ? right : left
      if (child === undefined || child.deadlineUs >= slot.deadlineUs) return
      const index = child.index
      this.#place(child, slot.index)
      this.#place(slot, index)
    }
  }
}
