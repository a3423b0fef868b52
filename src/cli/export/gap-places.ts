import type { GapEntry, ManifestBody, StreamEntry } from '../../evidence/manifest.ts'
import { printable } from '../output.ts'
import type { AddedAudio } from './render.ts'

const TIMELINE_RATE = 48_000

type Gaps = Pick<ManifestBody, 'streams' | 'incidents'>

/** Samples of all streams in which the chunks hold a signal that the recorder made up, where packets were lost. */
export function filledSamples({ streams }: Pick<ManifestBody, 'streams'>): number {
  return streams.reduce((sum, { ledger }) => sum + (ledger.concealedSamples ?? 0), 0)
}

/** Gaps that the manifest counts but does not name one by one: no label shows them. */
export function unlistedGapSamples({ streams }: Pick<ManifestBody, 'streams'>): number {
  return streams.reduce((sum, { ledger }) => sum + ledger.unlistedGapSamples, 0)
}

/**
 * Where no audio was received, and why, and what happened: a label track as Audacity reads it. Each line is `from TAB to TAB text`, in seconds of the
 * exported file, in the order of time.
 */
export function labelTrack({ streams, incidents }: Gaps): string {
  const labels = [
    ...streams.flatMap((stream) => stream.gaps.map((gap) => ({ ...gap, text: gapText(stream, gap) }))),
    ...incidents.flatMap(({ atSample, code }) =>
      atSample === undefined ? [] : [{ fromSample: atSample, toSample: atSample, text: printable(code) }],
    ),
  ].toSorted((left, right) => left.fromSample - right.fromSample)
  return labels.map(({ fromSample, toSample, text }) => `${at(fromSample)}\t${at(toSample)}\t${text}\n`).join('')
}

function at(sample: number): string {
  return (sample / TIMELINE_RATE).toFixed(6)
}

function gapText({ channel, ledger }: StreamEntry, { cause }: GapEntry): string {
  const isFilled = cause === 'lost' && (ledger.concealedSamples ?? 0) > 0
  return `channel ${channel + 1}: ${cause}${isFilled ? ' (may be filled by the recorder)' : ''}`
}

/** Puts silence where packets were lost, before `added` comes: what is heard then was received, all of it. */
export function withoutFilling(manifest: Pick<ManifestBody, 'streams'>, added: AddedAudio): AddedAudio {
  return {
    sampleRate: added.sampleRate,
    channels: added.channels,
    async addTo(audio) {
      const factor = audio.sampleRate / TIMELINE_RATE
      for (const { channel, gaps } of manifest.streams) {
        for (const { cause, fromSample, toSample } of gaps) {
          if (cause === 'lost') {
            audio.channels[channel]?.fill(0, Math.floor(fromSample * factor), Math.ceil(toSample * factor))
          }
        }
      }
      await added.addTo(audio)
    },
  }
}
