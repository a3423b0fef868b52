import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

import type { AnnouncementsConfig } from '../../src/config/config.ts'
import { asDialogId } from '../../src/ids.ts'
import type { KeptAnnouncement } from '../../src/server/announcer/announcement-table.ts'
import { FRAME_MS } from '../../src/media/prompt-audio.ts'
import { Announcer, type AnnouncerOptions } from '../../src/server/announcer/announcer.ts'
import { PromptLibrary, readPrompts } from '../../src/server/announcer/prompt-library.ts'
import { monotonicUs } from '../../src/server/monotonic.ts'
import type { OfferRequest } from '../../src/server/signalling/port.ts'
import { claimRtpPortRange } from './rtp-port-range.ts'

type Told = Parameters<AnnouncerOptions['events']['over']>[0]

/** A real announcer on loopback, with a signalling that only writes down what is asked of it. */
export async function inProcessAnnouncer(
  folder: string,
  change: {
    readonly announcements?: Partial<AnnouncementsConfig>
    readonly options?: Partial<AnnouncerOptions>
  } = {},
) {
  const { portMin } = await claimRtpPortRange()
  const announcements: AnnouncementsConfig = {
    ...{ enabled: true, user: 'announce', mode: 'answer', folder, prompts: ['notice'], language: 'en', rules: [] },
    ...{ targets: ['sip:*@127.0.0.1:5999'], linkWindowMs: 60_000, rtpengine: undefined },
    answer: { yes: '1', no: '2', windowMs: 2_000, onNo: 'hangUp', onNone: 'continue' },
    // One pair: what is not given back is missed by the next call.
    ...{ portMin, portMax: portMin + 1, simultaneousMax: 1, symmetricRtp: false },
    ...change.announcements,
  }
  const kept: KeptAnnouncement[] = []
  const byes: { readonly dialogId: string; readonly text: string | undefined }[] = []
  const failures: unknown[] = []
  const refusals: string[] = []
  const over: Told[] = []
  let unsent = 0
  const announcer = new Announcer({
    ...{ announcements, bindAddress: '127.0.0.1', mediaAddress: undefined, nowUs: monotonicUs, nowUnixMs: Date.now },
    library: await briefLibrary(folder),
    table: { put: async (announcement) => void kept.push(announcement) },
    tokens: { issue: async () => 'token' },
    sources: { lookup: () => ({ name: 'pbx', tenant: 'acme', refusal: undefined }) as never },
    signalling: {
      bye: async (dialogId, reason) => {
        byes.push({ dialogId, text: reason?.text })
        announcer.handleEnded(dialogId, { cause: 'local', receivedUs: monotonicUs() })
      },
      request: async () => ({ status: 202 }),
    },
    events: {
      refused: (reason) => void refusals.push(reason),
      over: (told) => void over.push(told),
      live: () => {},
      late: () => {},
      discarded: () => {},
      unsent: () => {
        unsent += 1
      },
      failed: (error) => void failures.push(error),
    },
    randomBytes: (length) => new Uint8Array(length).fill(1),
    ...change.options,
  })
  return { announcer, kept, byes, failures, refusals, over, unsent: () => unsent }
}

/** Of each prompt as much, and no more: what can be found again must be longer, but nobody looks for it here. */
export const BRIEF_MS = 325
export const BRIEF_PACKETS = Math.ceil(BRIEF_MS / FRAME_MS)

export async function briefLibrary(folder: string): Promise<PromptLibrary> {
  const brief = (await readPrompts(folder)).map((prompt) => {
    const { sampleRate, channels } = prompt.audio
    const length = (sampleRate * BRIEF_MS) / 1_000
    const audio = { sampleRate, channels: channels.map((samples) => samples.subarray(0, length)) }
    return { ...prompt, audio, totalMs: BRIEF_MS }
  })
  return new PromptLibrary(brief, 'libopus-wasm')
}

/** An INVITE to the announcer, and how it was answered. */
export function offerTo(
  uri: string,
  sdp: string,
  change: {
    readonly name?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly source?: string
  } = {},
) {
  const { name = 'dialog', headers = {}, source = '127.0.0.1' } = change
  const answers: string[] = []
  let finish = (): void => {}
  /** Resolves with the final answer. */
  const answered = new Promise<void>((resolve) => (finish = resolve))
  const answer = (status: string): void => {
    answers.push(status)
    finish()
  }
  const header = (wanted: string): string | undefined =>
    ({ 'content-type': 'application/sdp', ...headers })[wanted.toLowerCase()]
  const offer: OfferRequest = {
    ...{ dialogId: asDialogId(name), requestUri: uri, sipCallId: name, header },
    headers: (wanted) => {
      const value = header(wanted)
      return value === undefined ? [] : [value]
    },
    ...{ from: '<sip:100@127.0.0.1>', to: '<sip:200@127.0.0.1>', body: new TextEncoder().encode(sdp) },
    source: { transport: 'udp', address: source, port: 5060, tlsNames: [], user: undefined },
    ...{ localAddress: '127.0.0.1', receivedUs: 0 },
    progress: (status) => void answers.push(String(status)),
    answer: () => answer('200'),
    refuse: (status) => answer(String(status)),
  }
  return { offer, answers, answered }
}

export function sdpOf(port: number, ...lines: readonly string[]): string {
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 0`,
    ...lines,
    '',
  ].join('\r\n')
}

/** Somebody who listens, on loopback. */
export async function udpListener(address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  return socket
}
