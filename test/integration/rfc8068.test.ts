import { expect } from 'vitest'

import type { RecordingDetails } from '../../src/server/database/queries.ts'
import { gapMsByLabel } from '../support/played-scenarios.ts'
import { describeScenarios, type ScenarioRow } from '../support/scenario-rows.ts'

const PAUSED_MS = 1_800

/** Every call flow of RFC 8068, played with SIPp; titles begin with its section. */
const [ADA, IRIS, BEN, DAO] = ['0', '1', '2', '3'].map((digit) => `sip:+1555011${digit}@example.com`) as [
  string,
  string,
  string,
  string,
]

const sessionEnds = ({ communicationSessions }: RecordingDetails): readonly string[] =>
  communicationSessions.map(({ stopTime }) => (stopTime === null ? 'open' : 'stopped')).toSorted()

const ROWS: readonly ScenarioRow[] = [
  {
    name: 'basic-two-streams',
    title: '3.2.1, two participants',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0] },
          { label: '2', people: [IRIS], voice: 1, captures: [0] },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'audio-and-video',
    title: '3.2.1, audio and video of both',
    recordings: [
      {
        streams: [
          { label: '96', people: [ADA], voice: 0, captures: [0] },
          { label: '98', people: [IRIS], voice: 1, captures: [0] },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'hold-resume',
    title: '3.2.2, hold of both',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0, 1], heldMs: 2900 },
          { label: '2', people: [IRIS], voice: 1, captures: [0, 1], heldMs: 2900 },
        ],
        snapshots: 3,
      },
    ],
  },
  {
    name: 'hold-one-side',
    title: '3.2.2, hold of one',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0, 1, 2] },
          { label: '2', people: [IRIS], voice: 1, captures: [0, 2], heldMs: 2000 },
        ],
        snapshots: 3,
      },
    ],
  },
  {
    name: 'participant-change',
    title: '3.2.3, transfer by re-INVITE',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0, 1] },
          { label: '2', people: [IRIS, BEN], voice: 1, captures: [0, 1] },
        ],
        snapshots: 2,
      },
    ],
  },
  {
    name: 'transfer-refer',
    title: '3.2.3, transfer by REFER: a second communication session in the same group',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0, 1] },
          { label: '2', people: [IRIS, BEN], voice: 1, captures: [0, 1] },
        ],
        snapshots: 2,
        also: ({ details }) => expect(sessionEnds(details)).toEqual(['open', 'stopped']),
      },
    ],
  },
  {
    name: 'bye-with-metadata',
    title: '3.2.4, BYE with the end of everything',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0] },
          { label: '2', people: [IRIS], voice: 1, captures: [0] },
        ],
        snapshots: 2,
        also: ({ details }) => expect(sessionEnds(details)).toEqual(['stopped']),
      },
    ],
  },
  {
    name: 'mixed-basic',
    title: '3.3.1 and 3.3.4, mixed by the SRC, BYE with the end of everything',
    recordings: [
      {
        streams: [{ label: '1', people: [ADA, IRIS], voice: 0, captures: [0] }],
        snapshots: 2,
        also: ({ details }) => expect(sessionEnds(details)).toEqual(['stopped']),
      },
    ],
  },
  {
    name: 'mixed-hold-resume',
    title: '3.3.2, mixed, hold and resume by UPDATE',
    recordings: [{ streams: [{ label: '1', people: [ADA, IRIS], voice: 0, captures: [0, 1, 2] }], snapshots: 3 }],
  },
  {
    name: 'mixed-join-leave',
    title: '3.3.3, mixed, one joins and one leaves',
    recordings: [{ streams: [{ label: '1', people: [ADA, IRIS, BEN], voice: 0, captures: [0, 1, 2] }], snapshots: 3 }],
  },
  {
    name: 'conference-separate',
    title: '3.3.3 without mixing, one joins on a line of its own and one leaves',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0, 1, 2] },
          { label: '2', people: [IRIS], voice: 1, captures: [0, 1], heldMs: 2000 },
          { label: '3', people: [BEN], voice: 2, captures: [1, 2] },
        ],
        snapshots: 3,
      },
    ],
  },
  {
    name: 'persistent',
    title: '3.4, two communication sessions, one after the other',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA, BEN], voice: 0, captures: [0, 1], heldMs: 1300 },
          { label: '2', people: [IRIS, DAO], voice: 1, captures: [0, 1], heldMs: 1300 },
        ],
        snapshots: 5,
        also: ({ details }) => expect(sessionEnds(details)).toEqual(['stopped', 'stopped']),
      },
    ],
  },
  {
    name: 'turret',
    title: '3.5, two communication sessions at a time, mixed',
    recordings: [
      {
        streams: [{ label: '1', people: [ADA, IRIS, BEN], voice: 0, captures: [0] }],
        snapshots: 1,
        also: ({ details }) => expect(sessionEnds(details)).toEqual(['open', 'open']),
      },
    ],
  },
  {
    name: 'delayed-offer',
    title: 'RFC 3261 13.2.1, metadata in the INVITE and the SDP answer in the ACK',
    recordings: [{ streams: [{ label: '1', people: [ADA, IRIS], voice: 0, captures: [0] }], snapshots: 1 }],
  },
  {
    name: 'recording-aware',
    title: 'RFC 7866 7.1.2, a=record:paused while RTP goes on',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0, 2] },
          { label: '2', people: [IRIS], voice: 1, captures: [0, 2] },
        ],
        snapshots: 3,
        incidents: ['paused', 'resumed'],
        also: (recording) => {
          for (const pausedMs of Object.values(gapMsByLabel(recording, 'paused'))) {
            expect(pausedMs).toBeGreaterThan(PAUSED_MS)
          }
        },
      },
    ],
  },
  {
    name: 'metadata-request',
    title: 'RFC 7866 9.2, the recorder asks for a complete snapshot',
    recordings: [
      {
        streams: [
          { label: '1', people: [ADA], voice: 0, captures: [0] },
          { label: '2', people: [IRIS], voice: 1, captures: [0] },
        ],
        snapshots: 2,
      },
    ],
  },
]

describeScenarios(ROWS)
