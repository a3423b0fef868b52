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
  /** What the ledgers of the recordings lack, all streams together; undefined of a program that keeps none. */
  readonly gapSeconds: number | undefined
  readonly senderLateMs: number
}

/** A sender that is further behind had no processor to itself, and so had nobody else: the row says nothing. */
const SENDER_LATE_MS_MAX = 250

interface Ratio {
  readonly name: string
  readonly pattern: TalkPattern
  readonly sessions: number
  /**
   * Of the CPU time of the cheaper of FFmpeg and GStreamer on the same audio, whatever the number of sessions: each of theirs is a process
   * of its own. Undefined where none was measured.
   */
  readonly toBetterPeer: number | undefined
  /** Of that of rtpengine, which only writes packets down, with as many sessions. */
  readonly toRtpengine: number | undefined
  /** With SRTP: of the same row without. */
  readonly toClear: number | undefined
}

/** Why a row is no measure; undefined when it is one. */
export function faultOf({ packetsLost, gapSeconds, senderLateMs }: Result): string | undefined {
  if (senderLateMs > SENDER_LATE_MS_MAX) return 'SENDER LATE'
  if (packetsLost > 0) return 'LOST'
  return (gapSeconds ?? 0) > 0 ? 'GAPS' : undefined
}

/** How the recorder's rows stand to the others of the same run; rows with a fault are no measure. */
export function ratiosOf(results: readonly Result[]): readonly Ratio[] {
  const whole = results.filter((result) => faultOf(result) === undefined)
  const cheapest = (of: readonly Result[]): number => Math.min(...of.map((row) => row.cpuSecondsPerSessionHour))
  return whole
    .filter(({ name }) => name.startsWith('Earwitness') && !name.endsWith('one core'))
    .map(({ name, pattern, sessions, cpuSecondsPerSessionHour: cost }) => {
      const same = whole.filter((row) => row.pattern === pattern)
      const of = (others: readonly Result[]): number | undefined =>
        others.length === 0 ? undefined : round(cost / cheapest(others))
      const asMany = same.filter((row) => row.sessions === sessions)
      return {
        name,
        pattern,
        sessions,
        toBetterPeer: of(same.filter((row) => /^(?:FFmpeg|GStreamer)/u.test(row.name))),
        toRtpengine: of(asMany.filter((row) => row.name.startsWith('rtpengine'))),
        toClear: name.includes(', SRTP')
          ? of(asMany.filter((row) => row.name === name.replace(', SRTP', '')))
          : undefined,
      }
    })
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}
