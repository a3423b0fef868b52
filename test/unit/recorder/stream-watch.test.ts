import { describe, expect, test } from 'vitest'

import { StreamWatch, type AlertThresholds, type StreamSight } from '../../../src/recorder/stream-watch.ts'

const SECOND = 1_000_000
const ALERTS: AlertThresholds = {
  zeroPacketsUs: 4 * SECOND,
  oneWayUs: 3 * SECOND,
  stoppedUs: 5 * SECOND,
  silentUs: 30 * SECOND,
  silentLevelDbov: -70,
}

/** Looks at a stream five times a second of virtual time, as the recorder does. */
class Watched {
  readonly seen: string[] = []
  readonly watch: StreamWatch
  #nowUs = 0

  constructor(alerts: Partial<AlertThresholds> = {}) {
    this.watch = new StreamWatch({ ...ALERTS, ...alerts }, (flag, isRaised) => {
      this.seen.push(`${isRaised ? '+' : '-'}${flag} ${this.#nowUs / SECOND}`)
    })
  }

  /** @param sightAt the stream at an instant */
  run(toSecond: number, sightAt: (nowUs: number) => Partial<StreamSight>, otherSendsSinceUs?: number): void {
    while (this.#nowUs < toSecond * SECOND) {
      const sight = { isAwaited: true, lastArrivalUs: undefined, measuredUs: undefined, loudUs: undefined }
      const now = { ...sight, ...sightAt(this.#nowUs) }
      this.watch.see(now, this.#nowUs)
      this.watch.judge(now, this.#nowUs, otherSendsSinceUs)
      this.#nowUs += SECOND / 5
    }
  }
}

const nothing = (): Partial<StreamSight> => ({})
const speech = (nowUs: number): Partial<StreamSight> => ({
  lastArrivalUs: nowUs,
  measuredUs: nowUs - 600_000,
  loudUs: nowUs - 600_000,
})
const silence = (nowUs: number): Partial<StreamSight> => ({ lastArrivalUs: nowUs, measuredUs: nowUs - 600_000 })

describe('a stream without packets', () => {
  test('is flagged after its threshold, and cleared by its first packet', () => {
    const watched = new Watched()
    watched.run(6, nothing)
    expect(watched.seen).toEqual(['+zeroPackets 4'])
    watched.run(7, speech)
    expect(watched.seen).toEqual(['+zeroPackets 4', '-zeroPackets 6'])
    expect([...watched.watch.raised]).toEqual([])
  })

  test('is one-way when another one sends', () => {
    const watched = new Watched()
    watched.run(3.5, nothing, SECOND / 5)
    expect(watched.seen).toEqual(['+oneWay 3.2'])
  })

  test('is not one-way before the other one has sent for as long', () => {
    const watched = new Watched({ zeroPacketsUs: 0 })
    watched.run(9, nothing, 7 * SECOND)
    expect(watched.seen).toEqual([])
    watched.run(11, nothing, 7 * SECOND)
    expect(watched.seen).toEqual(['+oneWay 10'])
  })

  test('stays one-way while the other one is quiet, until a packet comes', () => {
    const watched = new Watched({ zeroPacketsUs: 0 })
    watched.run(4, nothing, 0)
    watched.run(6, nothing)
    watched.run(7, speech)
    expect(watched.seen).toEqual(['+oneWay 3', '-oneWay 6'])
  })

  test('has no flag while it is held, and is given all its time anew', () => {
    const watched = new Watched()
    watched.run(5, nothing, 0)
    watched.run(20, () => ({ isAwaited: false }), 0)
    watched.run(24.1, nothing, 0)
    expect(watched.seen).toEqual([
      ...['+oneWay 3', '+zeroPackets 4', '-zeroPackets 5', '-oneWay 5'],
      ...['+oneWay 23', '+zeroPackets 24'],
    ])
  })
})

describe('a stream whose packets stop', () => {
  test('is flagged as stopped, not as one that never had any', () => {
    const watched = new Watched()
    watched.run(10, speech)
    watched.run(16, () => ({ lastArrivalUs: 10 * SECOND }))
    watched.run(17, speech)
    expect(watched.seen).toEqual(['+stopped 15', '-stopped 16'])
  })

  test('and that does not go on after a hold, is one-way when the other does', () => {
    const watched = new Watched()
    watched.run(5, speech, 0)
    watched.run(10, () => ({ isAwaited: false, lastArrivalUs: 5 * SECOND }), 0)
    watched.run(16, () => ({ lastArrivalUs: 5 * SECOND }), 0)
    expect(watched.seen).toEqual(['+oneWay 13', '+stopped 15'])
  })
})

describe('a stream with nothing in it', () => {
  test('is flagged after its threshold of audio, and cleared by the first sound', () => {
    const watched = new Watched()
    watched.run(31, silence)
    expect(watched.seen).toEqual(['+silent 30.6'])
    watched.run(32, speech)
    expect(watched.seen).toEqual(['+silent 30.6', '-silent 31'])
  })

  test('counts from its last sound', () => {
    const watched = new Watched()
    watched.run(10, speech)
    watched.run(39.9, (nowUs) => ({ ...silence(nowUs), loudUs: 10 * SECOND }))
    expect(watched.seen).toEqual([])
    watched.run(41, (nowUs) => ({ ...silence(nowUs), loudUs: 10 * SECOND }))
    expect(watched.seen).toEqual(['+silent 40.6'])
  })

  test('is stopped rather than silent when its packets stop too', () => {
    const watched = new Watched()
    watched.run(31, silence)
    watched.run(37, (nowUs) => ({ lastArrivalUs: 31 * SECOND, measuredUs: nowUs }))
    expect(watched.seen).toEqual(['+silent 30.6', '-silent 32.2', '+stopped 36'])
  })

  test('is not called silent when its audio is not decoded', () => {
    const watched = new Watched()
    watched.run(60, (nowUs) => ({ lastArrivalUs: nowUs }))
    expect(watched.seen).toEqual([])
  })
})

test('a threshold of 0 is never', () => {
  const watched = new Watched({ zeroPacketsUs: 0, oneWayUs: 0, stoppedUs: 0, silentUs: 0 })
  watched.run(60, nothing, 0)
  watched.run(120, silence, 0)
  watched.run(180, () => ({ lastArrivalUs: 120 * SECOND }), 0)
  expect(watched.seen).toEqual([])
})
