import { describe, expect, test } from 'vitest'
import {
  ADMISSION_REASONS,
  AdmissionController,
  type AdmissionState,
  CLOSING_MAX,
  OVERLOADED_US,
  PORT_PAIRS_LEAST,
  RECOVERED_US,
  type ThreadLoad,
} from '../../../src/server/admission.ts'

const SECOND = 1_000_000
const CALM: ThreadLoad = { busyShare: 0.3, lagMs: 2 }
const BUSY: ThreadLoad = { busyShare: 0.95, lagMs: 2 }
const LATE: ThreadLoad = { busyShare: 0.3, lagMs: 400 }
const HALFWAY: ThreadLoad = { busyShare: 0.8, lagMs: 2 }
const STATE: AdmissionState = {
  nowUs: 0,
  recordingSessions: 10,
  openedTotal: 0,
  closing: 0,
  isSignallingBehind: false,
  areOpeningsLate: false,
  portPairsFree: 100,
  isStorageFull: false,
}

function controller() {
  const admission = new AdmissionController({ recordingSessionsMax: 50, busyShareMax: 0.85, lagMsMax: 150 })
  let nowUs = 0
  return {
    reasons: (state: Partial<AdmissionState> = {}) =>
      ADMISSION_REASONS.filter((reason) => admission.isRefusing(reason, { ...STATE, ...state })),
    /** One measurement a second. */
    measure: (seconds: number, main: ThreadLoad, ...workers: readonly ThreadLoad[]) => {
      for (let count = 0; count < seconds; count += 1) {
        nowUs += SECOND
        admission.observe({ main, workers: workers.length === 0 ? [CALM] : workers }, nowUs)
      }
    },
  }
}

describe('what decides at once', () => {
  test.each<[string, Partial<AdmissionState>, readonly string[]]>([
    ['nothing', {}, []],
    ['one session less than the limit', { recordingSessions: 49 }, []],
    ['as many sessions as the limit', { recordingSessions: 50 }, ['capacity']],
    ['sessions that are over do not count as sessions', { recordingSessions: 49, closing: 4_000 }, []],
    ['too many that are over', { closing: CLOSING_MAX }, ['custody']],
    ['the last ports', { portPairsFree: PORT_PAIRS_LEAST }, []],
    ['hardly a port', { portPairsFree: PORT_PAIRS_LEAST - 1 }, ['rtp-ports']],
    ['the store is away', { isStorageFull: true }, ['storage']],
    ['messages wait before they are read', { isSignallingBehind: true }, ['sip-queue']],
    ['INVITEs wait too long', { areOpeningsLate: true }, ['openings']],
    ['several things', { isStorageFull: true, recordingSessions: 99 }, ['capacity', 'storage']],
  ])('%s', (_, state, expected) => {
    expect(controller().reasons(state)).toEqual(expected)
  })
})

describe('how busy the threads are decides when it lasts', () => {
  test.each<[string, readonly [ThreadLoad, ...ThreadLoad[]], readonly string[]]>([
    ['a busy main thread that is never late', [BUSY, CALM], []],
    ['a late main thread', [LATE, CALM], ['main-thread']],
    ['all workers busy', [CALM, BUSY, BUSY], ['media-workers']],
    ['one worker of two busy', [CALM, BUSY, CALM], []],
    ['one worker busy, the other late', [CALM, BUSY, LATE], []],
    ['all workers late', [CALM, LATE, LATE], ['media-workers']],
    ['both', [LATE, BUSY], ['main-thread', 'media-workers']],
    ['exactly the limit', [{ busyShare: 0.85, lagMs: 150 }, CALM], []],
  ])('%s', (_, [main, ...workers], expected) => {
    const { reasons, measure } = controller()
    measure(OVERLOADED_US / SECOND, main, ...workers)
    expect(reasons(), 'not yet').toEqual([])
    measure(1, main, ...workers)
    expect(reasons()).toEqual(expected)
  })

  test('a single stall, or one now and then, refuses nobody', () => {
    const { reasons, measure } = controller()
    for (let round = 0; round < 20; round += 1) {
      measure(2, { busyShare: 1, lagMs: 5_000 }, { busyShare: 1, lagMs: 5_000 })
      measure(1, CALM)
      expect(reasons()).toEqual([])
    }
  })

  test('once it refuses it goes on until the load is clearly less for a while: it does not flap at the limit', () => {
    const { reasons, measure } = controller()
    measure(OVERLOADED_US / SECOND + 1, CALM, BUSY)
    for (let round = 0; round < 10; round += 1) {
      measure(1, CALM, HALFWAY)
      measure(1, CALM)
      measure(1, CALM, BUSY)
      expect(reasons()).toEqual(['media-workers'])
    }
    measure(RECOVERED_US / SECOND, CALM)
    expect(reasons()).toEqual(['media-workers'])
    measure(1, CALM)
    expect(reasons()).toEqual([])
    measure(3, CALM, BUSY)
    expect(reasons(), 'and it takes as long again to refuse').toEqual([])
  })

  test('a recorder that has nothing to do refuses nobody, whatever it measures', () => {
    const { reasons, measure } = controller()
    measure(30, { busyShare: 1, lagMs: 9_000 }, { busyShare: 1, lagMs: 9_000 })
    expect(reasons({ recordingSessions: 0, isSignallingBehind: true })).toEqual([])
    expect(reasons({ recordingSessions: 1 })).toEqual(['main-thread', 'media-workers'])
    expect(reasons({ recordingSessions: 0, closing: 1 })).toEqual(['main-thread', 'media-workers'])
  })

  test('without a worker there is nothing to measure', () => {
    const admission = new AdmissionController({ recordingSessionsMax: 50, busyShareMax: 0.85, lagMsMax: 150 })
    for (let second = 0; second < 9; second += 1) admission.observe({ main: CALM, workers: [] }, second * SECOND)
    expect(admission.isRefusing('media-workers', STATE)).toBe(false)
  })
})
