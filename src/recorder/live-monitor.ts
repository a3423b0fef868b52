import { sealToRecipients, type RandomBytes } from '../evidence/age-seal.ts'
import type { PeaksEntry } from '../evidence/manifest.ts'
import { heldPeaksName, PEAKS_NAME } from '../evidence/object-names.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import type { StreamId } from '../ids.ts'
import { firstPeakOf, LevelMeter } from '../media/level-meter.ts'
import { PeakRow, writePeaks } from '../media/peaks.ts'
import { FRAME_US } from './audio-writer.ts'
import type { HeldSpan } from './held-span.ts'
import type { Incident, IncidentNotes } from './incident-notes.ts'
import type { MediaStreamPlan, RecordingSink } from './recording-types.ts'
import { StreamWatch, type AlertThresholds, type StreamFlag, type StreamSight } from './stream-watch.ts'

/** How often one flag of one stream is an incident of the manifest; it is an event each time. */
export const FLAG_INCIDENTS_MAX = 4

/** What is said of a raised flag in the manifest. */
const FLAG_INCIDENTS: Readonly<Record<StreamFlag, Incident>> = {
  zeroPackets: { code: 'zero-packets', detail: 'No packet of a media stream came, although some were awaited.' },
  oneWay: {
    code: 'one-way',
    detail: 'One media stream had packets, and another from which some were awaited had none.',
  },
  stopped: { code: 'rtp-stopped', detail: 'The packets of a media stream stopped, although more were awaited.' },
  silent: { code: 'stream-silent', detail: 'The packets of a media stream came, and held nothing but silence.' },
}

/** How a media stream is doing right now. */
export interface StreamState {
  readonly streamId: StreamId
  readonly streamLabel: string
  /** RMS of the last 200 ms that were recorded, dBov; undefined when its audio is not decoded. RFC 6464 3 */
  readonly levelDbov: number | undefined
  readonly flags: readonly StreamFlag[]
}

/** To whom, and where to. */
export interface Sealing {
  readonly recipient: string
  readonly randomBytes: RandomBytes
  readonly sink: RecordingSink
  /** Present when audio is held until consent: what is of that time goes to its key instead. */
  readonly held?: HeldSpan
}

/** What is looked at of a media stream. */
export interface MonitoredStream {
  readonly plan: Pick<MediaStreamPlan, 'streamId' | 'streamLabel' | 'held' | 'payloadTypes'>
  readonly isPaused: boolean
  readonly lastArrivalUs: number | undefined
  /** The audio that came last is not decoded. */
  readonly isKeptNow: boolean
}

interface Monitored {
  readonly watch: StreamWatch
  readonly meter: LevelMeter
  readonly row: PeakRow
  readonly startPeak: number
  streamLabel: string
  isDecoded: boolean
  sight: StreamSight
}

/**
 * What can be seen of the media streams of one recording while it is made: levels, peaks, and flags of streams of which nothing comes.
 *
 * It looks at the frames before they are encoded, so what is silenced in them (a pause, a masked digit) is silent here too.
 */
export class LiveMonitor {
  readonly #alerts: AlertThresholds
  readonly #notes: Pick<IncidentNotes, 'note' | 'placeOf'>
  readonly #sink: Pick<RecordingSink, 'handleFlag'>
  readonly #streams = new Map<StreamId, Monitored>()
  readonly #incidents = new Map<string, number>()
  #frames = 0
  #nowUs = 0

  constructor(options: {
    readonly alerts: AlertThresholds
    readonly notes: Pick<IncidentNotes, 'note' | 'placeOf'>
    readonly sink: Pick<RecordingSink, 'handleFlag'>
  }) {
    this.#alerts = options.alerts
    this.#notes = options.notes
    this.#sink = options.sink
  }

  /** The frames of all streams, in their order, before they are encoded. */
  addFrame(streams: readonly MonitoredStream[], frames: readonly Int16Array[]): void {
    for (let index = 0; index < streams.length; index++) {
      const stream = streams[index]
      const frame = frames[index]
      if (stream !== undefined && frame !== undefined) this.#monitored(stream).meter.add(frame)
    }
    this.#frames += 1
  }

  /** Looks at all streams. Not to be called while packets may still wait in the sockets: they would seem not to come. */
  wake(streams: readonly MonitoredStream[], nowUs: number, originUs: number | undefined): void {
    this.#nowUs = nowUs
    for (const stream of streams) {
      const monitored = this.#monitored(stream)
      monitored.streamLabel = stream.plan.streamLabel
      monitored.isDecoded = isDecoded(stream)
      monitored.sight = sightOf(stream, monitored.meter, originUs)
      monitored.watch.see(monitored.sight, nowUs)
    }
    for (const { plan } of streams) {
      const { watch, sight } = this.#streams.get(plan.streamId) ?? {}
      if (watch !== undefined && sight !== undefined) watch.judge(sight, nowUs, this.#otherSendsSince(plan.streamId))
    }
  }

  get states(): readonly StreamState[] {
    return Array.from(this.#streams, ([streamId, { meter, streamLabel, isDecoded, watch }]) => ({
      streamId,
      streamLabel,
      levelDbov: isDecoded ? meter.levelDbov : undefined,
      flags: [...watch.raised],
    }))
  }

  /** True when the manifest has an incident of this flag. */
  hasNoted(flag: StreamFlag): boolean {
    for (const streamId of this.#streams.keys()) if (this.#incidents.has(keyOf(streamId, flag))) return true
    return false
  }

  /** Seals the peaks of all streams to the recording, at its end; undefined when nothing was recorded. FORMAT.md 3.2 */
  sealPeaks({ recipient, randomBytes, sink }: Sealing): PeaksEntry | undefined {
    if (this.#frames === 0) return undefined
    const bytes = sealToRecipients(this.#peaksFile(), [recipient], randomBytes)
    const peaks = { name: PEAKS_NAME, sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    sink.handleSealed({ kind: 'peaks', name: PEAKS_NAME, bytes, peaks })
    return peaks
  }

  /** Seals the peaks of what was held so far to the held key, and forgets them: the peaks of the recording are 0 there. */
  sealHeldPeaks({ randomBytes, sink, held }: Sealing): void {
    if (held === undefined || this.#frames === 0) return
    const rows = Array.from(this.#streams, ([streamId, { meter, startPeak, row }]) => {
      const taken = row.takeAll()
      const begun = meter.takeBegunPeak()
      if (begun !== undefined) taken.push(begun)
      return { streamId, startPeak, row: taken }
    })
    const bytes = sealToRecipients(writePeaks(rows), [held.key.recipient], randomBytes)
    const peaks = { name: heldPeaksName(0), sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    held.peaks = peaks
    sink.handleSealed({ kind: 'heldPeaks', name: peaks.name, bytes, peaks })
  }

  #peaksFile(): Uint8Array {
    for (const { meter } of this.#streams.values()) meter.flush()
    return writePeaks(Array.from(this.#streams, ([streamId, { startPeak, row }]) => ({ streamId, startPeak, row })))
  }

  #otherSendsSince(streamId: StreamId): number | undefined {
    let sinceUs: number | undefined
    for (const [other, { watch }] of this.#streams) {
      if (other === streamId || watch.sendsSinceUs === undefined) continue
      sinceUs = Math.min(sinceUs ?? watch.sendsSinceUs, watch.sendsSinceUs)
    }
    return sinceUs
  }

  #monitored(stream: MonitoredStream): Monitored {
    const { streamId, streamLabel } = stream.plan
    const known = this.#streams.get(streamId)
    if (known !== undefined) return known
    const row = new PeakRow()
    const meter = new LevelMeter({
      startFrame: this.#frames,
      loudDbov: this.#alerts.silentLevelDbov,
      onPeak: (peak) => row.push(peak),
    })
    const watch = new StreamWatch(this.#alerts, (flag, isRaised) => this.#change(streamId, flag, isRaised))
    const startPeak = firstPeakOf(this.#frames)
    const monitored: Monitored = {
      ...{ watch, meter, row, startPeak, streamLabel },
      isDecoded: isDecoded(stream),
      sight: sightOf(stream, meter, undefined),
    }
    this.#streams.set(streamId, monitored)
    return monitored
  }

  #change(streamId: StreamId, flag: StreamFlag, isRaised: boolean): void {
    const noted = this.#incidents.get(keyOf(streamId, flag)) ?? 0
    if (isRaised && noted < FLAG_INCIDENTS_MAX) {
      this.#incidents.set(keyOf(streamId, flag), noted + 1)
      this.#notes.note(FLAG_INCIDENTS[flag], this.#nowUs)
    }
    const streamLabel = this.#streams.get(streamId)?.streamLabel ?? streamId
    this.#sink.handleFlag({ streamId, streamLabel, flag, isRaised, ...this.#notes.placeOf(this.#nowUs) })
  }
}

/** What comes is decoded, or may be; else there is nothing to measure. */
function isDecoded({ plan, isKeptNow }: MonitoredStream): boolean {
  if (isKeptNow) return false
  for (const { kind } of plan.payloadTypes.values()) if (kind === 'audio') return true
  return false
}

function keyOf(streamId: StreamId, flag: StreamFlag): string {
  return `${streamId} ${flag}`
}

function sightOf(stream: MonitoredStream, meter: LevelMeter, originUs: number | undefined): StreamSight {
  const { frames, loudFrames } = meter
  return {
    isAwaited: !stream.plan.held && !stream.isPaused,
    lastArrivalUs: stream.lastArrivalUs,
    measuredUs: originUs === undefined || !isDecoded(stream) ? undefined : originUs + frames * FRAME_US,
    loudUs: originUs === undefined || loudFrames === 0 ? undefined : originUs + loudFrames * FRAME_US,
  }
}
