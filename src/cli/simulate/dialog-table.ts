import { parseMessage } from '../../protocol/sip/parse-message.ts'
import { monotonicUs } from '../../server/monotonic.ts'
import type { SipTarget } from './options.ts'
import { openSignallingSocket } from './signalling-socket.ts'
import type { SignallingSocket } from './signalling-socket.ts'
import type { NextHop, SrcDialog } from './src-dialog.ts'
import { buildResponse } from './src-requests.ts'
import type { SrcAddress } from './src-requests.ts'

/** Finer than any SIP timer needs. */
const TICK_MS = 20

/** The dialogs of a run on their one socket: hands each its messages and its time. */
export class DialogTable {
  readonly #dialogs = new Map<string, SrcDialog>()
  #socket: SignallingSocket | undefined
  #timer: NodeJS.Timeout | undefined
  #respond: ((bytes: Uint8Array) => void) | undefined

  /** @throws EarwitnessError `simulate-unreachable` */
  async open(target: SipTarget): Promise<SrcAddress> {
    this.#socket = await openSignallingSocket(target, {
      handleMessage: (bytes, respond) => this.#handleMessage(bytes, respond),
      handleLost: () => this.#handleLost(),
    })
    this.#timer = setInterval(() => this.#handleTimeouts(), TICK_MS)
    return this.#socket.local
  }

  add(sipCallId: string, dialog: SrcDialog): void {
    this.#dialogs.set(sipCallId, dialog)
  }

  send(bytes: Uint8Array, nextHop: NextHop | undefined): void {
    this.#socket?.send(bytes, nextHop)
  }

  /** Answers the request that is being handled. */
  respond(bytes: Uint8Array): void {
    this.#respond?.(bytes)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#socket?.close()
  }

  #handleMessage(bytes: Uint8Array, respond: (bytes: Uint8Array) => void): void {
    const framing = this.#socket?.local.transport === 'tcp' ? 'stream' : 'datagram'
    const message = parseMessage(bytes, framing)
    if (!message.ok) return
    const dialog = this.#dialogs.get(message.value.headers.first('Call-ID') ?? '')
    this.#respond = respond
    if (dialog !== undefined) dialog.handleMessage(message.value, monotonicUs())
    else if (message.value.kind === 'request' && message.value.method !== 'ACK') {
      const isPing = message.value.method === 'OPTIONS'
      const [status, reason] = isPing ? ([200, 'OK'] as const) : ([481, 'Call/Transaction Does Not Exist'] as const)
      respond(buildResponse(message.value, status, reason, 'simulate'))
    }
    this.#respond = undefined
  }

  #handleTimeouts(): void {
    const nowUs = monotonicUs()
    for (const [sipCallId, dialog] of this.#dialogs) {
      if (dialog.nextTimeoutUs > nowUs) continue
      dialog.handleTimeout(nowUs)
      if (dialog.isForgettable(nowUs)) this.#dialogs.delete(sipCallId)
    }
  }

  #handleLost(): void {
    const nowUs = monotonicUs()
    for (const dialog of this.#dialogs.values()) dialog.handleConnectionLost(nowUs)
  }
}
