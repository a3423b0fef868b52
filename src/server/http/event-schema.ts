import { Type, type Static } from 'typebox'

import { STREAM_FLAGS } from '../../recorder/stream-watch.ts'

/**
 * What `GET /api/v1/events` sends: the name of a server-sent event, and its data. Ids, sources, labels and our own words; never who,
 * never a number or a name.
 */
const time = Type.String({ description: 'RFC 3339.' })
const samples = Type.Integer({ minimum: 0, description: 'Position on the recording timeline, samples at 48 kHz.' })
const about = {
  rsId: Type.String(),
  recordingId: Type.String(),
  src: Type.String({ description: 'Configured name of the SRC, or other.' }),
  at: time,
}
const stream = {
  streamId: Type.String(),
  streamLabel: Type.String({ description: 'The label of the media stream in SDP.' }),
}
const levelDbov = Type.Number({
  description: 'RMS of the last 200 ms that were recorded, relative to overload; -127 is digital silence. RFC 6464 3',
})

export const EVENT_SCHEMAS = {
  'recording-session': Type.Object({
    ...about,
    state: Type.Enum(['opening', 'answered', 'recording', 'closing', 'closed'], {
      description: 'closed: its manifest is stored, or it came to nothing.',
    }),
    outcome: Type.Optional(Type.String({ description: 'Why it ended, with closed.' })),
  }),
  pause: Type.Object({ ...about, paused: Type.Boolean(), by: Type.String({ description: 'src, api or consent.' }) }),
  consent: Type.Object({
    ...about,
    consent: Type.String({ description: 'agreed, notified, notRequired, missing, refused, withdrawn or unknown.' }),
    wanted: Type.Boolean({
      description: 'It is missing while the recording goes on, and somebody is to know; else the recording is over.',
    }),
  }),
  'stream-flag': Type.Object({
    ...about,
    ...stream,
    flag: Type.Enum([...STREAM_FLAGS]),
    raised: Type.Boolean(),
    atSample: Type.Optional(samples),
  }),
  incident: Type.Object({ ...about, code: Type.String(), detail: Type.String(), atSample: Type.Optional(samples) }),
  levels: Type.Object({
    at: time,
    recordingSessions: Type.Array(
      Type.Object({ rsId: Type.String(), streams: Type.Array(Type.Object({ ...stream, levelDbov })) }),
    ),
  }),
  missed: Type.Object(
    { at: time },
    { description: 'Events after Last-Event-ID that are not kept any more were missed.' },
  ),
} as const

export type EventName = keyof typeof EVENT_SCHEMAS
export type EventData<Name extends EventName> = Static<(typeof EVENT_SCHEMAS)[Name]>

/** Tells an event to whoever wants to know. Must not throw. */
export type PublishEvent = <Name extends Exclude<EventName, 'levels' | 'missed'>>(
  name: Name,
  data: EventData<Name>,
) => void
