import type { DialogId } from '../../ids.ts'
import type { Dialog } from './dialog.ts'
import { TimedTable } from './timed-table.ts'

/** Dialogs held at a time; the recorder's own limit on recording sessions is far below. */
export const DIALOGS_MAX = 32_768

/** The dialogs, found by their key (for requests of the peer), by their id (for us) and by the INVITE that began them. */
export class Dialogs {
  readonly #table: TimedTable<Dialog>
  readonly #byId = new Map<DialogId, Dialog>()
  readonly #byMergeKey = new Map<string, Dialog>()

  constructor(max: number = DIALOGS_MAX) {
    this.#table = new TimedTable(max)
  }

  get size(): number {
    return this.#table.size
  }

  get isFull(): boolean {
    return this.#table.isFull
  }

  /** How many wait for the ACK of a 2xx. */
  get unacknowledged(): number {
    return this.#table.waiting
  }

  get nextTimeoutUs(): number {
    return this.#table.nextTimeoutUs
  }

  get(key: string): Dialog | undefined {
    return this.#table.get(key)
  }

  byId(id: DialogId): Dialog | undefined {
    return this.#byId.get(id)
  }

  /** The living dialog that began with the same INVITE, whichever way that came. */
  byMergeKey(mergeKey: string): Dialog | undefined {
    return this.#byMergeKey.get(mergeKey)
  }

  add(dialog: Dialog): boolean {
    if (!this.#table.add(dialog)) return false
    this.#byId.set(dialog.id, dialog)
    this.#byMergeKey.set(dialog.mergeKey, dialog)
    return true
  }

  /** To be called after a dialog's deadline may have changed. */
  update(dialog: Dialog): void {
    this.#table.update(dialog)
  }

  delete(dialog: Dialog): void {
    if (!this.#table.delete(dialog)) return
    this.#byId.delete(dialog.id)
    if (this.#byMergeKey.get(dialog.mergeKey) === dialog) this.#byMergeKey.delete(dialog.mergeKey)
  }

  takeDue(nowUs: number): Dialog | undefined {
    return this.#table.takeDue(nowUs)
  }
}
