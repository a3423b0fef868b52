import { describe, expect, it } from 'vitest'

import { filledSamples, labelTrack, unlistedGapSamples, withoutFilling } from '../../../../src/cli/export/gap-places.ts'
import type { GapEntry, IncidentEntry, ManifestBody } from '../../../../src/evidence/manifest.ts'

const SECOND = 48_000

function manifest(
  streams: readonly { readonly gaps: readonly GapEntry[]; readonly concealed?: number; readonly unlisted?: number }[],
  incidents: readonly IncidentEntry[] = [],
): Pick<ManifestBody, 'streams' | 'incidents'> {
  return {
    incidents,
    streams: streams.map(({ gaps, concealed, unlisted = 0 }, channel) => ({
      ...{ streamId: String(channel), streamLabel: String(channel), channel, codec: 'PCMU', participantIds: [] },
      packets: { received: 1, lost: 0, late: 0, duplicate: 0, discarded: 0 },
      ledger: {
        audioSamples: 0,
        gapSamples: { lost: 0, silence: 0, held: 0, noMedia: 0 },
        unlistedGapSamples: unlisted,
        ...(concealed === undefined ? {} : { concealedSamples: concealed }),
      },
      gaps,
    })) as unknown as ManifestBody['streams'],
  }
}

const gap = (from: number, to: number, cause: GapEntry['cause']): GapEntry => ({
  fromSample: from * SECOND,
  toSample: to * SECOND,
  cause,
})

describe('labels of an export', () => {
  it('name each gap with its channel and cause, and incidents with a place, in the order of time', () => {
    const labels = labelTrack(
      manifest(
        [{ gaps: [gap(3, 4.5, 'held')] }, { gaps: [gap(1, 1.02, 'lost'), gap(5, 6, 'paused')], concealed: 960 }],
        [
          { code: 'source-moved', at: '2026-11-29T10:00:00.000Z', atSample: 2 * SECOND, detail: '' },
          { code: 'worker-lost', at: '2026-11-29T10:00:00.000Z', detail: '' },
        ],
      ),
    )
    expect(labels.split('\n')).toEqual([
      '1.000000\t1.020000\tchannel 2: lost (may be filled by the recorder)',
      '2.000000\t2.000000\tsource-moved',
      '3.000000\t4.500000\tchannel 1: held',
      '5.000000\t6.000000\tchannel 2: paused',
      '',
    ])
  })

  it('say nothing of filling where nothing was filled', () => {
    expect(labelTrack(manifest([{ gaps: [gap(0, 1, 'lost')], concealed: 0 }]))).toBe(
      '0.000000\t1.000000\tchannel 1: lost\n',
    )
  })

  it('cannot show what the manifest only counts, so that is counted too', () => {
    const counted = manifest([
      { gaps: [], concealed: 10, unlisted: 3 },
      { gaps: [], unlisted: 4 },
    ])
    expect([filledSamples(counted), unlistedGapSamples(counted)]).toEqual([10, 7])
  })
})

describe('an export of what was received only', () => {
  it('is silent where packets were lost, and nowhere else, before kept audio is added', async () => {
    const channels = [new Int16Array(16).fill(5), new Int16Array(16).fill(7)]
    const lost: GapEntry = { fromSample: 13, toSample: 25, cause: 'lost' }
    const held: GapEntry = { fromSample: 48, toSample: 60, cause: 'held' }
    const seen: number[] = []
    const added = withoutFilling(manifest([{ gaps: [lost, held] }, { gaps: [] }]), {
      ...{ sampleRate: 8_000, channels: new Set([1]) },
      addTo: (audio) => {
        seen.push(...(audio.channels[0] ?? []))
        audio.channels[1]?.fill(9, 0, 2)
        return Promise.resolve()
      },
    })
    expect([added.sampleRate, [...added.channels]]).toEqual([8_000, [1]])
    await added.addTo({ sampleRate: 8_000, channels })
    // 13 to 25 at 48 kHz lie in the samples 2 to 4 at 8 kHz: rounded so that nothing of it is left.
    expect(seen).toEqual([5, 5, 0, 0, 0, ...Array.from({ length: 11 }, () => 5)])
    expect([...(channels[1] ?? [])].slice(0, 3)).toEqual([9, 9, 7])
  })
})
