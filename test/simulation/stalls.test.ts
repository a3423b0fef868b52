import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { generateIdentity } from '../../src/evidence/age-keys.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { NARROWBAND_FORMATS, NO_ALERTS } from '../support/recording-rig.ts'
import { asRecordingId, asRsId, asStreamId } from '../../src/ids.ts'
import { serializeRtp } from '../../src/protocol/rtp/packet.ts'
import type { OpusEncoder } from '../../src/recorder/opus-encoder.ts'
import { RecordingSession } from '../../src/recorder/recording-session.ts'
import type { MediaStreamPlan } from '../../src/recorder/recording-types.ts'
import { createOpusEngine } from '../../src/server/media/opus-engine.ts'
import { lend } from '../support/lent-memory.ts'

/**
 * A thread that is not scheduled for seconds finds the packets of that time in its sockets, all at once. In virtual time: the
 * packets wait, each turn of the event loop reads 32 of every socket, and not one of them may be lost or misplaced.
 */
const OPENED_US = 1_000_000_000
const PACKET_US = 20_000
const TURN_US = 5_000
const DATAGRAMS_PER_TURN = 32
const LABELS = ['1', '2']

interface Stall {
  readonly atSeconds: number
  readonly seconds: number
}

/** Around what is taken for a stall, beginning anywhere between two commits. */
const SHORT_STALLS = [0.7, 0.8, 0.85, 0.9, 0.95, 1].flatMap((seconds) =>
  [100, 200].map((wakeMs) => ({
    ...{ seconds: 40, wakeMs },
    stalls: [0, 1, 2, 3, 4, 5].map((turn) => ({ atSeconds: 4.01 + turn * 5.09, seconds })),
  })),
)

/** Away between reading and working on it. */
const AWAY = [600, 750, 1_500].flatMap((ms) =>
  [3, 4, 7].map((everyWakes) => ({ seconds: 30, wakeMs: 100, away: { ms, everyWakes } })),
)

/** Late, and away once more before it reads: what comes then is as old as both together. */
const LATE_TWICE = [0.5, 0.6, 0.7, 0.8].flatMap((seconds) =>
  [200, 300, 600].map((beforeReadMs) => ({
    ...{ seconds: 40, wakeMs: 100, beforeReadMs },
    stalls: [0, 1, 2, 3, 4, 5].map((turn) => ({ atSeconds: 4.01 + turn * 5.09, seconds })),
  })),
)

const engine = createOpusEngine('libopus-wasm', { sampleRate: 8_000, bitsPerSecond: 16_000, complexity: 0 })
let stock: OpusEncoder[]

beforeAll(async () => {
  stock = []
  for (let made = 0; made < 2 * (10 + SHORT_STALLS.length + AWAY.length + LATE_TWICE.length); made += 1)
    stock.push(await engine.createEncoder())
})

afterAll(() => {
  for (const encoder of stock) encoder.free()
})

/** Bytes that look random and are the same in every run. */
function countedBytes(): (length: number) => Uint8Array {
  let count = 0
  return (length) => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      count += 1
      bytes.set(
        createHash('sha256')
          .update(String(count))
          .digest()
          .subarray(0, length - at),
        at,
      )
    }
    return bytes
  }
}

function plan(index: number): MediaStreamPlan {
  const label = LABELS[index] ?? ''
  return {
    streamId: asStreamId(String(index)),
    streamLabel: label,
    payloadTypes: NARROWBAND_FORMATS,
    held: false,
    paused: false,
    keys: undefined,
    line: { label, index, labels: LABELS },
  }
}

function openSession(): RecordingSession {
  const randomBytes = countedBytes()
  return new RecordingSession({
    facts: {
      recordingId: asRecordingId('01990000-0000-7000-8000-000000000000'),
      rsId: asRsId('01990000-0000-7000-8000-000000000001'),
      tenant: 'default',
      src: 'other',
      sipCallIdSha256: '0'.repeat(64),
      layout: 'separate',
      silenceGateDbov: -66,
      dtmf: 'discard',
      chunkUs: 5_000_000,
      conceals: true,
      openedUs: OPENED_US,
      openedAtUnixMs: 1_700_000_000_000,
      vaultRecipients: [generateIdentity(randomBytes).recipient],
      software: { name: 'earwitness', version: '0.0.0' },
    },
    streams: [plan(0), plan(1)],
    randomBytes,
    takeEncoder: () => {
      const encoder = stock.pop()
      if (encoder === undefined) throw new Error('not enough encoders were made')
      return encoder
    },
    sink: { handleSealed: () => {}, handleIncident: () => {}, handleFlag: () => {} },
    alerts: NO_ALERTS,
  })
}

function datagram(stream: number, number: number): Uint8Array {
  return serializeRtp({
    payloadType: 0,
    marker: false,
    sequenceNumber: number & 0xffff,
    timestamp: (number * 160) >>> 0,
    ssrc: 7 + stream,
    payload: new Uint8Array(160).fill(0x55),
  })
}

/** Two streams for `seconds`, a wake every `wakeMs`, and nothing at all during the stalls; behind them the thread is away once more before it reads, and every so many wakes between reading and working on it. */
function record(options: {
  readonly seconds: number
  readonly wakeMs?: number
  readonly stalls?: readonly Stall[]
  readonly beforeReadMs?: number
  readonly away?: { readonly ms: number; readonly everyWakes: number }
}): ManifestBody {
  const { seconds, wakeMs = 200, stalls = [], beforeReadMs = 0, away } = options
  const recordingSession = openSession()
  const waiting: [number[], number[]] = [[], []]
  let sent = 0
  let nextWakeUs = OPENED_US
  let wakes = 0
  let isLate = false
  const endUs = OPENED_US + seconds * 1_000_000
  for (let nowUs = OPENED_US; nowUs < endUs; nowUs += TURN_US) {
    const second = (nowUs - OPENED_US) / 1_000_000
    if (stalls.some((stall) => second >= stall.atSeconds && second < stall.atSeconds + stall.seconds)) {
      isLate = true
      continue
    }
    const readUs = nowUs
    if (isLate) nowUs += beforeReadMs * 1_000
    isLate = false
    for (; OPENED_US + sent * PACKET_US <= nowUs; sent += 1) for (const socket of waiting) socket.push(sent)
    waiting.forEach((socket, stream) => {
      for (const number of socket.splice(0, DATAGRAMS_PER_TURN)) {
        lend(datagram(stream, number), (lent) =>
          recordingSession.handleDatagram(asStreamId(String(stream)), lent, nowUs),
        )
      }
    })
    if (readUs < nextWakeUs) continue
    wakes += 1
    if (away !== undefined && wakes % away.everyWakes === 0 && second < seconds - 2) nowUs += away.ms * 1_000
    recordingSession.handleTimeout(readUs, nowUs)
    nextWakeUs = nowUs + wakeMs * 1_000
  }
  return recordingSession.end(endUs, 'bye')
}

describe('a thread that is not scheduled loses no audio', () => {
  test.each([
    { seconds: 20, stalls: [] },
    { seconds: 30, stalls: [{ atSeconds: 10, seconds: 3 }] },
    { seconds: 40, stalls: [{ atSeconds: 20, seconds: 8 }] },
    { seconds: 60, stalls: [{ atSeconds: 20, seconds: 18 }] },
    { seconds: 20, stalls: [{ atSeconds: 0.1, seconds: 3 }] },
    { seconds: 20, stalls: [{ atSeconds: 13, seconds: 6 }] },
    {
      seconds: 40,
      stalls: [
        { atSeconds: 10, seconds: 0.95 },
        { atSeconds: 11.1, seconds: 6 },
        ...[20, 21.1, 22.2, 23.3].map((atSeconds) => ({ atSeconds, seconds: 0.95 })),
        { atSeconds: 24.4, seconds: 6 },
      ],
    },
    { seconds: 40, wakeMs: 450 },
    { seconds: 40, wakeMs: 900 },
    { seconds: 60, wakeMs: 1_200 },
    ...SHORT_STALLS,
    ...AWAY,
    ...LATE_TWICE,
  ])('%j', (options) => {
    const manifest = record(options)
    expect(manifest.incidents).toEqual([])
    expect(manifest.durationSamples).toBe(options.seconds * 48_000)
    for (const { packets, ledger } of manifest.streams) {
      expect(packets).toEqual({
        expected: options.seconds * 50,
        ...{ received: options.seconds * 50, lost: 0, late: 0, duplicate: 0, discarded: 0 },
      })
      expect(ledger).toEqual({
        audioSamples: options.seconds * 48_000,
        gapSamples: { lost: 0, silence: 0, held: 0, noMedia: 0 },
        unlistedGapSamples: 0,
        concealedSamples: 0,
        silentSamples: 0,
      })
    }
  })
})
