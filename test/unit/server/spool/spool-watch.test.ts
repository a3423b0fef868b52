import { beforeEach, describe, expect, it } from 'vitest'

import type { SegmentLogReport } from '../../../../src/server/spool/segment-log.ts'
import { SpoolWatch } from '../../../../src/server/spool/spool-watch.ts'
import type { Spool } from '../../../../src/server/spool/spool.ts'
import { createLogger } from '../../../../src/server/telemetry/logger.ts'
import { createMetrics, createRegistry } from '../../../../src/server/telemetry/metrics.ts'

const FINE: SegmentLogReport = {
  ...{ framesWritten: 0, bytesWritten: 0, writeSeconds: 0, failures: 0, framesDropped: 0 },
  ...{ syncLagSeconds: 0, isFailing: false },
}

let spool: {
  freeBytes: number
  bytes: number
  refusal: Spool['refusal']
  uploads: { failures: number; refused: { count: number; bytes: number } }
  suspected: number
}
let custody: { journalOmissions: number }
let journal: { reserveBytes: number; refusals: number; closings: number; closingsLeft: number }
let registry: ReturnType<typeof createRegistry>
let logged: string[]
let watch: SpoolWatch

beforeEach(() => {
  spool = {
    freeBytes: 7_000,
    bytes: 300,
    refusal: undefined,
    uploads: { failures: 0, refused: { count: 2, bytes: 70 } },
    suspected: 0,
  }
  custody = { journalOmissions: 0 }
  journal = { reserveBytes: 0, refusals: 0, closings: 0, closingsLeft: 0 }
  registry = createRegistry()
  logged = []
  watch = new SpoolWatch({
    spool: Object.assign(spool, {
      measure: async () => {},
      suspect: () => {
        spool.suspected += 1
      },
    }) as unknown as ConstructorParameters<typeof SpoolWatch>[0]['spool'],
    ...{ custody, journal },
    metrics: createMetrics(registry, { sources: [], version: '0' }),
    log: createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } }),
  })
})

async function value(name: string): Promise<number> {
  const text = await registry.metrics()
  const line = text.split('\n').find((row) => row.startsWith(`earwitness_${name}`))
  return Number(line?.slice(line.lastIndexOf(' ') + 1))
}

/** Level and sentence of each line. */
function lines(): readonly string[] {
  return logged.map((line) => {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string }
    return `${level}: ${msg}`
  })
}

describe('the gauges of the spool', () => {
  it('say what is free and what is on disk', async () => {
    await watch.refresh()
    expect([await value('spool_free_bytes'), await value('spool_bytes')]).toEqual([7_000, 300])
    expect([await value('spool_refused_objects'), await value('spool_refused_bytes')]).toEqual([2, 70])
  })

  it('say how long frames waited for the disk since the last report, and the oldest for its sync', async () => {
    watch.frames(0, { ...FINE, framesWritten: 10, writeSeconds: 0.1 })
    expect(await value('spool_frame_write_seconds')).toBeCloseTo(0.01)
    watch.frames(0, { ...FINE, framesWritten: 12, writeSeconds: 0.2, syncLagSeconds: 3.5 })
    expect(await value('spool_frame_write_seconds')).toBeCloseTo(0.05)
    expect(await value('spool_sync_lag_seconds')).toBe(3.5)
    watch.frames(0, { ...FINE, framesWritten: 12, writeSeconds: 0.2 })
    expect(await value('spool_frame_write_seconds')).toBe(0)
  })

  it('count what the disk did not take, what was given up, and what the journal had no room for', async () => {
    watch.frames(0, { ...FINE, failures: 3, framesDropped: 5 })
    watch.frames(0, { ...FINE, failures: 4, framesDropped: 5 })
    spool.uploads.failures = 2
    custody.journalOmissions = 6
    Object.assign(journal, { reserveBytes: 400, refusals: 3, closings: 9, closingsLeft: 5 })
    await watch.refresh()
    await watch.refresh()
    expect(await value('spool_failures_total{kind="frames"}')).toBe(4)
    expect(await value('spool_failures_total{kind="objects"}')).toBe(2)
    expect(await value('spool_frames_dropped_total')).toBe(5)
    expect(await value('journal_omissions_total')).toBe(6)
    expect([await value('journal_reserve_bytes'), await value('journal_refusals_total')]).toEqual([400, 3])
    expect([await value('journal_closings '), await value('journal_closings_left_total')]).toEqual([9, 5])
  })
})

describe('the log of the spool', () => {
  it('has a line when nothing new is taken, and one when it is again; nothing in between', async () => {
    await watch.refresh()
    spool.refusal = 'disk'
    await watch.refresh()
    await watch.refresh()
    spool.refusal = undefined
    await watch.refresh()
    expect(lines()).toEqual([
      'error: the spool has no room, or its disk fails: no new recording session is taken',
      'info: the spool has room again',
    ])
    expect(JSON.parse(logged[0] ?? '')).toMatchObject({ reason: 'disk' })
  })

  it('has a line when the disk takes no frames of a worker, and one when it does again', () => {
    watch.frames(0, FINE)
    watch.frames(0, { ...FINE, isFailing: true })
    watch.frames(0, { ...FINE, isFailing: true })
    watch.frames(1, FINE)
    watch.frames(0, FINE)
    expect(lines()).toEqual([
      'error: the disk takes no frames: chunks are made shorter, so that audio is stored sooner',
      'info: the disk takes frames again',
    ])
  })
})

describe('a disk that did not take something', () => {
  it('is looked at, as frames alone would not say when it works again', async () => {
    watch.frames(0, FINE)
    await watch.refresh()
    expect(spool.suspected).toBe(0)
    watch.frames(0, { ...FINE, isFailing: true })
    expect(spool.suspected).toBe(1)
    spool.uploads.failures = 1
    await watch.refresh()
    await watch.refresh()
    expect(spool.suspected).toBe(2)
  })
})

it('asks a disk that does not answer only once', async () => {
  let asked = 0
  let answer = (): void => {}
  Object.assign(spool, {
    measure: () => {
      asked += 1
      return new Promise<void>((resolve) => {
        answer = resolve
      })
    },
  })
  const first = watch.refresh()
  await watch.refresh()
  expect(asked).toBe(1)
  answer()
  await first
  void watch.refresh()
  expect(asked).toBe(2)
})
