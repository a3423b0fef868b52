import type { DialogId } from '../../ids.ts'
import type { Dialog } from './dialog.ts'
import { buildInDialogRequest } from './in-dialog-request.ts'
import type { SipHeader } from './header-list.ts'
import { isReliable } from './flow.ts'
import type { SipTarget, SipTransport } from './flow.ts'
import { InviteClientTransaction } from './invite-client-transaction.ts'
import type { SipResponse } from './message.ts'
import { NonInviteClientTransaction } from './non-invite-client-transaction.ts'
import { paramValue } from './params.ts'
import { parseCSeq } from './scalar-headers.ts'
import { splitList } from './text.ts'
import { TimedTable } from './timed-table.ts'
import type { SipTimers } from './timers.ts'
import { BRANCH_COOKIE, parseVia } from './via.ts'

/** What we may ask of a peer inside a dialog. */
export type OwnMethod = 'BYE' | 'UPDATE' | 'INVITE' | 'INFO' | 'REFER'

/** How a request of ours ended. */
export interface OwnOutcome {
  readonly dialogId: DialogId
  readonly method: OwnMethod
  /** What {@link OwnRequests.send} returned. */
  readonly key: string
  /** undefined when none came in time. */
  readonly response: SipResponse | undefined
}

interface ClientEntry {
  readonly key: string
  readonly dialog: Dialog
  readonly method: OwnMethod
  readonly machine: NonInviteClientTransaction | InviteClientTransaction
  readonly nextTimeoutUs: number
}

export interface OwnRequestsOptions {
  readonly timers: SipTimers
  readonly randomToken: () => string
  readonly transports: ReadonlySet<SipTransport>
  readonly send: (bytes: Uint8Array, target: SipTarget) => void
}

/** The client transactions of our own requests. A dialog has at most one BYE and one other request at a time, so they are bounded with them. */
export class OwnRequests {
  readonly #options: OwnRequestsOptions
  readonly #table = new TimedTable<ClientEntry>(Infinity)
  #open = 0

  constructor(options: OwnRequestsOptions) {
    this.#options = options
  }

  /** How many wait for a final response. */
  get open(): number {
    return this.#open
  }

  get nextTimeoutUs(): number {
    return this.#table.nextTimeoutUs
  }

  /** Sends a request and returns the key of its transaction. */
  send(
    dialog: Dialog,
    request: { readonly method: OwnMethod; readonly headers: readonly SipHeader[]; readonly body?: Uint8Array },
    nowUs: number,
  ): string {
    const { timers, transports, send } = this.#options
    const branch = this.#newBranch()
    const sequenceNumber = dialog.nextSequence()
    const { bytes, target } = buildInDialogRequest(dialog, { ...request, branch, sequenceNumber, transports })
    const options = {
      bytes,
      isReliable: isReliable(target.transport),
      timers,
      send: (again: Uint8Array) => send(again, target),
      acknowledge: (status: number) => this.#acknowledge(dialog, status < 300 ? undefined : branch, sequenceNumber),
    }
    const machine =
      request.method === 'INVITE'
        ? new InviteClientTransaction(options, nowUs)
        : new NonInviteClientTransaction(options, nowUs)
    this.#table.add({
      key: branch,
      dialog,
      method: request.method,
      machine,
      get nextTimeoutUs() {
        return machine.nextTimeoutUs
      },
    })
    this.#open += 1
    return branch
  }

  /**
   * Matches a response to its request. RFC 3261 17.1.3
   *
   * @returns `stray` when it answers nothing of ours; the outcome when it is the first final answer; or undefined
   */
  handleResponse(response: SipResponse, nowUs: number): OwnOutcome | 'stray' | undefined {
    const vias = response.headers.all('Via').flatMap((line) => splitList(line))
    const via = vias[0] === undefined || vias.length > 1 ? undefined : parseVia(vias[0])
    const cseq = parseCSeq(response.headers.first('CSeq') ?? '')
    if (via === undefined || !via.ok || !cseq.ok) return 'stray'
    const entry = this.#table.get(paramValue(via.value.params, 'branch') ?? '')
    if (entry === undefined || cseq.value.method !== entry.method) return 'stray'
    const wasDone = entry.machine.isDone
    // Before the ACK, which goes to the new target. RFC 3261 12.2.1.2
    if (response.status >= 200 && response.status < 300) noteSuccess(entry, response)
    entry.machine.handleResponse(response.status, nowUs)
    return this.#settle(entry, wasDone, response)
  }

  /** Runs the timers that are due: `onTimeout` gets the request that was given up, or undefined for a retransmission. */
  handleTimeout(nowUs: number, onTimeout: (givenUp: OwnOutcome | undefined) => void): void {
    for (let due = this.#table.takeDue(nowUs); due !== undefined; due = this.#table.takeDue(nowUs)) {
      const wasDone = due.machine.isDone
      const isRetransmitted = due.machine.handleTimeout(nowUs)
      const givenUp = this.#settle(due, wasDone, undefined)
      if (isRetransmitted || givenUp !== undefined) onTimeout(givenUp)
    }
  }

  #settle(entry: ClientEntry, wasDone: boolean, response: SipResponse | undefined): OwnOutcome | undefined {
    if (entry.machine.state === 'terminated') this.#table.delete(entry)
    else this.#table.update(entry)
    if (wasDone || !entry.machine.isDone) return undefined
    this.#open -= 1
    return { dialogId: entry.dialog.id, method: entry.method, key: entry.key, response }
  }

  #acknowledge(dialog: Dialog, branch: string | undefined, sequenceNumber: number): void {
    const { transports, send } = this.#options
    const ack = { method: 'ACK', headers: [], branch: branch ?? this.#newBranch(), sequenceNumber, transports }
    const { bytes, target } = buildInDialogRequest(dialog, ack)
    send(bytes, target)
  }

  #newBranch(): string {
    return `${BRANCH_COOKIE}${this.#options.randomToken()}`
  }
}

/** A target refresh succeeded. RFC 3261 12.2.1.2, RFC 3311 5.1 */
function noteSuccess({ dialog, method }: ClientEntry, { headers }: SipResponse): void {
  if (method !== 'INVITE' && method !== 'UPDATE') return
  dialog.retarget(headers)
  dialog.noteAllow(headers)
}
