import type { DialogId } from '../../ids.ts'
import type { Dialog } from './dialog.ts'
import type { Dialogs } from './dialogs.ts'
import type { OwnRequests } from './own-requests.ts'
import type { PendingOffers } from './pending-offers.ts'
import { reasonHeader } from './reason.ts'
import { REQUEST_TERMINATED } from './responder.ts'
import type { SessionTimers } from './session-timers.ts'
import type { ByeReason, UserAgentSink } from './user-agent-sink.ts'

/** A BYE to be sent as soon as that is allowed. */
interface WantedBye {
  readonly cause: 'local' | 'noAck' | 'sessionExpired'
  readonly reason: ByeReason | undefined
}

/** How dialogs end from our side. RFC 3261 15 allows no BYE before the ACK, so one that is asked for earlier waits. */
export class HangUp {
  readonly #options: {
    readonly sink: UserAgentSink
    readonly dialogs: Dialogs
    readonly offers: PendingOffers
    readonly requests: OwnRequests
    readonly sessions: SessionTimers
  }
  readonly #wanted = new Map<DialogId, ByeReason | undefined>()

  constructor(options: {
    readonly sink: UserAgentSink
    readonly dialogs: Dialogs
    readonly offers: PendingOffers
    readonly requests: OwnRequests
    readonly sessions: SessionTimers
  }) {
    this.#options = options
  }

  /** As {@link UserAgentServer.bye} says. */
  bye(dialogId: DialogId, reason: ByeReason | undefined, nowUs: number): boolean {
    const { dialogs, offers, sink } = this.#options
    const dialog = dialogs.byId(dialogId)
    if (dialog === undefined) return false
    if (dialog.state === 'closing') return true
    if (dialog.state === 'unacknowledged') {
      this.#wanted.set(dialogId, reason)
      return true
    }
    if (dialog.state === 'early') {
      offers.refuseOf(dialog, { status: 480, reason: 'Temporarily Unavailable' }, nowUs)
      this.end(dialog)
      sink.handleEnded(dialogId, { cause: 'local', receivedUs: nowUs, request: undefined })
      return false
    }
    this.send(dialog, { cause: 'local', reason }, nowUs)
    return true
  }

  /** Tells that the peer has our 2xx, and sends the BYE that waited for it. */
  confirm(dialog: Dialog, nowUs: number): void {
    this.#options.sink.handleConfirmed(dialog.id, nowUs)
    if (dialog.state === 'confirmed' && this.#wanted.has(dialog.id)) this.#sendWanted(dialog, nowUs)
  }

  /** The ACK was given up. */
  giveUpAck(dialog: Dialog, nowUs: number): void {
    if (this.#wanted.has(dialog.id)) this.#sendWanted(dialog, nowUs)
    else this.send(dialog, { cause: 'noAck', reason: undefined }, nowUs)
  }

  /** The dialog is over: nothing of it stays. */
  end(dialog: Dialog): void {
    this.#abandon(dialog)
    dialog.end()
    this.#options.sessions.stop(dialog.id)
    this.#options.dialogs.delete(dialog)
    if (this.#wanted.delete(dialog.id)) this.#options.sink.handleByeDone(dialog.id)
  }

  /** Sends BYE now. */
  send(dialog: Dialog, bye: WantedBye, nowUs: number): void {
    const { dialogs, offers, requests, sessions, sink } = this.#options
    offers.refuseOf(dialog, REQUEST_TERMINATED, nowUs)
    this.#abandon(dialog)
    dialog.close()
    sessions.stop(dialog.id)
    dialogs.update(dialog)
    const headers = bye.reason === undefined ? [] : [reasonHeader(bye.reason)]
    requests.send(dialog, { method: 'BYE', headers }, nowUs)
    sink.handleEnded(dialog.id, { cause: bye.cause, receivedUs: nowUs, request: undefined })
  }

  /** Our BYE was answered or given up. */
  finish(dialogId: DialogId): void {
    const dialog = this.#options.dialogs.byId(dialogId)
    if (dialog !== undefined) this.end(dialog)
    this.#options.sink.handleByeDone(dialogId)
  }

  /** Nobody waits any longer for the answer to a request of ours; its transaction goes on for itself. */
  #abandon(dialog: Dialog): void {
    const open = dialog.openRequest
    dialog.openRequest = undefined
    if (open?.purpose === 'asked') this.#options.sink.handleOwnResponse(open.key, { status: 0 })
  }

  #sendWanted(dialog: Dialog, nowUs: number): void {
    const reason = this.#wanted.get(dialog.id)
    this.#wanted.delete(dialog.id)
    this.send(dialog, { cause: 'local', reason }, nowUs)
  }
}
