import { report, type Checking } from './checking.ts'

const CHANNELS = 2
/** Beside the chunk that is being made, the spool holds a segment of 20 s, one that waits for the next chunk to be stored, and the headers of sealed frames. */
const BESIDE_CHUNK_SECONDS = 45
/** A store is known to fail after some requests that were not answered. */
const REQUESTS_TO_FAIL = 3

/** What the keys of `spool` need of others: a bound that full operation reaches by itself would refuse recording sessions for no fault. */
export function checkSpool(checking: Checking): void {
  checkSize(checking)
  checkAge(checking)
}

function checkSize(checking: Checking): void {
  const { config, origins, problems } = checking
  // Whoever takes a hundred thousand recording sessions for "no limit" is not to be kept from it by a default.
  if (origins.get('spool.maxBytes') === 'default') return
  const needs = ['spool.maxBytes', 'limits.recordingSessionsMax', 'recording.chunkSeconds', 'recording.opusBitrate']
  if (needs.some((path) => problems.concerns(path))) return
  const { chunkSeconds, opusBitrate } = config.recording
  const seconds = chunkSeconds + BESIDE_CHUNK_SECONDS
  const bytes = config.limits.recordingSessionsMax * seconds * ((CHANNELS * opusBitrate) / 8)
  if (config.spool.bytesMax >= bytes) return
  const mebibytes = Math.ceil(bytes / 1024 ** 2)
  report(checking, 'config-conflict', ['spool.maxBytes', 'limits.recordingSessionsMax'], {
    sentence: `spool.maxBytes is less than the ${mebibytes} MiB that limits.recordingSessionsMax recording sessions have in the spool while all is well.`,
    hint: `Give it ${mebibytes}MiB or more, and as much again as an outage of the store may need, or take fewer recording sessions.`,
  })
}

function checkAge(checking: Checking): void {
  const { config, problems } = checking
  const { s3 } = config.storage
  if (s3 === undefined || problems.concerns('spool.maxAge') || problems.concerns('storage.s3.requestTimeout')) return
  if (config.spool.ageMsMax > REQUESTS_TO_FAIL * s3.requestTimeoutMs) return
  report(checking, 'config-conflict', ['spool.maxAge', 'storage.s3.requestTimeout'], {
    sentence: `spool.maxAge is over before ${REQUESTS_TO_FAIL} requests of storage.s3.requestTimeout are: one slow answer of the store would refuse recording sessions.`,
    hint: 'Give spool.maxAge hours, or storage.s3.requestTimeout seconds.',
  })
}
