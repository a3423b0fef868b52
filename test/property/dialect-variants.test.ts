import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { parseMessage } from '../../src/protocol/sip/parse-message.ts'
import { MetadataState } from '../../src/protocol/siprec/metadata-state.ts'
import type { MetadataSnapshot } from '../../src/protocol/siprec/metadata.ts'
import { readRecordingRequest, type RecordingRequest } from '../../src/recorder/recording-request.ts'
import { DIALECT_HABITS, type DialectHabits } from '../support/dialect-habits.ts'
import { dialectInvite, offeredLines, type DialectChoices, type OfferedLine } from '../support/dialect-invite.ts'
import { valueOf } from '../unit/protocol/siprec/vectors.ts'

const SEED = 20_261_124
const RUNS = 150

const one = <Value>(values: readonly Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values)

/** Any INVITE that a client of these habits might send. */
function choicesOf(habits: DialectHabits): fc.Arbitrary<DialectChoices> {
  return fc.record({
    require: one(habits.require),
    contact: one(habits.contact),
    metadataType: one(habits.metadataType),
    root: one(habits.root),
    namespace: one(habits.namespace),
    prefix: one(habits.prefix),
    dataMode: one(habits.dataMode),
    ids: one(habits.ids),
    idNames: one(habits.idNames),
    associations: one(habits.associations),
    names: one(habits.names),
    labels: one(habits.labels),
    sdpLabel: one(habits.sdpLabel),
    metadataFirst: one(habits.metadataFirst),
    closed: one(habits.closed),
    lineEnd: one(habits.lineEnd),
    boundary: one(habits.boundary),
    lines: one(habits.lines),
    peopleOnLine: one(habits.peopleOnLine),
    extraLine: one(habits.extraLines),
    ...ANYBODY,
  })
}

/** What no client can be relied on to keep to. */
const ANYBODY = {
  rotation: fc.nat({ max: 20 }),
  indent: one(['', ' ', '\t'] as const),
  quote: one(['"', "'"] as const),
  byteOrderMark: fc.boolean(),
  declaration: fc.boolean(),
  vendorData: fc.boolean(),
  quotedBoundary: fc.boolean(),
  parameterBefore: one(['', ' ', 'charset=utf-8;', ' type="application/sdp"; ']),
  parameterAfter: one(['', ';charset=UTF-8', '; charset="utf-8"', ' ;x=y', ';']),
  headerCase: one(['usual', 'lower', 'upper', 'compact'] as const),
  colon: one([':', ': ', ' : ', ':\t'] as const),
  partHeaders: fc.subarray([
    'Content-Disposition:recording-session;handling=required',
    'Content-Transfer-Encoding:binary',
    'Content-Length:123',
    'Content-ID:<part@example.com>',
  ]),
  typeLast: fc.boolean(),
  blankBeforeBoundary: fc.boolean(),
  preamble: one(['', '\r\n', 'preamble\r\n']),
  lengthError: one([0, 0, 0, 40, -3]),
}

/** Reads a datagram as the recorder does. */
function read(choices: DialectChoices): RecordingRequest {
  const message = valueOf(parseMessage(dialectInvite(choices)))
  return valueOf(
    readRecordingRequest({
      contentType: message.headers.first('Content-Type'),
      body: message.body,
      require: message.headers.all('Require'),
      contact: message.headers.first('Contact'),
      knownRecording: false,
    }),
  )
}

function snapshotOf(request: RecordingRequest): MetadataSnapshot {
  const { metadata } = request
  if (metadata?.snapshot === undefined) throw new Error(`no snapshot: ${metadata?.reason ?? 'no metadata part'}`)
  return metadata.snapshot
}

/** Addresses of those heard on each recorded line, in the order of the lines; without scheme, as some clients leave it out. */
function heard(
  request: RecordingRequest,
  state: MetadataState,
  how: 'now' | 'ever' = 'now',
): readonly (readonly string[])[] {
  return request.plans.map(({ line }) => {
    const { participants } = how === 'now' ? state.attributionFor(line) : state.everyParticipantFor(line)
    return participants.map(({ aors }) => (aors[0]?.aor ?? '?').replace(/^sip:/, '')).toSorted()
  })
}

function expected(lines: readonly OfferedLine[]): readonly (readonly string[])[] {
  return lines
    .filter(({ kind }) => kind === 'audio')
    .map(({ people }) => people.map(({ aor }) => aor.slice('sip:'.length)).toSorted())
}

/** Several people behind one line can only be told by what they send. */
function isDecidable({ associations, peopleOnLine, labels, extraLine }: DialectChoices): boolean {
  if (associations === 'none') return peopleOnLine === 1 && extraLine === undefined
  return labels !== 'noStreams' || (peopleOnLine === 1 && extraLine === undefined)
}

describe.each(Object.entries(DIALECT_HABITS))('whatever an INVITE of %s looks like', (_name, habits) => {
  const choices = choicesOf(habits).filter(isDecidable)

  test('it is recorded, and everyone is on his own line', () => {
    fc.assert(
      fc.property(choices, (each) => {
        const lines = offeredLines(each)
        const request = read(each)
        expect(request.offer.media.map(({ type }) => type)).toEqual(lines.map(({ kind }) => kind))
        expect(request.offer.media.map(({ label }) => label)).toEqual(lines.map(({ sdpLabel }) => sdpLabel))
        expect(request.plans).toHaveLength(each.lines)
        const state = new MetadataState()
        state.apply(snapshotOf(request))
        expect(heard(request, state)).toEqual(expected(lines))
      }),
      { seed: SEED, numRuns: RUNS },
    )
  })

  test('everyone stays there on hold, when all have left, and when the same is said again', () => {
    fc.assert(
      fc.property(choices, (each) => {
        const request = read(each)
        const snapshot = snapshotOf(request)
        const state = new MetadataState()
        for (const next of [snapshot, onHold(snapshot), snapshot, everybodyLeft(snapshot)]) {
          state.apply(next)
          expect(heard(request, state)).toEqual(expected(offeredLines(each)))
        }
      }),
      { seed: SEED, numRuns: RUNS },
    )
  })

  test('whoever takes over a line is heard there, and the one before is not forgotten', () => {
    fc.assert(
      fc.property(
        choices.filter(({ associations }) => associations !== 'none'),
        (each) => {
          const request = read(each)
          const snapshot = snapshotOf(request)
          const state = new MetadataState()
          state.apply(snapshot)
          const before = expected(offeredLines(each))
          const transfer = taker(snapshot)
          state.apply(transfer.snapshot)
          const after = heard(request, state)
          const place = before.findIndex((people) => people.includes(transfer.leftAor))
          expect(after[place]).toEqual(
            [...(before[place] ?? []).filter((aor) => aor !== transfer.leftAor), TAKER].toSorted(),
          )
          expect(heard(request, state, 'ever')[place]).toEqual([...(before[place] ?? []), TAKER].toSorted())
          expect(after.filter((_, index) => index !== place)).toEqual(before.filter((_, index) => index !== place))
        },
      ),
      { seed: SEED, numRuns: RUNS },
    )
  })
})

const TAKER = 'taker@example.com'

const NOTHING = {
  groups: [],
  communicationSessions: [],
  participants: [],
  mediaStreams: [],
  sessionRecordings: [],
  participantSessions: [],
  associations: [],
  extensions: [],
  droppedCount: 0,
} as const

function onHold(snapshot: MetadataSnapshot): MetadataSnapshot {
  const associations = snapshot.associations.map((each) => ({ ...each, sends: [] }))
  return { ...snapshot, ...NOTHING, dataMode: 'partial', associations }
}

const AT = { text: '2026-11-23T12:01:00Z', at: new Date('2026-11-23T12:01:00Z'), zoneAssumed: false }

/** What a BYE says: everyone is disassociated. */
function everybodyLeft(snapshot: MetadataSnapshot): MetadataSnapshot {
  const participantSessions = snapshot.participants.map(({ participantId }) => ({
    participantId,
    disassociateTime: AT,
  }))
  return { ...snapshot, ...NOTHING, dataMode: 'partial', participantSessions }
}

/** A partial snapshot in which somebody takes the place of the first who sends anything. */
function taker(snapshot: MetadataSnapshot): { readonly snapshot: MetadataSnapshot; readonly leftAor: string } {
  const association = snapshot.associations.find(({ sends }) => sends.length > 0)
  const leaver = snapshot.participants.find(({ participantId }) => participantId === association?.participantId)
  if (association === undefined || leaver === undefined) throw new Error('nobody sends anything')
  return {
    leftAor: (leaver.aors[0]?.aor ?? '').replace(/^sip:/, ''),
    snapshot: {
      ...snapshot,
      ...NOTHING,
      dataMode: 'partial',
      participants: [{ participantId: 'taker', aors: [{ aor: TAKER }], csIds: [] }],
      participantSessions: [
        { participantId: leaver.participantId, csId: 'a-session-nobody-knows', disassociateTime: AT },
        { participantId: 'taker', csId: 'a-session-nobody-knows', associateTime: AT },
      ],
      associations: [{ participantId: 'taker', sends: association.sends, receives: [] }],
    },
  }
}
