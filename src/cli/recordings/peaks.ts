import { EarwitnessError, ExitCode } from '../../errors.ts'
import { openSealed } from '../../evidence/age-open.ts'
import { heldKeyName, heldPeaksName, PEAKS_NAME } from '../../evidence/object-names.ts'
import { openRecordingKey } from '../../evidence/recording-key.ts'
import type { VaultIdentity } from '../../evidence/vault-open.ts'
import type { ObjectReader } from '../../evidence/verify.ts'
import { PEAKS_PER_SECOND } from '../../media/level-meter.ts'
import { mergePeaks, readPeaks, type StreamPeaks } from '../../media/peaks.ts'
import { textOption } from '../arguments.ts'
import type { CommandContext } from '../command.ts'
import { noteAccess } from '../note-access.ts'
import { writeJson } from '../output.ts'
import { findRecording, unwrapKey } from '../stored-recording.ts'
import { defaultIdentity, openIdentities } from '../vault-identities.ts'

/** Of the recording timeline. */
const SAMPLES_PER_SECOND = 48_000

/** `recordings peaks ID`: opens the peaks of a recording and prints them as waveform data that drawing libraries read. */
export async function printPeaks(context: CommandContext, id: string): Promise<ExitCode> {
  const config = context.config()
  const objects = await findRecording(config, id)
  const identities = await openIdentities(() => config, textOption(context.args, 'identity') ?? defaultIdentity(config))
  const sealed = await objects.get(PEAKS_NAME)
  if (sealed === undefined) {
    throw new EarwitnessError(
      'peaks-missing',
      'There are no peaks of this recording.',
      'It is not over, was interrupted, or holds no audio; peaks can be made from an export.',
    )
  }
  await noteAccess(context, config, { recordingId: id, action: 'open' })
  const opened = await openSealed(sealed, await unwrapKey(objects, identities))
  const peaks = opened.ok ? readPeaks(opened.value) : opened
  if (!peaks.ok) {
    throw new EarwitnessError(
      'peaks-unreadable',
      'The peaks of this recording are not what a recorder writes.',
      'Run `earwitness verify` on this recording: it says what was changed.',
    )
  }
  const held = await openHeldPeaks(objects, identities)
  writeJson(context.stdout, waveformData(held === undefined ? peaks.value : mergePeaks(peaks.value, held)))
  return ExitCode.done
}

/** Of what was held until consent; undefined when there is none, or nobody can open it any more. */
async function openHeldPeaks(
  objects: Pick<ObjectReader, 'get'>,
  identities: readonly VaultIdentity[],
): Promise<readonly StreamPeaks[] | undefined> {
  const [wrapped, sealed] = await Promise.all([objects.get(heldKeyName(0)), objects.get(heldPeaksName(0))])
  if (wrapped === undefined || sealed === undefined) return undefined
  const key = await openRecordingKey(wrapped, identities)
  const opened = key.ok ? await openSealed(sealed, [key.value.identity]) : key
  const peaks = opened.ok ? readPeaks(opened.value) : opened
  return peaks.ok ? peaks.value : undefined
}

/**
 * The JSON form of audiowaveform's data, version 2, which Peaks.js, waveform-data.js and others read: for each peak the least and the greatest sample of each
 * channel as 8 bits. A peak of ours is a magnitude, so the least is the greatest below zero.
 */
function waveformData(streams: readonly StreamPeaks[]): Readonly<Record<string, unknown>> {
  const length = streams[0]?.peaks.length ?? 0
  const data: number[] = []
  for (let index = 0; index < length; index++) {
    for (const { peaks } of streams) {
      const magnitude = (peaks[index] ?? 0) >> 1
      data.push(0 - magnitude, magnitude)
    }
  }
  return {
    version: 2,
    channels: streams.length,
    sample_rate: SAMPLES_PER_SECOND,
    samples_per_pixel: SAMPLES_PER_SECOND / PEAKS_PER_SECOND,
    bits: 8,
    length,
    data,
  }
}
