import type { DialogId } from '../../ids.ts'
import { ALLOW, contactFor, SDP_TYPE } from './capabilities.ts'
import type { Dialog } from './dialog.ts'
import type { SipHeader } from './header-list.ts'
import type { SipResponse } from './message.ts'
import type { OwnRequests } from './own-requests.ts'
import { OWN_SUPPORTED, readMinSe, readRefreshAnswer, refreshHeaders, type SessionTerms } from './session-expires.ts'
import { SessionTimer } from './session-timer.ts'
import { TimedTable } from './timed-table.ts'

/** How long a refresh waits for the offer of the peer that crossed it. RFC 3261 14.1: 0 to 2 s for who did not begin the dialog. */
const REFRESH_RETRY_US = 1_000_000

/** The session timers of all dialogs, and the refreshes we send. */
export class SessionTimers {
  readonly #requests: OwnRequests
  readonly #table = new TimedTable<SessionTimer>(Infinity) // at most one per dialog, so bounded with them

  constructor(requests: OwnRequests) {
    this.#requests = requests
  }

  get nextTimeoutUs(): number {
    return this.#table.nextTimeoutUs
  }

  /** Takes over what an INVITE or UPDATE of the peer set; without terms the dialog has no timer any more. RFC 4028 9 */
  set(dialogId: DialogId, terms: SessionTerms | undefined, nowUs: number): void {
    const timer = this.#table.get(dialogId)
    if (terms === undefined) this.stop(dialogId)
    else if (timer === undefined) this.#table.add(new SessionTimer(dialogId, terms, nowUs))
    else {
      timer.restart(terms, nowUs)
      this.#table.update(timer)
    }
  }

  stop(dialogId: DialogId): void {
    const timer = this.#table.get(dialogId)
    if (timer !== undefined) this.#table.delete(timer)
  }

  /** Runs the timers that are due; `onExpired` gets the dialogs whose peer was not heard of in time. */
  handleTimeout(
    nowUs: number,
    dialogs: { byId(id: DialogId): Dialog | undefined },
    onExpired: (dialog: Dialog) => void,
  ): void {
    for (let timer = this.#table.takeDue(nowUs); timer !== undefined; timer = this.#table.takeDue(nowUs)) {
      const due = timer.handleTimeout(nowUs)
      const dialog = dialogs.byId(timer.dialogId)
      if (dialog === undefined || due === 'expired') this.#table.delete(timer)
      else if (due === 'refresh') this.#refresh(dialog, timer, nowUs)
      this.#table.update(timer)
      if (dialog !== undefined && due === 'expired') onExpired(dialog)
    }
  }

  /**
   * A refresh was answered, or given up. Any answer but 408 and 481 shows that the dialog is alive at the peer: some refuse whatever
   * a recorder asks, and go on sending.
   *
   * @returns false when the dialog is gone
   */
  handleRefreshed(dialog: Dialog, response: SipResponse | undefined, nowUs: number): boolean {
    if (response === undefined || response.status === 408 || response.status === 481) return false
    const timer = this.#table.get(dialog.id)
    if (timer === undefined) return true
    const { status, headers } = response
    if (status < 300) timer.restart(readRefreshAnswer(headers, timer.terms), nowUs)
    else if (status === 491) timer.refreshAt(nowUs + REFRESH_RETRY_US)
    else if ((status === 405 || status === 501) && dialog.allows('UPDATE') === true) {
      dialog.disallow('UPDATE')
      this.#refresh(dialog, timer, nowUs)
    } else if (status === 422 && timer.lengthen(readMinSe(headers) ?? 0, nowUs)) this.#refresh(dialog, timer, nowUs)
    else timer.restart(timer.terms, nowUs)
    this.#table.update(timer)
    return true
  }

  /** Headers that keep the timer going in an INVITE or UPDATE of ours that is sent for another reason. RFC 4028 7.4 */
  headersFor(dialog: Dialog): readonly SipHeader[] {
    const timer = this.#table.get(dialog.id)
    if (timer === undefined) return [OWN_SUPPORTED]
    return refreshHeaders(timer.terms, timer.minSeconds)
  }

  /** An INVITE or UPDATE of ours that was sent for another reason was answered. */
  handleAnswered(dialog: Dialog, { status, headers }: SipResponse, nowUs: number): void {
    const timer = this.#table.get(dialog.id)
    if (timer === undefined) return
    if (status >= 200 && status < 300) timer.restart(readRefreshAnswer(headers, timer.terms), nowUs)
    else if (status === 422) timer.lengthen(readMinSe(headers) ?? 0, nowUs)
    this.#table.update(timer)
  }

  /** UPDATE where the peer takes it, else a re-INVITE with the session description it has. RFC 4028 7.4 */
  #refresh(dialog: Dialog, timer: SessionTimer, nowUs: number): void {
    if (dialog.state !== 'confirmed' || dialog.pendingOffer !== undefined || dialog.openRequest !== undefined) {
      timer.refreshAt(nowUs + REFRESH_RETRY_US)
      return
    }
    const { localDescription } = dialog
    const headers = [contactFor(dialog.flow), ALLOW, ...refreshHeaders(timer.terms, timer.minSeconds)]
    const isUpdate = dialog.allows('UPDATE') === true || localDescription === undefined
    const key = isUpdate
      ? this.#requests.send(dialog, { method: 'UPDATE', headers }, nowUs)
      : this.#requests.send(
          dialog,
          { method: 'INVITE', headers: [...headers, SDP_TYPE], body: localDescription },
          nowUs,
        )
    dialog.openRequest = { key, purpose: 'refresh', isOffer: !isUpdate, description: undefined }
  }
}
