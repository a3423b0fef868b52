import type { TalkPattern } from './conversation.ts'

/** One row as it was measured. */
export interface Result {
  readonly name: string
  readonly pattern: TalkPattern
  readonly sessions: number
  readonly cpuSecondsPerSessionHour: number
  readonly coresUsed: number
  /** Beyond the first session. */
  readonly memoryKbPerSession: number
  readonly packetsSent: number
  readonly packetsLost: number
  readonly senderLateMs: number
}

interface Ratio {
  readonly name: string
  readonly pattern: TalkPattern
  /** Of the CPU time of the cheaper of FFmpeg and GStreamer on the same audio; undefined where none was measured. */
  readonly toBetterPeer: number | undefined
  /** Of that of rtpengine, which only writes packets down. */
  readonly toRtpengine: number | undefined
  /** With SRTP: of the same row without. */
  readonly toClear: number | undefined
}

/** How the recorder's rows stand to the others of the same run; rows that lost packets are no measure. */
export function ratiosOf(results: readonly Result[]): readonly Ratio[] {
  const whole = results.filter(({ packetsLost }) => packetsLost === 0)
  const cheapest = (of: readonly Result[]): number => Math.min(...of.map((row) => row.cpuSecondsPerSessionHour))
  return whole
    .filter(({ name }) => name.startsWith('Earwitness') && !name.endsWith('one core'))
    .map(({ name, pattern, cpuSecondsPerSessionHour: cost }) => {
      const same = whole.filter((row) => row.pattern === pattern)
      const of = (others: readonly Result[]): number | undefined =>
        others.length === 0 ? undefined : round(cost / cheapest(others))
      return {
        name,
        pattern,
        toBetterPeer: of(same.filter((row) => /^(?:FFmpeg|GStreamer)/u.test(row.name))),
        toRtpengine: of(same.filter((row) => row.name.startsWith('rtpengine'))),
        toClear: name.includes(', SRTP')
          ? of(same.filter((row) => row.name === name.replace(', SRTP', '')))
          : undefined,
      }
    })
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}
