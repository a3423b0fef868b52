import { describe, expect, it } from 'vitest'

import type { StreamId } from '../../../src/ids.ts'
import { PauseList, PAUSES_MAX } from '../../../src/recorder/pause-list.ts'
import { RecordingClock } from '../../../src/recorder/recording-clock.ts'

function clockOf(): RecordingClock {
  const clock = new RecordingClock({ openedUs: 0, openedAtUnixMs: 0 }, 48_000)
  clock.fixOrigin(1_000_000)
  return clock
}

describe('PauseList', () => {
  it('places pauses between the beginning and the end of the recording, in the order in which they began', () => {
    const pauses = new PauseList()
    pauses.set(true, { by: 'api', atUs: 2_000_000 })
    pauses.set(true, { by: 'src', via: 'UPDATE', atUs: 500_000 })
    pauses.set(false, { by: 'api', atUs: 9_000_000 })
    expect(pauses.entries(clockOf(), 96_000)).toEqual([
      { by: 'src', via: 'UPDATE', from: '1970-01-01T00:00:00.500Z', fromSample: 0 },
      {
        ...{ by: 'api', from: '1970-01-01T00:00:02.000Z', fromSample: 48_000 },
        ...{ to: '1970-01-01T00:00:09.000Z', toSample: 96_000 },
      },
    ])
  })

  it('never lets a pause end before it began', () => {
    const pauses = new PauseList()
    pauses.set(true, { by: 'api', atUs: 2_000_000 })
    pauses.set(false, { by: 'api', atUs: 1_500_000 })
    expect(pauses.entries(clockOf(), 96_000)).toMatchObject([{ fromSample: 48_000, toSample: 48_000 }])
  })

  it('tells one stream from another when as many are paused as before', () => {
    const pauses = new PauseList()
    expect(pauses.setStreams(['0' as StreamId], 1_000_000)?.code).toBe('paused')
    expect(pauses.setStreams(['1' as StreamId], 2_000_000)).toBeUndefined()
    expect(pauses.setStreams([], 3_000_000)?.code).toBe('resumed')
    expect(pauses.entries(clockOf(), 480_000)).toMatchObject([
      { streamId: '0', fromSample: 0, toSample: 48_000 },
      { streamId: '1', fromSample: 48_000, toSample: 96_000 },
    ])
    expect(pauses.isPaused).toBe(false)
  })

  it('lists so many, counts the rest, and keeps them all the same', () => {
    const pauses = new PauseList()
    for (let count = 0; count <= PAUSES_MAX; count++) {
      pauses.set(true, { by: 'api', atUs: count })
      expect(pauses.isPaused).toBe(true)
      pauses.set(false, { by: 'api', atUs: count })
    }
    expect(pauses.entries(clockOf(), 0)).toHaveLength(PAUSES_MAX)
    expect(pauses.unlisted).toBe(1)
  })
})
