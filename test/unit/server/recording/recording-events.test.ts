import { expect, it } from 'vitest'

import type { WorkerReport } from '../../../../src/server/media/worker-messages.ts'
import { RecordingEvents } from '../../../../src/server/recording/recording-events.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'
import { createMetrics, createRegistry } from '../../../../src/server/telemetry/metrics.ts'

const report = (srtpFailures: WorkerReport['srtpFailures'], event = 0): WorkerReport => ({
  recordingSessions: 1,
  encodersInUse: 2,
  eventLoopLagSeconds: 0,
  load: { busyShare: 0, lagMs: 0 },
  jitterSecondsMax: 0,
  flaggedStreams: { zeroPackets: 0, oneWay: 0, stopped: 0, silent: 0 },
  quiet: [],
  packetsReceived: 0,
  packetsLost: 0,
  packetsDiscarded: {},
  srtpFailures,
  gatedFrames: 0,
  transcriptions: { told: 0, failed: 0, tooLate: 0, tooMany: 0, takenBack: 0 },
  socketOverflows: 3,
  opusUndecodedStreams: 0,
  dtmfDigits: { event, tone: 1 },
  rtcpReceived: {},
  rtcpDiscarded: {},
  rtcpSent: 0,
  alignmentRefusals: { disagreed: 0, tooFar: 0 },
  roundTripSecondsMax: 0,
  encodedFrames: 0,
  encodeSeconds: 0,
})

it('keys are counted by how they were known, of all workers together', async () => {
  const registry = createRegistry()
  const events = new RecordingEvents({
    log: createLogger({ level: 'error', destination: { write: () => {} } }),
    metrics: createMetrics(registry, { sources: [], version: '0.0.0' }),
    publish: () => {},
  })
  for (const worker of [0, 1]) events.workerReport(worker, report({}, 3))
  events.workerReport(0, report({}, 5))
  const text = await registry.metrics()
  expect(text).toContain('earwitness_dtmf_digits_total{via="event"} 8')
  expect(text).toContain('earwitness_dtmf_digits_total{via="tone"} 2')
})

it('refused alignments are a metric by reason, of all workers together', async () => {
  const registry = createRegistry()
  const events = new RecordingEvents({
    publish: () => {},
    log: createLogger({ level: 'error', destination: { write: () => {} } }),
    metrics: createMetrics(registry, { sources: [], version: '0.0.0' }),
  })
  for (const disagreed of [1, 4]) {
    events.workerReport(0, { ...report({}), alignmentRefusals: { disagreed, tooFar: 2 } })
  }
  events.workerReport(1, { ...report({}), alignmentRefusals: { disagreed: 0, tooFar: 1 } })
  const text = await registry.metrics()
  expect(text).toContain('earwitness_rtcp_alignment_refusals_total{reason="disagreed"} 4')
  expect(text).toContain('earwitness_rtcp_alignment_refusals_total{reason="tooFar"} 3')
})

it('failures of SRTP are a metric by reason, of all workers together', async () => {
  const registry = createRegistry()
  const events = new RecordingEvents({
    publish: () => {},
    log: createLogger({ level: 'error', destination: { write: () => {} } }),
    metrics: createMetrics(registry, { sources: [], version: '0.0.0' }),
  })
  for (const worker of [0, 1]) events.workerReport(worker, report({ authentication: 5, replay: 1 }))
  events.workerReport(0, report({ authentication: 7, replay: 1 }))
  const text = await registry.metrics()
  expect(text).toContain('earwitness_srtp_failures_total{reason="authentication"} 12')
  expect(text).toContain('earwitness_srtp_failures_total{reason="replay"} 2')
  expect(text).toContain('earwitness_rtp_socket_overflows_total 6')
})

it('steps of the complexity are a gauge, a counter and a line in the log', async () => {
  const registry = createRegistry()
  const lines: string[] = []
  const events = new RecordingEvents({
    log: createLogger({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
    metrics: createMetrics(registry, { sources: [], version: '0.0.0' }),
    publish: () => {},
  })
  const engine = 'libopus-wasm'
  for (const opus of [
    { engine, complexity: 5, stepsDown: 0, stepsUp: 0 },
    { engine, complexity: 3, stepsDown: 2, stepsUp: 0 },
    { engine, complexity: 3, stepsDown: 2, stepsUp: 0 },
    { engine, complexity: 4, stepsDown: 2, stepsUp: 1 },
  ] as const) {
    events.workerReport(1, { ...report({}), opus })
  }
  const text = await registry.metrics()
  expect(text).toContain('earwitness_opus_complexity{worker="1"} 4')
  expect(text).toContain('earwitness_opus_complexity_steps_total{direction="down"} 2')
  expect(text).toContain('earwitness_opus_complexity_steps_total{direction="up"} 1')
  expect(text).toContain('earwitness_opus_engine_info{engine="libopus-wasm"} 1')
  expect(lines.map((line) => (JSON.parse(line) as { complexity: number }).complexity)).toEqual([3, 4])
})

it('Opus that found no decoder is a metric and a line in the log, once for each stream', async () => {
  const registry = createRegistry()
  const lines: string[] = []
  const events = new RecordingEvents({
    log: createLogger({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
    metrics: createMetrics(registry, { sources: [], version: '0.0.0' }),
    publish: () => {},
  })
  for (const total of [0, 2, 2, 3]) events.workerReport(0, { ...report({}), opusUndecodedStreams: total })
  events.workerReport(1, { ...report({}), opusUndecodedStreams: 1 })
  expect(await registry.metrics()).toContain('earwitness_opus_undecoded_streams_total 4')
  const told = lines.map((line) => JSON.parse(line) as { worker: string; count: number })
  expect(told.map(({ worker, count }) => [worker, count])).toEqual([
    ['0', 2],
    ['0', 1],
    ['1', 1],
  ])
})
