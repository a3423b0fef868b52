import type { DialogId } from '../../ids.ts'
import type { Admission } from '../../protocol/sip/user-agent-sink.ts'
import type {
  DialogEnd,
  InDialogRequest,
  OfferRequest,
  SignallingCounter,
  SignallingHandler,
} from '../signalling/port.ts'
import type { Announcer } from './announcer.ts'

/** Sends calls to the announcer there, and everything else to the recorder, each for the life of its dialog. */
export class AnnouncementRouter implements SignallingHandler {
  readonly #recorder: SignallingHandler
  readonly #announcer: Announcer

  constructor(recorder: SignallingHandler, announcer: Announcer) {
    this.#recorder = recorder
    this.#announcer = announcer
  }

  handleInvite(offer: OfferRequest): void {
    if (this.#announcer.isMeant(offer)) this.#announcer.handleInvite(offer)
    else this.#recorder.handleInvite(offer)
  }

  handleReinvite(offer: OfferRequest): void {
    if (this.#announcer.has(offer.dialogId)) this.#announcer.handleReinvite(offer)
    else this.#recorder.handleReinvite(offer)
  }

  handleInDialog(dialogId: DialogId, request: InDialogRequest): void {
    if (this.#announcer.has(dialogId)) this.#announcer.handleInDialog(dialogId, request)
    else this.#recorder.handleInDialog?.(dialogId, request)
  }

  handleConfirmed(dialogId: DialogId, receivedUs: number): void {
    if (this.#announcer.has(dialogId)) this.#announcer.handleConfirmed(dialogId)
    else this.#recorder.handleConfirmed(dialogId, receivedUs)
  }

  handleEnded(dialogId: DialogId, end: DialogEnd): void {
    if (this.#announcer.has(dialogId)) this.#announcer.handleEnded(dialogId, end)
    else this.#recorder.handleEnded(dialogId, end)
  }

  optionsStatus(method?: 'INVITE' | 'OPTIONS'): Admission {
    return this.#recorder.optionsStatus(method)
  }

  handleCounted(counter: SignallingCounter): void {
    this.#recorder.handleCounted?.(counter)
  }
}
