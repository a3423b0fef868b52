import type { DialogId } from '../../ids.ts'
import type { Dialog } from './dialog.ts'
import { buildInDialogRequest } from './in-dialog-request.ts'
import type { SipHeader } from './header-list.ts'
import { isReliable } from './flow.ts'
import type { SipTarget, SipTransport } from './flow.ts'
import type { SipResponse } from './message.ts'
import { NonInviteClientTransaction } from './non-invite-client-transaction.ts'
import { paramValue } from './params.ts'
import { parseCSeq } from './scalar-headers.ts'
import { splitList } from './text.ts'
import { TimedTable } from './timed-table.ts'
import type { SipTimers } from './timers.ts'
import type { ByeReason } from './user-agent-sink.ts'
import { BRANCH_COOKIE, parseVia } from './via.ts'

interface ClientEntry {
  readonly key: string
  readonly dialogId: DialogId
  readonly machine: NonInviteClientTransaction
  readonly nextTimeoutUs: number
}

/** A BYE to be sent as soon as that is allowed. */
export interface WantedBye {
  readonly cause: 'local' | 'noAck'
  readonly reason: ByeReason | undefined
}

/** Our BYEs: those asked for before the ACK came (RFC 3261 15 allows none before it), and the transactions of those sent. At most one per dialog, so bounded with them. */
export class OwnByes {
  readonly #options: {
    readonly timers: SipTimers
    readonly randomToken: () => string
    readonly transports: ReadonlySet<SipTransport>
    readonly send: (bytes: Uint8Array, target: SipTarget) => void
  }
  readonly #table = new TimedTable<ClientEntry>(Infinity)
  readonly #wanted = new Map<DialogId, WantedBye>()
  #open = 0

  constructor(options: {
    readonly timers: SipTimers
    readonly randomToken: () => string
    readonly transports: ReadonlySet<SipTransport>
    readonly send: (bytes: Uint8Array, target: SipTarget) => void
  }) {
    this.#options = options
  }

  want(dialogId: DialogId, reason: ByeReason | undefined): void {
    this.#wanted.set(dialogId, { cause: 'local', reason })
  }

  /** The BYE that was asked for before the ACK, which is now forgotten. */
  takeWanted(dialogId: DialogId): WantedBye | undefined {
    const wanted = this.#wanted.get(dialogId)
    this.#wanted.delete(dialogId)
    return wanted
  }

  /** How many wait for a final response. */
  get open(): number {
    return this.#open
  }

  get nextTimeoutUs(): number {
    return this.#table.nextTimeoutUs
  }

  send(dialog: Dialog, reason: ByeReason | undefined, nowUs: number): void {
    const branch = `${BRANCH_COOKIE}${this.#options.randomToken()}`
    const headers = reason === undefined ? [] : [reasonHeader(reason)]
    const { bytes, target } = buildInDialogRequest(dialog, {
      method: 'BYE',
      branch,
      headers,
      transports: this.#options.transports,
    })
    const machine = new NonInviteClientTransaction(
      {
        bytes,
        isReliable: isReliable(target.transport),
        timers: this.#options.timers,
        send: (again) => this.#options.send(again, target),
      },
      nowUs,
    )
    const entry: ClientEntry = {
      key: branch,
      dialogId: dialog.id,
      machine,
      get nextTimeoutUs() {
        return machine.nextTimeoutUs
      },
    }
    this.#table.add(entry)
    this.#open += 1
  }

  /**
   * Matches a response to its request. RFC 3261 17.1.3
   *
   * @returns `stray` when it answers nothing of ours; the dialog whose request it finally answered; or undefined
   */
  handleResponse(response: SipResponse, nowUs: number): DialogId | 'stray' | undefined {
    const vias = response.headers.all('Via').flatMap((line) => splitList(line))
    const via = vias[0] === undefined || vias.length > 1 ? undefined : parseVia(vias[0])
    const cseq = parseCSeq(response.headers.first('CSeq') ?? '')
    if (via === undefined || !via.ok || !cseq.ok) return 'stray'
    const entry = this.#table.get(paramValue(via.value.params, 'branch') ?? '')
    if (entry === undefined || cseq.value.method !== 'BYE') return 'stray'
    const wasDone = entry.machine.isDone
    entry.machine.handleResponse(response.status, nowUs)
    return this.#settle(entry, wasDone)
  }

  /** Runs the timers that are due: `onTimeout` gets the dialog whose request was given up, or undefined for a retransmission. */
  handleTimeout(nowUs: number, onTimeout: (givenUp: DialogId | undefined) => void): void {
    for (let due = this.#table.takeDue(nowUs); due !== undefined; due = this.#table.takeDue(nowUs)) {
      const wasDone = due.machine.isDone
      const isRetransmitted = due.machine.handleTimeout(nowUs)
      const givenUp = this.#settle(due, wasDone)
      if (isRetransmitted || givenUp !== undefined) onTimeout(givenUp)
    }
  }

  #settle(entry: ClientEntry, wasDone: boolean): DialogId | undefined {
    if (entry.machine.state === 'terminated') this.#table.delete(entry)
    else this.#table.update(entry)
    if (wasDone || !entry.machine.isDone) return undefined
    this.#open -= 1
    return entry.dialogId
  }
}

/** RFC 3326. Causes below 200 are Q.850's, others SIP status codes. */
function reasonHeader(reason: ByeReason): SipHeader {
  const text = reason.text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  const protocol = reason.cause < 200 ? 'Q.850' : 'SIP'
  return { name: 'Reason', value: `${protocol};cause=${reason.cause};text="${text}"` }
}
