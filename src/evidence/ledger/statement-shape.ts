import { integer, members, oneOf, optional, sha256, text, time, uuid, type Check } from '../shape-checks.ts'
import { PAUSE_REQUESTERS } from '../words.ts'
import type { StatementKind } from './statement.ts'

const always: Check = (value, path) => (value === true ? undefined : path)

const checkPlace = members({
  logId: uuid,
  seq: integer,
  at: time,
  clock: members({ status: oneOf('synchronized', 'unsynchronized', 'unknown'), source: optional(text) }),
  kind: text,
  recordingId: optional(uuid),
})

const pauseMembers = { recordingId: uuid, by: oneOf(...PAUSE_REQUESTERS) }
const streamPauseMembers = { recordingId: uuid, streamId: text, cause: oneOf('paused', 'held') }
const byHandMembers = {
  recordingId: uuid,
  reasonHash: optional(sha256),
  byHash: optional(sha256),
  recordSha256: optional(sha256),
  askedAt: optional(time),
  requestId: optional(uuid),
}
const holdMembers = { ...byHandMembers, holdId: optional(uuid), lostSha256: optional(sha256) }
const shredMembers = { ...byHandMembers, wrappedKeySha256: optional(sha256), scope: optional(oneOf('key', 'objects')) }

const CHECKS: Readonly<Record<StatementKind, Check>> = {
  nodeStarted: members({
    software: members({ name: text, version: text }),
    previous: optional(members({ logId: uuid, cause: oneOf('signerChanged', 'refused'), code: optional(text) })),
  }),
  nodeStopped: () => undefined,
  recordingOpened: members({
    recordingId: uuid,
    rsId: uuid,
    tenant: text,
    src: text,
    startedAt: time,
    recipient: text,
    wrappedKeySha256: sha256,
    streamPauses: optional(always),
    again: optional(always),
  }),
  recordingClosed: members({
    recordingId: uuid,
    manifestSha256: sha256,
    state: oneOf('complete', 'interrupted'),
    endCause: text,
    endedAt: time,
    durationSamples: integer,
  }),
  recordingPaused: members(pauseMembers),
  recordingResumed: members(pauseMembers),
  streamPaused: members(streamPauseMembers),
  streamResumed: members(streamPauseMembers),
  consent: members({
    ...{ recordingId: uuid, type: text, number: optional(integer), atSample: optional(integer) },
    evidenceSha256: optional(sha256),
  }),
  holdAdded: members(holdMembers),
  holdReleased: members(holdMembers),
  access: members({
    recordingId: uuid,
    action: oneOf('listen', 'listenEnded', 'export', 'open'),
    byHash: optional(sha256),
    durationMs: optional(integer),
    askedAt: optional(time),
    requestId: optional(uuid),
  }),
  shredBegun: members(shredMembers),
  shredded: members(shredMembers),
  keyRotated: members({
    recordingId: uuid,
    name: text,
    sha256,
    replacesSha256: sha256,
    byHash: optional(sha256),
    askedAt: optional(time),
    requestId: optional(uuid),
  }),
  checkpointSeen: members({ note: text }),
  statementsLost: members({ count: integer }),
}

/** Where a statement is not of format 1, or undefined. A kind that is not known has only the members that all have. */
export function findStatementFault(value: unknown): string | undefined {
  const fault = checkPlace(value, '')
  if (fault !== undefined) return fault
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined
  return typeof kind === 'string' && Object.hasOwn(CHECKS, kind) ? CHECKS[kind as StatementKind](value, '') : undefined
}
