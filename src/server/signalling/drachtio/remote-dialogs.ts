import type { DialogId } from '../../../ids.ts'
import type { RemoteDialog } from './remote-dialog.ts'
import type { AdminConnection } from './srf-link.ts'

/** Dialogs at a time; an INVITE beyond gets 503. */
export const REMOTE_DIALOGS_MAX = 65_536

/** The dialogs that are not over, by each of their names. */
export class RemoteDialogs {
  readonly #byId = new Map<DialogId, RemoteDialog>()
  readonly #byStackId = new Map<string, RemoteDialog>()
  readonly #byRemote = new Map<string, RemoteDialog>()
  readonly #counts = new Map<AdminConnection, number>()
  readonly #unused: (connection: AdminConnection) => void

  /** @param unused is told of each connection that is left without a dialog */
  constructor(unused: (connection: AdminConnection) => void) {
    this.#unused = unused
  }

  get isFull(): boolean {
    return this.#byId.size >= REMOTE_DIALOGS_MAX
  }

  get all(): readonly RemoteDialog[] {
    return [...this.#byId.values()]
  }

  isUsed(connection: AdminConnection): boolean {
    return this.#counts.has(connection)
  }

  add(dialog: RemoteDialog): void {
    this.#count(dialog.connection, 1)
    this.#byId.set(dialog.id, dialog)
    this.#byRemote.set(remoteKey(dialog.sipCallId, dialog.remoteTag), dialog)
  }

  /** drachtio-server told its name of a dialog. */
  name(dialog: RemoteDialog, stackDialogId: string): void {
    dialog.stackDialogId = stackDialogId
    this.#byStackId.set(stackDialogId, dialog)
  }

  /** A dialog is reached by another connection from now on. */
  move(dialog: RemoteDialog, connection: AdminConnection): void {
    if (dialog.connection === connection) return
    this.#count(connection, 1)
    this.#count(dialog.connection, -1)
    dialog.connection = connection
  }

  delete(dialog: RemoteDialog): void {
    if (!this.#byId.delete(dialog.id)) return
    this.#count(dialog.connection, -1)
    if (dialog.stackDialogId !== undefined) this.#byStackId.delete(dialog.stackDialogId)
    const key = remoteKey(dialog.sipCallId, dialog.remoteTag)
    if (this.#byRemote.get(key) === dialog) this.#byRemote.delete(key)
  }

  byId(dialogId: DialogId): RemoteDialog | undefined {
    return this.#byId.get(dialogId)
  }

  /** By drachtio-server's name, or by Call-ID and the SRC's tag, which is all there is of a dialog whose first answer has just left. */
  find(stackDialogId: string | undefined, sipCallId: string, remoteTag: string): RemoteDialog | undefined {
    const named = stackDialogId === undefined ? undefined : this.#byStackId.get(stackDialogId)
    return named ?? this.#byRemote.get(remoteKey(sipCallId, remoteTag))
  }

  #count(connection: AdminConnection, change: 1 | -1): void {
    const count = (this.#counts.get(connection) ?? 0) + change
    if (count > 0) {
      this.#counts.set(connection, count)
      return
    }
    this.#counts.delete(connection)
    this.#unused(connection)
  }
}

function remoteKey(sipCallId: string, remoteTag: string): string {
  return `${sipCallId}\n${remoteTag}`
}
