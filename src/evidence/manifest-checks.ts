import type { FindingList } from './findings.ts'
import { checkHeld } from './held-checks.ts'
import { GAP_CAUSES } from './manifest-shape.ts'
import { checkKept } from './kept-checks.ts'
import type { ManifestBody, StreamEntry } from './manifest.ts'
import {
  chunkName,
  dtmfName,
  keptName,
  KEY_NAME,
  MANIFEST_NAME,
  PEAKS_NAME,
  INDEX_NAME,
  snapshotName,
} from './object-names.ts'
import { checkPauses } from './pause-checks.ts'
import { checkReports } from './report-checks.ts'
import { RUNNING_HASH_START, runningHashText, type RunningHashChain } from './running-hash-text.ts'
import { sha256Hex } from './web-digest.ts'

/** Checks that what a manifest says agrees with itself; the objects are not looked at. FORMAT.md 6, step 2 */
export async function checkManifest(body: ManifestBody, findings: FindingList): Promise<void> {
  checkNames(body, findings)
  checkChunkTimes(body, findings)
  await checkRunningHashes('chunk', body.chunks, findings)
  await checkRunningHashes('rtp', body.kept ?? [], findings)
  checkStreams(body, findings)
  checkKept(body, findings)
  checkHeld(body, findings)
  checkPauses(body, findings)
  if (Date.parse(body.endedAt) < Date.parse(body.startedAt)) {
    findings.add('clock-backwards', 'By the recorder’s clock the recording ended before it began.')
  }
}

function checkNames(body: ManifestBody, findings: FindingList): void {
  for (const [index, { chunkSeq, name }] of body.chunks.entries()) {
    if (chunkSeq !== index || name !== chunkName(index)) {
      findings.add('sequence-wrong', `Where chunk ${index} belongs, the manifest has another number or name.`, name)
    }
  }
  for (const [index, { keptSeq, name }] of (body.kept ?? []).entries()) {
    if (keptSeq !== index || name !== keptName(index)) {
      findings.add(
        'sequence-wrong',
        `Where RTP object ${index} belongs, the manifest has another number or name.`,
        name,
      )
    }
  }
  for (const [index, { dtmfSeq, name }] of (body.dtmf ?? []).entries()) {
    if (dtmfSeq !== index || name !== dtmfName(index)) {
      findings.add('sequence-wrong', `Where digits ${index} belong, the manifest has another number or name.`, name)
    }
  }
  for (const [index, { seq, name }] of body.snapshots.entries()) {
    if (seq !== index || name !== snapshotName(index)) {
      findings.add('sequence-wrong', `Where snapshot ${index} belongs, the manifest has another number or name.`, name)
    }
  }
  if (body.index !== undefined && body.index.name !== INDEX_NAME) {
    findings.add('sequence-wrong', `The index facts are not called ${INDEX_NAME}.`, body.index.name)
  }
  if (body.peaks !== undefined && body.peaks.name !== PEAKS_NAME) {
    findings.add('sequence-wrong', `The peaks are not called ${PEAKS_NAME}.`, body.peaks.name)
  }
  if (body.wrappedKey.name !== KEY_NAME) {
    findings.add('sequence-wrong', `The wrapped key is not called ${KEY_NAME}.`, body.wrappedKey.name)
  }
  const seen = new Set<string>([MANIFEST_NAME])
  const { wrappedKey, held = [], chunks, kept = [], dtmf = [], snapshots } = body
  for (const { name } of [
    wrappedKey,
    ...held.map((entry) => entry.wrappedKey),
    ...chunks,
    ...kept,
    ...dtmf,
    ...snapshots,
  ]) {
    if (seen.has(name)) findings.add('name-repeated', 'The manifest names this object more than once.', name)
    seen.add(name)
  }
}

function checkChunkTimes(body: ManifestBody, findings: FindingList): void {
  let expected = 0
  for (const { name, fromSample, toSample } of body.chunks) {
    if (fromSample > expected) {
      findings.add('time-gap', `The chunk begins ${seconds(fromSample - expected)} after the one before ends.`, name)
    } else if (fromSample < expected) {
      findings.add('time-overlap', `The chunk begins ${seconds(expected - fromSample)} before the last ends.`, name)
    }
    if (toSample < fromSample) findings.add('time-overlap', 'The chunk ends before it begins.', name)
    expected = Math.max(expected, toSample)
  }
  if (expected !== body.durationSamples) {
    findings.add(
      'duration-wrong',
      `The chunks end at ${seconds(expected)}, but the recording is said to last ${seconds(body.durationSamples)}.`,
    )
  }
}

async function checkRunningHashes(
  chain: RunningHashChain,
  objects: readonly { readonly name: string; readonly sha256: string; readonly runningHash: string }[],
  findings: FindingList,
): Promise<void> {
  const encoder = new TextEncoder()
  let previous = RUNNING_HASH_START
  for (const { name, sha256, runningHash } of objects) {
    const expected = await sha256Hex(encoder.encode(runningHashText(chain, previous, sha256)))
    if (expected !== runningHash) {
      findings.add('running-hash-wrong', 'The running hash does not follow from the objects up to here.', name)
    }
    // Go on from what is stated: one wrong hash is one finding, not one for every chunk after it.
    previous = runningHash
  }
}

function checkStreams(body: ManifestBody, findings: FindingList): void {
  const seen = new Set<string>()
  for (const stream of body.streams) {
    if (seen.has(stream.streamId)) {
      findings.add('stream-repeated', 'The manifest describes the same media stream twice.', stream.streamId)
    }
    seen.add(stream.streamId)
    checkGaps(stream, body.durationSamples, findings)
    checkLedger(stream, body.durationSamples, findings)
    checkParts(stream, findings)
    checkPackets(stream, findings)
    checkReports(stream, findings)
  }
}

function checkGaps(stream: StreamEntry, durationSamples: number, findings: FindingList): void {
  let lastEnd = 0
  for (const { fromSample, toSample } of stream.gaps) {
    const where = `A gap of media stream ${stream.streamId} at ${seconds(fromSample)}`
    if (toSample > durationSamples || toSample <= fromSample) {
      findings.add('gap-outside', `${where} is empty or reaches past the end of the recording.`, stream.streamId)
    }
    if (fromSample < lastEnd) {
      findings.add('gap-overlap', `${where} begins before the one listed before it ends.`, stream.streamId)
    }
    lastEnd = Math.max(lastEnd, toSample)
  }
}

/** Every sample of a stream is audio or a gap, and the gaps listed are the gaps counted. FORMAT.md 5 */
function checkLedger(stream: StreamEntry, durationSamples: number, findings: FindingList): void {
  const { audioSamples, gapSamples, unlistedGapSamples } = stream.ledger
  const counted = GAP_CAUSES.reduce((sum, cause) => sum + (gapSamples[cause] ?? 0), 0)
  if (audioSamples + counted !== durationSamples) {
    findings.add(
      'ledger-wrong',
      `Audio and gaps of media stream ${stream.streamId} add up to ${seconds(audioSamples + counted)}, not to ` +
        `${seconds(durationSamples)}.`,
      stream.streamId,
    )
  }
  const listed = { lost: 0, silence: 0, held: 0, noMedia: 0, paused: 0, masked: 0, undecoded: 0 }
  for (const { cause, fromSample, toSample } of stream.gaps) listed[cause] += toSample - fromSample
  const listedTotal = GAP_CAUSES.reduce((sum, cause) => sum + listed[cause], 0)
  const totalIsRight = listedTotal + unlistedGapSamples === counted
  // What is not listed has no cause of its own, so with it a cause may only be counted higher than it is listed.
  const causesAreRight = GAP_CAUSES.every((cause) => {
    const samples = gapSamples[cause] ?? 0
    return unlistedGapSamples === 0 ? listed[cause] === samples : listed[cause] <= samples
  })
  if (!totalIsRight || !causesAreRight) {
    findings.add(
      'ledger-wrong',
      `The gaps listed for media stream ${stream.streamId} are not the gaps counted.`,
      stream.streamId,
    )
  }
}

/** What is counted as part of something is not more than that. */
function checkParts({ streamId, ledger, packets }: StreamEntry, findings: FindingList): void {
  const { audioSamples, gapSamples, concealedSamples = 0, silentSamples = 0 } = ledger
  const { received, discarded, paused = 0, comfortNoise = 0 } = packets
  if (concealedSamples > gapSamples.lost || silentSamples > audioSamples) {
    const sentence = `More of media stream ${streamId} is said to be concealed or silent than there was lost or audio.`
    findings.add('ledger-wrong', sentence, streamId)
  }
  if (paused > discarded || comfortNoise > received) {
    const sentence = `More packets of media stream ${streamId} are said to be paused or comfort noise than came.`
    findings.add('ledger-wrong', sentence, streamId)
  }
}

/** No packet that the sequence numbers tell of is unaccounted for. FORMAT.md 5 */
function checkPackets({ streamId, packets }: StreamEntry, findings: FindingList): void {
  const { expected, received, lost, paused = 0 } = packets
  if (expected === undefined || expected === received + lost + paused) return
  findings.add(
    'ledger-wrong',
    `By their numbers ${expected} packets of media stream ${streamId} were to be expected, but ${received + lost + paused} are ` +
      'accounted for.',
    streamId,
  )
}

function seconds(samples: number): string {
  return `${(samples / 48_000).toFixed(3)} s`
}
