import { describe, expect, test } from 'vitest'
import { EXTENSION_LINES_MAX } from '../../../../src/cli/recordings/render-story.ts'
import { describeRecording, recordingTable } from '../../../../src/cli/recordings/render.ts'
import type { ListedRecording, RecordingDetails, RelatedRecording } from '../../../../src/server/database/queries.ts'

const plain = (_style: string, text: string): string => text

const LISTED: ListedRecording = {
  recordingId: '01990000-0000-7000-8000-000000000001',
  rsId: '01990000-0000-7000-8000-000000000002',
  tenant: 'default',
  src: 'sbc-berlin',
  dialect: 'oracle',
  state: 'complete',
  startedAt: '2026-11-23T14:05:09.123Z',
  endedAt: '2026-11-23T14:09:16.500Z',
  durationMs: 247_377,
  endCause: 'bye',
  layout: 'separate',
  metadataState: 'valid',
  consentState: 'unknown',
  hasKeptAudio: false,
  custodyState: 'free',
  participants: [
    { participantId: 'p1', aors: [{ aor: 'sip:+15550101@example.com', name: 'Anna Ångström' }] },
    { participantId: 'p2', aors: [{ aor: 'tel:+15550102', name: ' ' }] },
    { participantId: 'p3', aors: [] },
  ],
}

const DETAILS: RecordingDetails = {
  ...LISTED,
  sipCallId: 'abc@192.0.2.10',
  objectPrefix: `default/2026/11/23/${LISTED.recordingId}`,
  recipient: 'age1example',
  manifestSha256: 'ab'.repeat(32),
  durationSamples: 247_377 * 48,
  csGroups: [],
  related: [],
  participantSessions: [],
  attributions: [],
  correlationIds: [],
  consentEvents: [],
  extensions: [],
  custodyRecords: [],
  communicationSessions: [],
  mediaStreams: [
    {
      streamId: '0',
      streamLabel: '1',
      channel: 0,
      codec: 'PCMU',
      participantIds: ['p1', 'p9'],
      packets: { expected: 100, received: 97, lost: 3, late: 1, duplicate: 2 },
      audioSamples: 240_000 * 48,
      concealedSamples: 48_000,
      silentSamples: 90_000 * 48,
    },
  ],
  snapshots: [
    {
      seq: 0,
      receivedAt: '2026-11-23T14:05:09.100Z',
      dataMode: null,
      valid: false,
      reason: 'entity',
      sha256: 'cd'.repeat(32),
      sizeBytes: 2048,
      objectName: 'metadata-000.age',
    },
  ],
  chunks: [
    {
      chunkSeq: 0,
      objectName: 'chunk-000000.age',
      sha256: 'ef'.repeat(32),
      sizeBytes: 1536,
      fromSample: 0,
      toSample: 720_000,
      storedAt: '2026-11-23T14:05:25.000Z',
    },
  ],
  gaps: [
    { streamId: '0', fromSample: 0, toSample: 48_000, cause: 'lost' },
    { streamId: '0', fromSample: 96_000, toSample: 107_520, cause: 'lost' },
    { streamId: '0', fromSample: 200_000, toSample: 296_000, cause: 'held' },
    { streamId: '1', fromSample: 0, toSample: 48_000, cause: 'noMedia' },
  ],
  incidents: [],
}

describe('a list of recordings', () => {
  test('shows id, times, duration, state, source and who took part', () => {
    expect(recordingTable([LISTED], plain, undefined)).toEqual([
      'id                                    started               duration  state     source      participants',
      '01990000-0000-7000-8000-000000000001  2026-11-23T14:05:09Z   0:04:07  complete  sbc-berlin  Anna Ångström, ' +
        '+15550102, p3',
    ])
  })

  test('tells decoded audio from kept audio where there is any of the latter', () => {
    const rows = recordingTable([LISTED, { ...LISTED, hasKeptAudio: true }], plain, undefined)
    expect(rows[0]).toMatch(/ state {5}audio {4}source /u)
    expect(rows[1]).toMatch(/ complete {2}decoded {2}sbc-berlin /u)
    expect(rows[2]).toMatch(/ complete {2}kept {5}sbc-berlin /u)
  })

  test('shows one that is still open', () => {
    const open: ListedRecording = { ...LISTED, state: 'open', endedAt: null, durationMs: null, participants: [] }
    expect(recordingTable([open], plain, undefined)[1]).toMatch(/ {2}- {2}open +sbc-berlin {2}-$/u)
  })

  test('never cuts the id, however narrow the terminal', () => {
    const lines = recordingTable([LISTED], plain, 100)
    expect(lines.filter((line) => line.length > 100)).toEqual([])
    expect(recordingTable([LISTED], plain, 40)[1]).toContain(LISTED.recordingId)
  })

  test('a name from the wire cannot steer the terminal', () => {
    const participants = [{ participantId: 'p', aors: [{ aor: 'sip:x@example.com', name: 'Bob\u001b[2J\r\nroot' }] }]
    const text = recordingTable([{ ...LISTED, participants }], plain, undefined).join('')
    expect(text).not.toContain('\u001b')
    expect(text).not.toContain('\r')
  })
})

describe('one recording', () => {
  const text = describeRecording(DETAILS, plain, undefined).join('\n')

  test('shows how it ended and how long it is', () => {
    expect(text).toMatch(/^state +complete \(bye\)$/mu)
    expect(text).toMatch(/^duration +0:04:07$/mu)
    expect(text).toMatch(/^chunks +1, 1\.5 KiB sealed$/mu)
  })

  test('says that some of it was kept as it came, and nothing where all was decoded', () => {
    expect(text).not.toMatch(/^audio /mu)
    const kept = describeRecording({ ...DETAILS, hasKeptAudio: true }, plain, undefined).join('\n')
    expect(kept).toMatch(/^audio +some was kept as it came /mu)
  })

  test('shows each stream with its participants and the sum of its gaps by cause', () => {
    expect(text).toMatch(
      /^ +0 +1 +PCMU +Anna Ångström, p9 +100 +97 +3 +1 +2 +0:04:00 +0:01:30 +lost 1\.24 s \(1\.00 s filled\), held 2\.00 s$/mu,
    )
  })

  test('says why a metadata snapshot is not valid', () => {
    expect(text).toMatch(/no: entity +2\.0 KiB$/mu)
  })

  test('shows who was on which channel from when to when, and whose clock says so', () => {
    const lines = describeRecording(
      {
        ...DETAILS,
        attributions: [
          {
            ...{ streamId: '0', participantId: 'p1', basis: 'label' },
            ...{
              from: '2026-11-23T14:05:09.000Z',
              fromClock: 'src',
              to: '2026-11-23T14:07:00.000Z',
              toClock: 'recorder',
            },
          },
          {
            ...{ streamId: '7', participantId: 'p2', basis: 'order' },
            ...{ from: '2026-11-23T14:07:00.000Z', fromClock: 'recorder', to: null, toClock: null },
          },
        ],
      },
      plain,
      undefined,
    )
    const start = lines.indexOf('on the channels')
    expect(lines.slice(start + 1, start + 4).map((line) => line.trim().replaceAll(/ {2,}/g, ' | '))).toEqual([
      'channel | label | who | from | to | clock | known by',
      '0 | 1 | Anna Ångström | 2026-11-23T14:05:09Z | 2026-11-23T14:07:00Z | source | label',
      // A stream without a channel yet; the recording's end is the interval's.
      '- | m-line 7 | +15550102 | 2026-11-23T14:07:00Z | 2026-11-23T14:09:16Z | recorder | order',
    ])
  })

  test('tells the story in the order of time, with itself in its place, and how each is linked', () => {
    const related = (minute: number, more: Partial<RelatedRecording>): RelatedRecording => ({
      ...LISTED,
      recordingId: `01990000-0000-7000-8000-00000000001${minute}`,
      startedAt: `2026-11-23T14:0${minute}:00.000Z`,
      participants: [],
      relation: 'before',
      sharedIds: [
        { kind: 'ucid', value: '1' },
        { kind: 'ucid', value: '2' },
        { kind: 'csGroup', value: '3' },
      ],
      through: null,
      ...more,
    })
    const lines = describeRecording(
      { ...DETAILS, related: [related(9, { relation: 'after', through: LISTED.recordingId }), related(1, {})] },
      plain,
      undefined,
    )
    const start = lines.indexOf('the whole story')
    expect(lines.slice(start + 2, start + 5).map((line) => line.trim().replaceAll(/ {2,}/g, ' | '))).toEqual([
      '01990000-0000-7000-8000-000000000011 | 2026-11-23T14:01:00Z | 0:04:07 | before | sbc-berlin | - | ucid, csGroup',
      '01990000-0000-7000-8000-000000000001 | 2026-11-23T14:05:09Z | 0:04:07 | this one | sbc-berlin | Anna Ångström, +15550102, p3',
      `01990000-0000-7000-8000-000000000019 | 2026-11-23T14:09:00Z | 0:04:07 | after | sbc-berlin | - | through ${LISTED.recordingId}`,
    ])
  })

  test('shows vendor data up to a limit, and says how much is left', () => {
    const extensions = Array.from({ length: EXTENSION_LINES_MAX + 2 }, (_, index) => ({
      ...{ ownerId: null, path: `x/${index}`, namespace: null, text: '' },
      attributes: [['tg', `TG\u001b_${index}`] as const],
    }))
    const shown = describeRecording({ ...DETAILS, extensions }, plain, undefined).join('\n')
    expect(shown).toMatch(/^x\/0 +- +tg=TG\S*_0$/mu)
    expect(shown).toMatch(/^… 2 more/mu)
    expect(shown).not.toContain('\u001b')
  })

  test('leaves out what there is nothing of', () => {
    expect(text).not.toContain('incidents')
    expect(text).not.toContain('communication sessions')
  })
})

describe('what was decided later', () => {
  test('stands in the place of the state, with who and why where that is known', () => {
    const [, held, shredded] = recordingTable(
      [
        { ...LISTED, custodyState: 'held' },
        { ...LISTED, custodyState: 'shredded' },
      ],
      plain,
      undefined,
    )
    expect(held).toContain('complete, held')
    expect(shredded).toContain('  shredded  ')
    const holdId = '01990000-0000-7000-8000-0000000000aa'
    const decided = { decidedAt: '2026-11-29T10:00:00.000Z', scope: null, holdId }
    const lines = describeRecording(
      {
        ...DETAILS,
        custodyState: 'held',
        custodyRecords: [
          { ...decided, decision: 'holdAdded', decidedBy: 'Ada', reason: 'case 4711' },
          { ...decided, decision: 'shredBegun', holdId: null, scope: 'objects', decidedBy: null, reason: null },
        ],
      },
      plain,
      undefined,
    ).join('\n')
    expect(lines).toMatch(/custody +HELD: a legal hold/)
    expect(lines).toMatch(/2026-11-29T10:00:00Z +holdAdded +01990000-\S+ +Ada +case 4711/)
    expect(lines).toMatch(/shredBegun \(all objects\) +- +- +-/)
  })
})
