import { expect } from 'vitest'

import type { PlayedRecording } from '../support/played-scenarios.ts'
import { describeScenarios, type ScenarioRow } from '../support/scenario-rows.ts'

/** Each client of the dialect table plays its recording session with SIPp; then what was recorded is looked at from outside. */
const HELD_MS = 1_300

const groupOf = ({ details }: PlayedRecording): string | null | undefined => details.communicationSessions[0]?.csGroupId

const ROWS: readonly ScenarioRow[] = [
  {
    name: 'oracle',
    title: 'one line, the second joins later, hold of both',
    recordings: [
      {
        streams: [
          {
            label: '134217729',
            people: ['sip:+15550101@sbc.example.com'],
            voice: 0,
            captures: [0, 1, 2],
            heldMs: HELD_MS,
          },
          { label: '134217730', people: ['sip:15550102@sbc.example.com'], voice: 1, captures: [1, 2], heldMs: HELD_MS },
        ],
        snapshots: 4,
      },
    ],
  },
  {
    name: 'oracle-contact-centre',
    title: 'four lines, two communication sessions',
    recordings: [
      {
        streams: [
          { label: '134217733', people: ['sip:15550103@sbc.example.com'], voice: 0, captures: [0] },
          { label: '134217734', people: ['sip:ivr@cc.example.com'], voice: 1, captures: [0] },
          { label: '134217735', people: ['sip:ivr@cc.example.com'], voice: 2, captures: [0] },
          { label: '134217736', people: ['sip:agent7@cc.example.com'], voice: 3, captures: [0] },
        ],
        snapshots: 1,
        also: ({ details }) => expect(details.communicationSessions).toHaveLength(2),
      },
    ],
  },
  {
    name: 'audiocodes',
    title: 'bare line feeds, hold, two video lines at the end',
    recordings: [
      {
        streams: [
          { label: '1', people: ['15550111@192.0.2.20'], voice: 0, captures: [0, 1], heldMs: HELD_MS },
          { label: '2', people: ['15550112@192.0.2.20'], voice: 1, captures: [0, 1], heldMs: HELD_MS },
        ],
        snapshots: 3,
      },
    ],
  },
  {
    name: 'cisco-cube',
    title: 'a first offer that is all inactive, hold, another codec, metadata in BYE',
    recordings: [
      {
        streams: [
          { label: '1', people: ['sip:15550121@192.0.2.31'], voice: 0, captures: [0, 1], heldMs: HELD_MS },
          { label: '2', people: ['sip:15550122@192.0.2.32'], voice: 1, captures: [0, 1], heldMs: HELD_MS },
        ],
        snapshots: 5,
        also: ({ details }) => expect(details.communicationSessions[0]?.stopTime).toMatch(/Z$/),
      },
    ],
  },
  {
    name: 'cisco-cube-transfer',
    title: 'a transfer under a session id that nobody knows',
    recordings: [
      {
        streams: [
          { label: '1', people: ['sip:15550123@192.0.2.31'], voice: 0, captures: [0, 1] },
          { label: '2', people: ['sip:15550124@192.0.2.32', 'sip:15550125@192.0.2.33'], voice: 1, captures: [0, 1] },
        ],
        snapshots: 3,
      },
    ],
  },
  {
    name: 'cisco-phone',
    title: 'a dialog for each end, no sign of SIPREC, no SDP in the INVITE',
    recordings: [
      {
        streams: [{ label: '1', people: ['15550132'], voice: 0, captures: [0] }],
        snapshots: 1,
        also: ({ details }) => expect(details.src).toBe('phones'),
      },
      {
        streams: [{ label: '1', people: ['15550131'], voice: 1, captures: [1] }],
        snapshots: 1,
        also: ({ details }) => expect(details.src).toBe('phones'),
      },
    ],
  },
  {
    name: 'avaya-sbce',
    title: 'one line for two streams, UPDATE with nothing but metadata, the second line later',
    recordings: [
      {
        streams: [
          { label: '10', people: ['sip:15550131@example.com'], voice: 0, captures: [0, 1] },
          { label: '20', people: ['sip:15550133@example.com'], voice: 1, captures: [1] },
        ],
        snapshots: 3,
      },
    ],
  },
  {
    name: 'ribbon',
    title: 'no closing boundary, hold of one line, partial metadata in BYE',
    recordings: [
      {
        streams: [
          { label: '1', people: ['15550141@192.0.2.62'], voice: 0, captures: [0, 1, 2] },
          { label: '2', people: ['15550142@192.0.2.63'], voice: 1, captures: [0, 2], heldMs: 2_000 },
        ],
        snapshots: 4,
      },
    ],
  },
  {
    name: 'metaswitch',
    title: 'one mixed line, hold by address 0.0.0.0, BYE and a new INVITE for a transfer',
    recordings: [
      {
        streams: [
          {
            label: '1',
            people: ['sip:15550151@example.com', 'sip:15550152@example.com'],
            voice: 0,
            captures: [0, 1],
            heldMs: HELD_MS,
          },
        ],
        snapshots: 3,
      },
      {
        streams: [
          { label: '1', people: ['sip:15550151@example.com', 'sip:15550153@example.com'], voice: 0, captures: [2] },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'broadworks',
    title: 'metadata before SDP, labels that do not match, pause without metadata',
    recordings: [
      {
        streams: [
          { label: '5', people: ['sip:15550161@example.com;user=phone'], voice: 0, captures: [0, 1], heldMs: HELD_MS },
          { label: '6', people: ['tel:+15550162'], voice: 1, captures: [0, 1], heldMs: HELD_MS },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'broadworks-conference',
    title: 'five people on one line',
    recordings: [
      {
        streams: [
          {
            label: '5',
            people: [3, 4, 5, 6, 7].map((digit) => `sip:1555016${digit}@example.com;user=phone`),
            voice: 0,
            captures: [0],
          },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'netsapiens',
    title: 'BYE and a new INVITE with the same group, the same ids for other people',
    recordings: [
      {
        streams: [
          { label: '1', people: ['sip:user1@pbx.example.com'], voice: 0, captures: [0] },
          { label: '2', people: ['sip:user2@pbx.example.com'], voice: 1, captures: [0] },
        ],
        snapshots: 1,
        also: (recording) => expect(groupOf(recording)).toMatch(/^20261123120000\d+-abcdef$/),
      },
      {
        streams: [
          { label: '1', people: ['sip:user1@pbx.example.com'], voice: 0, captures: [1] },
          { label: '2', people: ['sip:user3@pbx.example.com'], voice: 1, captures: [1] },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'opensips',
    title: 'no stream in the metadata, labels from 0, unescaped names',
    recordings: [
      {
        streams: [
          { label: '0', people: ['sip:15550181@example.com'], voice: 0, captures: [0, 1], heldMs: HELD_MS },
          { label: '1', people: ['sip:15550182@example.com'], voice: 1, captures: [0, 1], heldMs: HELD_MS },
        ],
        snapshots: 3,
        also: ({ details }) =>
          expect(details.participants.flatMap(({ aors }) => aors.map(({ name }) => name))).toContain('Eve & <Partner>'),
      },
    ],
  },
  {
    name: 'jambonz',
    title: 'no closing boundary, pause and resume with plain SDP',
    recordings: [
      {
        streams: [
          { label: '1', people: ['sip:15550191@example.com'], voice: 0, captures: [0, 1], heldMs: HELD_MS },
          { label: '2', people: ['sip:15550192@example.com'], voice: 1, captures: [0, 1], heldMs: HELD_MS },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'google',
    title: 'SRTP with AEAD_AES_256_GCM, labels under another name, no feature tag',
    recordings: [
      {
        streams: [
          { label: 'customer', people: ['sip:15550201@example.com'], voice: 0, captures: [0] },
          { label: 'agent', people: ['sip:15550202@example.com'], voice: 1, captures: [0] },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'nena',
    title: 'two audio lines out of eight lines',
    recordings: [
      {
        streams: [
          { label: '1', people: ['sip:15550211@example.com'], voice: 0, captures: [0] },
          { label: '2', people: ['sip:psap@example.com'], voice: 1, captures: [0] },
        ],
        snapshots: 1,
      },
    ],
  },
  {
    name: 'procomm',
    title: 'labels that are words, no last boundary',
    recordings: [
      {
        streams: [
          { label: 'a_leg', people: ['sip:15550221@example.com'], voice: 0, captures: [0] },
          { label: 'b_leg', people: ['sip:15550222@example.com'], voice: 1, captures: [0] },
        ],
        snapshots: 1,
      },
    ],
  },
]

describeScenarios(ROWS)
