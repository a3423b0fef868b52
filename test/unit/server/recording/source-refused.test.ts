import { beforeEach, describe, expect, it } from 'vitest'

import { RecordingEvents } from '../../../../src/server/recording/recording-events.ts'
import { SOURCE_REFUSALS } from '../../../../src/server/recording/source-refusals.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'
import { createMetrics, createRegistry } from '../../../../src/server/telemetry/metrics.ts'

let lines: Record<string, unknown>[]
let registry: ReturnType<typeof createRegistry>
let events: RecordingEvents

beforeEach(() => {
  lines = []
  registry = createRegistry()
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
  events = new RecordingEvents({
    publish: () => {},
    log: createLogger({ level: 'info', destination }),
    metrics: createMetrics(registry, { sources: ['sbc'], version: '0.0.0' }),
  })
})

describe('an INVITE of a source that is not recorded', () => {
  it('is logged at info with the source and the reason, and nothing else that varies', () => {
    events.sourceRefused('policy', 'sbc', 0)
    expect(lines).toMatchObject([{ level: 'info', src: 'sbc', reason: 'policy' }])
    expect(Object.keys(lines[0]!).toSorted()).toEqual(['level', 'msg', 'reason', 'src', 'time'])
  })

  it('is counted each time, and logged once a second', async () => {
    for (const ms of [0, 1, 999, 1_000, 1_001]) events.sourceRefused('unknown', 'other', ms * 1_000)
    expect(lines).toHaveLength(2)
    const text = await registry.metrics()
    expect(text).toContain('earwitness_recording_sessions_total{src="other",outcome="source-unknown"} 5')
  })

  it.each(Object.entries(SOURCE_REFUSALS))(
    'by %s is told what to look at, as a Warning (RFC 3261 20.43)',
    (_, value) => {
      expect(value).toMatch(/^399 earwitness "[^"\\]+"$/)
    },
  )
})
