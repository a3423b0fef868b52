import type { RtpPacket } from '../protocol/rtp/packet.ts'
import { type DtmfDigit, parseTelephoneEvents } from '../protocol/rtp/telephone-event.ts'
import { DtmfDetector } from './dtmf-detector.ts'
import { EventTracker } from './event-tracker.ts'
import { decodePcma, decodePcmu } from './g711.ts'
import { G722Decoder } from './g722.ts'
import { CODEC_RATES, type PromptCodec } from './prompt-audio.ts'

/**
 * Hears the keys in the packets of one stream: telephone-event (RFC 4733), and tones in audio that can be decoded cheaply.
 *
 * `pressed` is called once for each press and way, as soon as it is certain: of who sends both ways twice.
 */
export class KeyListener {
  readonly #tracker: EventTracker
  readonly #detector: DtmfDetector
  /** Undefined for Opus, which is not decoded for it: who speaks Opus tells keys by telephone-event. */
  readonly #decode: ((payload: Uint8Array) => Int16Array) | undefined
  readonly #samplesPerUnit: number
  readonly #told = new WeakSet()
  #firstTimestamp: number | undefined
  #isToneTold = false

  constructor(options: {
    readonly codec: PromptCodec
    readonly eventClockRate: number
    readonly pressed: (digit: DtmfDigit, way: 'event' | 'tone') => void
  }) {
    const { codec, eventClockRate, pressed } = options
    const { audio, clock } = CODEC_RATES[codec]
    this.#decode = decoderOf(codec)
    this.#samplesPerUnit = audio / clock
    this.#tracker = new EventTracker(eventClockRate, (press) => {
      if (this.#told.has(press)) return
      this.#told.add(press)
      pressed(press.digit, 'event')
    })
    this.#detector = new DtmfDetector({
      sampleRate: audio,
      heard: ({ digit, isOver }) => {
        if (!this.#isToneTold) pressed(digit, 'tone')
        this.#isToneTold = !isOver
      },
    })
  }

  /** @param nowUs when it came, monotonic microseconds */
  handleEvents(packet: RtpPacket, nowUs: number): void {
    const events = parseTelephoneEvents(packet.payload)
    if (events.ok) this.#tracker.handle(packet, events.value, nowUs)
  }

  handleAudio({ timestamp, payload }: RtpPacket): void {
    if (this.#decode === undefined) return
    this.#firstTimestamp ??= timestamp
    // Wraps after 74 hours at 16 kHz, which no announcement lasts.
    const at = ((timestamp - this.#firstTimestamp) | 0) * this.#samplesPerUnit
    this.#detector.write(this.#decode(payload), at)
  }
}

function decoderOf(codec: PromptCodec): ((payload: Uint8Array) => Int16Array) | undefined {
  if (codec === 'PCMU') return decodePcmu
  if (codec === 'PCMA') return decodePcma
  if (codec === 'OPUS') return undefined
  const decoder = new G722Decoder()
  return (payload) => decoder.decode(payload)
}
