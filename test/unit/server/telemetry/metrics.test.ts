import { describe, expect, test } from 'vitest'

import { TotalFollower } from '../../../../src/server/telemetry/bounded-metrics.ts'
import { createMetrics, createRegistry } from '../../../../src/server/telemetry/metrics.ts'

function recorder() {
  const registry = createRegistry()
  return { registry, metrics: createMetrics(registry, { sources: ['sbc-east'], version: '0.1.0' }) }
}

/** Names the design promises for the parts that exist, without the prefix. */
const PROMISED = [
  'recording_sessions',
  'recording_sessions_total',
  'sip_requests_total',
  'invite_response_seconds',
  'metadata_rejected_total',
  'rtp_packets_received_total',
  'rtp_packets_lost_total',
  'rtp_packets_discarded_total',
  'rtp_interarrival_jitter_seconds',
  'srtp_failures_total',
  'media_gap_seconds_total',
  'one_way_sessions_total',
  'zero_packet_streams_total',
  'rtp_ports_used',
  'encoder_frame_seconds',
  'worker_queue_depth',
  'event_loop_lag_seconds',
  'chunk_upload_seconds',
  'upload_backlog_bytes',
  'oldest_unuploaded_chunk_timestamp_seconds',
  'incidents_total',
  'build_info',
]

describe('the metrics of the recorder', () => {
  test.each(PROMISED)('earwitness_%s exists', async (name) => {
    const text = await recorder().registry.metrics()
    expect(text).toContain(`# HELP earwitness_${name} `)
  })

  test('every metric has the prefix, a help text with a full stop or clause, and a suffix that fits its kind', async () => {
    const all = await recorder().registry.getMetricsAsJSON()
    for (const metric of all) {
      expect(metric.name).toMatch(/^earwitness_[a-z_]+$/)
      expect(metric.help.length).toBeGreaterThan(10)
      expect(metric.name.endsWith('_total'), metric.name).toBe(String(metric.type) === 'counter')
    }
  })

  test('a source that is not configured is counted as "other", however many there are', async () => {
    const { registry, metrics } = recorder()
    for (let index = 0; index < 1_000; index++) {
      metrics.recordingSessionsTotal.inc({ src: `stranger-${index}`, outcome: 'bye' })
    }
    metrics.recordingSessionsTotal.inc({ src: 'sbc-east', outcome: 'bye' })
    const text = await registry.metrics()
    expect(text).toContain('earwitness_recording_sessions_total{src="other",outcome="bye"} 1000')
    expect(text).toContain('earwitness_recording_sessions_total{src="sbc-east",outcome="bye"} 1')
    expect(text).not.toContain('stranger')
  })

  test('SIP methods and codes that a stranger invents grow nothing', async () => {
    const { registry, metrics } = recorder()
    for (let index = 0; index < 1_000; index++)
      metrics.sipRequestsTotal.inc({ method: `M${index}`, code: String(index * 7_000) })
    const lines = (await registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith('earwitness_sip_requests_total{'))
    expect(lines).toEqual(['earwitness_sip_requests_total{method="other",code="other"} 1000'])
  })

  test('gauges of several sources under one label add up', async () => {
    const { registry, metrics } = recorder()
    metrics.recordingSessions.add({ src: 'a', state: 'recording' }, 1)
    metrics.recordingSessions.add({ src: 'b', state: 'recording' }, 1)
    metrics.recordingSessions.add({ src: 'a', state: 'recording' }, -1)
    expect(await registry.metrics()).toContain('earwitness_recording_sessions{src="other",state="recording"} 1')
  })

  test('encoder time is a summary fed with whole batches', async () => {
    const { registry, metrics } = recorder()
    metrics.encoderFrameSeconds.add(0.25, 500)
    metrics.encoderFrameSeconds.add(0.5, 500)
    const text = await registry.metrics()
    expect(text).toContain('# TYPE earwitness_encoder_frame_seconds summary')
    expect(text).toContain('earwitness_encoder_frame_seconds_sum 0.75')
    expect(text).toContain('earwitness_encoder_frame_seconds_count 1000')
  })

  test('build_info says which version runs on which Node', async () => {
    const text = await recorder().registry.metrics()
    expect(text).toContain(`earwitness_build_info{version="0.1.0",node="${process.versions.node}"} 1`)
  })

  test('two recorders in one process do not share a number', async () => {
    const first = recorder()
    const second = recorder()
    first.metrics.rtpPacketsReceivedTotal.inc(5)
    expect(await second.registry.metrics()).toContain('earwitness_rtp_packets_received_total 0')
  })
})

describe('sums reported by workers', () => {
  test('become steps, and a restarted worker counts from zero', () => {
    const follower = new TotalFollower()
    expect([10, 15, 15, 3].map((total) => follower.step('worker 0', total))).toEqual([10, 5, 0, 3])
  })

  test('of several workers do not mix', () => {
    const follower = new TotalFollower()
    follower.step('worker 0', 100)
    expect(follower.step('worker 1', 7)).toBe(7)
    expect(follower.step('worker 0', 101)).toBe(1)
  })
})
