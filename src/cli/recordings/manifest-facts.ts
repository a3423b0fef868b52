import type { Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { holdSentence, pauseSentences, streamSentences } from '../../evidence/fact-text.ts'
import { decodeManifest, type ManifestBody } from '../../evidence/manifest.ts'
import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import { printable, wrap, type Paint } from '../output.ts'
import { findRecording } from '../stored-recording.ts'

const ABSENT_CODES: ReadonlySet<string> = new Set(['recording-not-found', 'storage-missing'])

/** The manifest as it is stored, its signature not checked; undefined while the recording runs, and where it cannot be read. */
export async function readManifestOf(config: Config, id: string): Promise<ManifestBody | undefined> {
  try {
    const jws = await (await findRecording(config, id)).get(MANIFEST_NAME)
    const manifest = jws === undefined ? undefined : decodeManifest(new TextDecoder().decode(jws))
    return manifest?.ok === true ? manifest.value.body : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** The database and the data folder know of recordings whose store is not here. */
export function isAbsent(error: unknown): boolean {
  return error instanceof EarwitnessError && ABSENT_CODES.has(error.code)
}

/** What only the manifest knows of the media of a recording, for programs. */
export function mediaFacts({
  pauses = [],
  unlistedPauses = 0,
  streams,
}: ManifestBody): Readonly<Record<string, unknown>> {
  return {
    pauses,
    unlistedPauses,
    streams: streams.map(({ streamId, streamLabel, rtcp = null, reception = null, sources = null, gaps }) => ({
      ...{ streamId, streamLabel, rtcp, reception, sources },
      holds: gaps.filter(({ cause }) => cause === 'held').map(({ fromSample, toSample }) => ({ fromSample, toSample })),
    })),
  }
}

/** The same for people: pauses of the recording and holds of its streams, then how each stream came and was heard. */
export function describeManifestFacts(
  manifest: ManifestBody,
  paint: Paint,
  columnsMax: number | undefined,
): readonly string[] {
  const holds = manifest.streams.flatMap((stream) => holdSentence(stream) ?? [])
  const reports = manifest.streams.flatMap((stream) => {
    const who = `channel ${stream.channel}, media stream ${printable(stream.streamId)}:`
    return streamSentences(stream).map((sentence) => `${who} ${sentence}`)
  })
  const blocks: readonly (readonly [heading: string, sentences: readonly string[]])[] = [
    ['pauses and holds', [...pauseSentences(manifest), ...holds]],
    ['reports and sources', reports],
  ]
  return blocks.flatMap(([heading, sentences]) => {
    if (sentences.length === 0) return []
    const lines = columnsMax === undefined ? sentences : sentences.flatMap((sentence) => wrap(sentence, columnsMax))
    return ['', paint('bold', heading), ...lines]
  })
}
