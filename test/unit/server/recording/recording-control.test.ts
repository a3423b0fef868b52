import { beforeEach, describe, expect, it } from 'vitest'

import type { ManifestBody } from '../../../../src/evidence/manifest.ts'
import { asDialogId, asStreamId, type DialogId, type RecordingId } from '../../../../src/ids.ts'
import type {
  EndCause,
  MediaStreamPlan,
  RecordingFacts,
  SealedObject,
} from '../../../../src/recorder/recording-types.ts'
import { SNAPSHOTS_MAX, type ReceivedMetadata } from '../../../../src/recorder/snapshot-keeper.ts'
import type { OpenResult } from '../../../../src/server/media/media-plane.ts'
import type { WorkerReport } from '../../../../src/server/media/worker-messages.ts'
import type { RecordingControlOptions } from '../../../../src/server/recording/recording-control-options.ts'
import { RecordingControl } from '../../../../src/server/recording/recording-control.ts'
import { RecordingEvents } from '../../../../src/server/recording/recording-events.ts'
import { SourceTable } from '../../../../src/server/recording/source-table.ts'
import type { DialogEnd, OfferRequest } from '../../../../src/server/signalling/port.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'
import { createMetrics, createRegistry } from '../../../../src/server/telemetry/metrics.ts'
import { OPENED_AT_UNIX_MS, seededBytes, vault } from '../../../support/recording-rig.ts'
import { bytesOf, hashOf, liveRecording, manifestOf } from './live-recordings.ts'

const OFFER = [
  ...['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0'],
  ...['m=audio 40000 RTP/AVP 0', 'a=label:1', 'm=audio 40002 RTP/AVP 0', 'a=label:2', ''],
].join('\r\n')
const NOW_US = 7_000_000

type Answer = (result: OpenResult) => void

/** The media workers, as far as their messages go: each call is written down and answered when the test says so. */
class MediaDesk {
  readonly calls: string[] = []
  readonly metadataSeen: ReceivedMetadata[] = []
  readonly opened: { facts: RecordingFacts; plans: readonly MediaStreamPlan[]; answer: Answer }[] = []
  readonly updated: { answer: Answer }[] = []

  open = (facts: RecordingFacts, plans: readonly MediaStreamPlan[]): Promise<OpenResult> => {
    this.calls.push('open')
    return new Promise((answer) => this.opened.push({ facts, plans, answer }))
  }
  update = (): Promise<OpenResult> => {
    this.calls.push('update')
    return new Promise((answer) => this.updated.push({ answer }))
  }
  note = (): void => void this.calls.push('note')
  pause = (): void => void this.calls.push('pause')
  metadata = (_id: RecordingId, received: ReceivedMetadata): void => {
    this.calls.push('metadata')
    this.metadataSeen.push(received)
  }
  end = (_id: RecordingId, cause: EndCause): void => void this.calls.push(`end ${cause}`)
  abandon = (): void => void this.calls.push('abandon')
  release = this.note
}

class Peer {
  readonly answers: string[] = []
  readonly #received: { body?: string; contentType?: string; source?: string; receivedUs?: number }

  constructor(received: { body?: string; contentType?: string; source?: string; receivedUs?: number } = {}) {
    this.#received = received
  }

  offer(dialogId: DialogId): OfferRequest {
    const { body = OFFER, contentType = 'application/sdp', source = '192.0.2.1', receivedUs = NOW_US } = this.#received
    const headers = new Map([
      ['content-type', contentType],
      ['require', 'siprec'],
    ])
    return {
      dialogId,
      requestUri: 'sip:srs@198.51.100.1',
      sipCallId: `${dialogId}@192.0.2.1`,
      from: '',
      to: '',
      header: (name) => headers.get(name),
      headers: (name) => [headers.get(name) ?? []].flat(),
      body: bytesOf(body),
      source: { transport: 'udp', address: source, port: 5060, tlsNames: [], user: undefined },
      localAddress: '198.51.100.1',
      receivedUs,
      progress: () => {},
      answer: (sdp) => this.answers.push(`200 ${new TextDecoder().decode(sdp)}`),
      refuse: (status, _reason, more = []) =>
        this.answers.push([status, ...more.map(([name, value]) => `${name}: ${value}`)].join(' ')),
    }
  }
}

let media: MediaDesk
let custodyCalls: string[]
let byes: string[]
let bye: () => Promise<void>
let closing: () => Promise<void>
let log: string[]
let control: RecordingControl
let registry: ReturnType<typeof createRegistry>
let isReady: boolean
let isOverfull: boolean

const DIALOG = asDialogId('dialog-1')
const KEY: SealedObject = { kind: 'key', name: 'key.age', bytes: bytesOf('wrapped'), recipient: vault.recipient }
const PORTS: OpenResult = { ok: true, ports: [20_000, 20_002] }
const ended = (cause: DialogEnd['cause'], more: Partial<DialogEnd> = {}): DialogEnd => ({
  cause,
  receivedUs: NOW_US,
  ...more,
})
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

beforeEach(() => {
  make()
})

function make(settings: Partial<RecordingControlOptions['settings']> = {}): void {
  media = new MediaDesk()
  custodyCalls = []
  byes = []
  log = []
  isReady = true
  isOverfull = false
  bye = () => Promise.resolve()
  closing = () => Promise.resolve()
  registry = createRegistry()
  control = new RecordingControl({
    signalling: {
      bye: (_dialogId, reason) => {
        byes.push(reason?.text ?? '')
        // As the port does: the dialog is over when the BYE is sent.
        control.handleEnded(DIALOG, ended('local'))
        return bye()
      },
      request: () => Promise.resolve({ status: 0 }),
    },
    media,
    custody: {
      opened: () => void custodyCalls.push('opened'),
      ...{ noteFacts: () => {}, note: () => {}, decideHeld: () => {}, sealPending: () => {} },
      sealed: (_recording, { name }) => void custodyCalls.push(name),
      incident: (_recording, { code }) => void custodyCalls.push(code),
      close: (_prefix, { endCause }) => {
        custodyCalls.push(`close ${endCause}`)
        return closing()
      },
      interrupted: () => {
        custodyCalls.push('interrupted')
        return closing()
      },
    },
    sources: new SourceTable([{ name: 'sbc', address: '192.0.2.1', tenant: 'acme', forceSiprec: false }]),
    events: new RecordingEvents({
      publish: () => {},
      log: createLogger({ level: 'debug', destination: { write: (line: string) => void log.push(line) } }),
      metrics: createMetrics(registry, { sources: ['sbc'], version: '0.0.0' }),
    }),
    settings: {
      layout: 'separate',
      dtmf: 'discard',
      chunkUs: 15_000_000,
      silenceGateDbov: -66,
      conceals: true,
      mediaTimeoutMs: 5_000,
      mediaAddress: undefined,
      vaultRecipients: [vault.recipient],
      software: { name: 'earwitness', version: '0.0.0' },
      sendsRtcp: true,
      ...settings,
    },
    refusal: () => (isReady ? undefined : { name: 'capacity', sentence: 'Full.' }),
    isOverfull: () => isOverfull,
    nowUs: () => NOW_US,
    sleep: () => Promise.resolve(),
    nowUnixMs: () => OPENED_AT_UNIX_MS,
    randomBytes: seededBytes(3),
  })
}

const idOf = (): RecordingId => media.opened[0]?.facts.recordingId ?? liveRecording().facts.recordingId

/** An INVITE whose ports are bound, and answered. */
async function answer(peer = new Peer()): Promise<Peer> {
  control.handleInvite(peer.offer(DIALOG))
  control.handleSealed(idOf(), KEY)
  media.opened[0]?.answer(PORTS)
  await settled()
  return peer
}

/** The same, and acknowledged. */
async function establish(peer = new Peer()): Promise<Peer> {
  await answer(peer)
  control.handleConfirmed(DIALOG, NOW_US)
  return peer
}

function manifest(endCause: string): ManifestBody {
  const recording = liveRecording()
  return { ...manifestOf(recording), recordingId: idOf(), endCause }
}

const report = (quietMs: number, held = false): WorkerReport => ({
  recordingSessions: 1,
  encodersInUse: 2,
  eventLoopLagSeconds: 0,
  load: { busyShare: 0, lagMs: 0 },
  jitterSecondsMax: 0,
  flaggedStreams: { zeroPackets: 0, oneWay: 0, stopped: 0, silent: 0 },
  quiet: [{ recordingId: idOf(), quietMs, held }],
  packetsReceived: 0,
  packetsLost: 0,
  packetsDiscarded: {},
  srtpFailures: {},
  gatedFrames: 0,
  transcriptions: { told: 0, failed: 0, tooLate: 0, tooMany: 0, takenBack: 0 },
  opusUndecodedStreams: 0,
  socketOverflows: 0,
  dtmfDigits: {},
  rtcpReceived: {},
  rtcpDiscarded: {},
  rtcpSent: 0,
  alignmentRefusals: { disagreed: 0, tooFar: 0 },
  roundTripSecondsMax: 0,
  encodedFrames: 0,
  encodeSeconds: 0,
})

/** Recording sessions right now, by the gauge: what is lost track of shows here. */
async function gauge(): Promise<number> {
  const lines = (await registry.metrics()).split('\n')
  return lines
    .filter((line) => line.startsWith('earwitness_recording_sessions{'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

describe('an INVITE', () => {
  it('is answered with the ports that were bound; nothing is in custody yet', async () => {
    const peer = await answer()
    expect(peer.answers).toHaveLength(1)
    expect(peer.answers[0]).toContain('m=audio 20000 RTP/AVP 0')
    expect(peer.answers[0]).toContain('m=audio 20002 RTP/AVP 0')
    expect(peer.answers[0]).toContain('c=IN IP4 198.51.100.1')
    expect(custodyCalls).toEqual([])
    expect(control.live).toMatchObject([{ state: 'answered', facts: { src: 'sbc', tenant: 'acme' } }])
    expect(control.openedTotal).toBe(0)
  })

  it('is recording with the ACK, or with the first packet if that comes before', async () => {
    await answer()
    control.handleFirstPacket(idOf(), asStreamId('0'))
    expect(control.live[0]?.state).toBe('recording')
    expect(control.openedTotal).toBe(1)
    control.handleConfirmed(DIALOG, NOW_US)
    expect(control.live[0]?.state).toBe('recording')
    expect(custodyCalls).toEqual(['opened'])
  })

  it('that asks for no recording is refused, and opens nothing', async () => {
    const peer = new Peer({ body: 'v=0\r\n' })
    control.handleInvite(peer.offer(DIALOG))
    expect(peer.answers[0]).toMatch(/^4\d\d/)
    expect(media.calls).toEqual([])
    expect(await gauge()).toBe(0)
  })

  it('gets 503 with Retry-After when the port range is used up, and leaves no trace', async () => {
    const peer = new Peer()
    control.handleInvite(peer.offer(DIALOG))
    control.handleSealed(idOf(), KEY)
    media.opened[0]?.answer({ ok: false, reason: 'portsExhausted', detail: 'no free pair' })
    await settled()
    expect(peer.answers).toEqual([
      expect.stringMatching(/^503 Retry-After: \d+ Warning: 399 earwitness "No free RTP port/),
    ])
    expect(control.live).toEqual([])
    expect(custodyCalls).toEqual([])
    expect(await gauge()).toBe(0)
  })

  it('tells a peer nothing of what went wrong inside, and the log everything', async () => {
    const peer = new Peer()
    control.handleInvite(peer.offer(DIALOG))
    media.opened[0]?.answer({ ok: false, reason: 'failed', detail: 'bind EADDRNOTAVAIL' })
    await settled()
    expect(peer.answers.join()).not.toContain('EADDRNOTAVAIL')
    expect(log.join()).toContain('EADDRNOTAVAIL')
  })

  it('passes its metadata on, and keeps no more of it than the worker does', async () => {
    const body = [
      ...['--b', 'Content-Type: application/sdp', '', OFFER],
      ...['--b', 'Content-Type: application/rs-metadata+xml', '', '<<<', '--b--', ''],
    ].join('\r\n')
    await establish(new Peer({ body, contentType: 'multipart/mixed;boundary=b' }))
    expect(media.metadataSeen).toMatchObject([
      { raw: bytesOf('<<<'), rawSha256: hashOf(bytesOf('<<<')), snapshot: undefined },
    ])
    for (let more = 0; more < SNAPSHOTS_MAX + 5; more += 1) {
      control.handleReinvite(new Peer({ body, contentType: 'multipart/mixed;boundary=b' }).offer(DIALOG))
      media.updated[more]?.answer(PORTS)
    }
    await settled()
    expect(media.metadataSeen).toHaveLength(SNAPSHOTS_MAX + 6)
    expect(control.live[0]?.pendingSnapshots).toHaveLength(SNAPSHOTS_MAX)
  })

  it('for which something here breaks is refused with 500, and no other notices', async () => {
    const peer = new Peer()
    control.handleInvite(peer.offer(DIALOG))
    // Opened without its key: that never happens, which is why it must not end the process.
    media.open = () => Promise.reject(new Error('broken'))
    const other = new Peer()
    control.handleInvite(other.offer(asDialogId('dialog-2')))
    await settled()
    expect(other.answers).toEqual(['500'])
    expect(control.live).toHaveLength(1)
    control.handleSealed(idOf(), KEY)
    media.opened[0]?.answer(PORTS)
    await settled()
    expect(peer.answers[0]).toMatch(/^200/)
  })
})

describe('CANCEL while the ports are being bound', () => {
  it.each(['cancelled', 'refused', 'bye'] as const)('(%s) gives them back and keeps nothing', async (cause) => {
    const peer = new Peer()
    control.handleInvite(peer.offer(DIALOG))
    control.handleSealed(idOf(), KEY)
    control.handleEnded(DIALOG, ended(cause))
    expect(control.live).toEqual([])
    media.opened[0]?.answer(PORTS)
    await settled()
    expect(media.calls).toEqual(['open', 'abandon'])
    expect(custodyCalls).toEqual([])
    expect(peer.answers).toEqual([])
    expect(await gauge()).toBe(0)
  })

  it('that came too late for the ports needs nothing given back', async () => {
    control.handleInvite(new Peer().offer(DIALOG))
    control.handleEnded(DIALOG, ended('cancelled'))
    media.opened[0]?.answer({ ok: false, reason: 'portsExhausted', detail: '' })
    await settled()
    expect(media.calls).toEqual(['open'])
  })
})

describe('a re-INVITE', () => {
  it('is answered with all ports, and a higher version of the answer', async () => {
    const peer = await establish()
    const again = new Peer()
    control.handleReinvite(again.offer(DIALOG))
    media.updated[0]?.answer(PORTS)
    await settled()
    const version = (answer = ''): string | undefined => /^o=- \d+ (\d+)/m.exec(answer)?.[1]
    expect([version(peer.answers[0]), version(again.answers[0])]).toEqual(['1', '2'])
  })

  it('that finds no port is refused, and the recording goes on', async () => {
    await establish()
    const again = new Peer()
    control.handleReinvite(again.offer(DIALOG))
    media.updated[0]?.answer({ ok: false, reason: 'portsExhausted', detail: '' })
    await settled()
    expect(again.answers).toEqual([expect.stringMatching(/^503 Retry-After/)])
    expect(control.live[0]?.state).toBe('recording')
  })

  it('that loses against a BYE is not answered with ports', async () => {
    await establish()
    const again = new Peer()
    control.handleReinvite(again.offer(DIALOG))
    control.handleEnded(DIALOG, ended('bye'))
    media.updated[0]?.answer(PORTS)
    await settled()
    expect(again.answers).toEqual(['481'])
    expect(media.calls).toEqual(['open', 'update', 'end bye'])
  })

  it('of a dialog that is not known, or closing, is refused with 481', async () => {
    const stranger = new Peer()
    control.handleReinvite(stranger.offer(DIALOG))
    await establish()
    control.handleEnded(DIALOG, ended('bye'))
    const late = new Peer()
    control.handleReinvite(late.offer(DIALOG))
    expect([...stranger.answers, ...late.answers]).toEqual(['481', '481'])
  })

  it('for which something here breaks ends its own recording session with BYE', async () => {
    await establish()
    media.update = () => Promise.reject(new Error('broken'))
    const again = new Peer()
    control.handleReinvite(again.offer(DIALOG))
    await settled()
    expect(again.answers).toEqual(['500'])
    expect(media.calls).toEqual(['open', 'end recorderFailed'])
    expect(byes).toEqual(['Recorder failed'])
  })
})

describe('the end', () => {
  it('by BYE ends the recording, and forgets it when its manifest is stored', async () => {
    await establish()
    control.handleEnded(DIALOG, ended('bye'))
    expect(media.calls).toEqual(['open', 'end bye'])
    expect(control.live[0]?.state).toBe('closing')
    control.handleManifest(idOf(), manifest('bye'))
    await control.whenIdle()
    expect(custodyCalls).toEqual(['opened', 'close bye'])
    expect(await gauge()).toBe(0)
  })

  it('comes once, whatever is told afterwards', async () => {
    await establish()
    control.handleEnded(DIALOG, ended('bye'))
    control.handleEnded(DIALOG, ended('bye'))
    control.handleFailed(idOf())
    control.handleReport(0, report(60_000))
    expect(media.calls).toEqual(['open', 'end bye'])
    expect(byes).toEqual([])
  })

  it('keeps the metadata that came in the BYE', async () => {
    await establish()
    control.handleEnded(DIALOG, ended('bye', { contentType: 'application/rs-metadata+xml', body: bytesOf('<<<') }))
    expect(media.calls).toEqual(['open', 'metadata', 'end bye'])
    expect(new TextDecoder().decode(media.metadataSeen[0]?.raw)).toBe('<<<')
  })

  it('passes over a body of the BYE that is no metadata', async () => {
    await establish()
    control.handleEnded(DIALOG, ended('bye', { contentType: 'text/plain', body: bytesOf('bye') }))
    expect(media.calls).toEqual(['open', 'end bye'])
  })

  it('is one even when the whole manifest cannot be made: then it says less', async () => {
    await establish()
    const failures = [new TypeError('not of format 1')]
    closing = () => {
      const failure = failures.shift()
      return failure === undefined ? Promise.resolve() : Promise.reject(failure)
    }
    control.handleEnded(DIALOG, ended('bye'))
    control.handleManifest(idOf(), manifest('bye'))
    await control.whenIdle()
    expect(custodyCalls).toEqual(['opened', 'close bye', 'interrupted'])
    expect(await gauge()).toBe(0)
  })

  it('is one even when the manifest cannot be stored: the next start has it', async () => {
    await establish()
    closing = () => Promise.reject(new Error('no store'))
    control.handleEnded(DIALOG, ended('bye'))
    control.handleManifest(idOf(), manifest('bye'))
    await control.whenIdle()
    expect(log.join()).toContain('the manifest could not be stored')
    expect(await gauge()).toBe(0)
  })
})

describe('no media', () => {
  it('for the configured time ends the recording session with BYE, and by that cause', async () => {
    await establish()
    control.handleReport(0, report(4_999))
    expect(byes).toEqual([])
    control.handleReport(0, report(5_000))
    expect(byes).toEqual(['No media'])
    expect(media.calls).toEqual(['open', 'end mediaTimeout'])
  })

  it('is expected on hold', async () => {
    await establish()
    control.handleReport(0, report(60_000, true))
    expect(byes).toEqual([])
  })

  it('does not matter when no time is configured', async () => {
    make({ mediaTimeoutMs: 0 })
    await establish()
    control.handleReport(0, report(1_000_000))
    expect(byes).toEqual([])
  })
})

describe('a store that takes nothing for too long', () => {
  it('ends the recording sessions, so that what is sealed already has room', async () => {
    await establish()
    isOverfull = true
    control.handleReport(0, report(0))
    expect(byes).toEqual(['Storage is full'])
    expect(media.calls).toEqual(['open', 'end storageFull'])
  })
})

describe('a worker that is lost', () => {
  it('takes its recordings to an interrupted end, and the peers get BYE', async () => {
    await establish()
    control.handleWorkerLost([idOf()])
    await control.whenIdle()
    expect(byes).toEqual(['Recorder failed'])
    expect(custodyCalls).toEqual(['opened', 'interrupted'])
    expect(media.calls).toEqual(['open'])
    expect(await gauge()).toBe(0)
  })

  it('while a recording is being opened has it refused', async () => {
    const peer = new Peer()
    control.handleInvite(peer.offer(DIALOG))
    control.handleWorkerLost([idOf()])
    media.opened[0]?.answer({ ok: false, reason: 'failed', detail: 'the media worker died' })
    await settled()
    expect(peer.answers).toEqual([expect.stringMatching(/^503 Retry-After/)])
    expect(control.live).toEqual([])
    expect(custodyCalls).toEqual([])
  })
  it('after the BYE still leads to a manifest', async () => {
    await establish()
    control.handleEnded(DIALOG, ended('bye'))
    control.handleWorkerLost([idOf()])
    await control.whenIdle()
    expect(custodyCalls).toEqual(['opened', 'interrupted'])
  })

  it('may have had recordings that are not known any more', () => {
    control.handleWorkerLost([liveRecording(9).facts.recordingId])
    expect(custodyCalls).toEqual([])
  })
})

describe('a recorder that fails inside', () => {
  it('ends that recording session with BYE', async () => {
    await establish()
    control.handleFailed(idOf())
    expect(byes).toEqual(['Recorder failed'])
    expect(media.calls).toEqual(['open', 'end recorderFailed'])
  })

  it('is not made worse by a BYE that cannot be sent', async () => {
    await establish()
    bye = () => Promise.reject(new Error('no socket'))
    control.handleFailed(idOf())
    await settled()
    expect(log.join()).toContain('no socket')
    expect(media.calls).toEqual(['open', 'end recorderFailed'])
  })
})

describe('shutting down', () => {
  it('ends what is recorded with BYE, by that cause, and waits for the manifests', async () => {
    await establish()
    const done = control.endAll('drain')
    expect(media.calls).toEqual(['open', 'end drain'])
    expect(byes).toEqual(['Recorder is shutting down'])
    control.handleManifest(idOf(), manifest('drain'))
    await done
    expect(custodyCalls).toEqual(['opened', 'close drain'])
  })

  it('refuses what was still being opened', async () => {
    const peer = new Peer()
    control.handleInvite(peer.offer(DIALOG))
    control.handleSealed(idOf(), KEY)
    const done = control.endAll('drain')
    media.opened[0]?.answer(PORTS)
    await done
    expect(media.calls).toEqual(['open', 'abandon'])
    expect(peer.answers).toEqual([expect.stringMatching(/^503 Retry-After/)])
  })

  it('is done at once when nothing is recorded', async () => {
    await control.endAll('drain')
    expect(control.live).toEqual([])
  })
})

describe('OPTIONS', () => {
  it('says what the health says', () => {
    expect(control.optionsStatus()).toEqual({ status: 200 })
    isReady = false
    expect(control.optionsStatus()).toMatchObject({ status: 503, retryAfterSeconds: 5 })
  })
})

describe('what a worker hands over', () => {
  it('goes into custody while the recording is known, and nowhere afterwards', async () => {
    await establish()
    const chunk: SealedObject = { kind: 'chunk', name: 'chunk-000000.age', bytes: bytesOf('sealed') }
    control.handleSealed(idOf(), chunk)
    control.handleIncident(idOf(), { code: 'one-way', at: '2026-11-23T09:00:00.000Z', detail: 'One side only.' })
    expect(custodyCalls).toEqual(['opened', 'chunk-000000.age', 'one-way'])
    control.handleEnded(DIALOG, ended('bye'))
    control.handleManifest(idOf(), manifest('bye'))
    await control.whenIdle()
    control.handleSealed(idOf(), chunk)
    control.handleManifest(idOf(), manifest('bye'))
    expect(custodyCalls).toEqual(['opened', 'chunk-000000.age', 'one-way', 'close bye'])
  })
})
