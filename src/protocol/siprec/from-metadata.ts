import { parametersIn, HEADER_TEXT_MAX } from './dialog-facts.ts'
import type { MetadataSnapshot, Participant } from './metadata.ts'

/** The media stream of a dialog that carries one side; it has no label, so it is the m-line in the first place. */
const STREAM_ID = 'forked'

/**
 * The metadata of a Cisco phone that forks its media: there is no document, but the URI in From says which side the dialog carries and who
 * both are (`x-nearend` or `x-farend`, `x-refci`, `x-nearendaddr`, `x-farendaddr`, `x-sessionid`).
 *
 * Undefined when From says none of that. `raw` is the value it was read from: the document, as far as this dialect has one.
 */
export function readFromMetadata(
  from: string,
): { readonly raw: Uint8Array; readonly snapshot: MetadataSnapshot } | undefined {
  if (from.length > HEADER_TEXT_MAX) return undefined
  const parameters = parametersIn(from)
  const isFar = parameters.has('x-farend')
  const reference = parameters.get('x-refci') ?? ''
  if ((!isFar && !parameters.has('x-nearend')) || reference === '') return undefined
  const near = participant('near', parameters.get('x-nearendaddr') ?? userOf(from), parameters.get('x-nearenddevice'))
  const far = participant('far', parameters.get('x-farendaddr') ?? '', parameters.get('x-farenddevice'))
  const sender = isFar ? far : near
  const sipSessionId = parameters.get('x-sessionid')
  const snapshot: MetadataSnapshot = {
    dataMode: 'complete',
    root: { localName: 'From', prefix: '', namespace: undefined },
    groups: [],
    communicationSessions: [{ csId: reference, sipSessionIds: sipSessionId === undefined ? [] : [sipSessionId] }],
    participants: [near, far],
    mediaStreams: [{ streamId: STREAM_ID, csId: reference }],
    sessionRecordings: [],
    participantSessions: [near, far].map(({ participantId }) => ({ participantId, csId: reference })),
    associations: [{ participantId: sender.participantId, sends: [STREAM_ID], receives: [] }],
    extensions: vendorParameters(parameters),
    repaired: false,
    droppedCount: 0,
  }
  return { raw: new TextEncoder().encode(from), snapshot }
}

function participant(participantId: string, address: string, device: string | undefined): Participant {
  const name = device === undefined || device === '' ? {} : { name: device }
  const aors = address === '' && device === undefined ? [] : [{ aor: address, ...name }]
  return { participantId, aors, csIds: [] }
}

/** The user of the URI in a From value; '' when it has none. */
function userOf(from: string): string {
  const start = from.search(/\bsips?:/i)
  const at = from.indexOf('@', start)
  return start < 0 || at < 0 ? '' : from.slice(from.indexOf(':', start) + 1, at).split(';', 1)[0] ?? ''
}

function vendorParameters(parameters: ReadonlyMap<string, string>): MetadataSnapshot['extensions'] {
  return [...parameters]
    .filter(([name]) => name.startsWith('x-'))
    .map(([name, text]) => ({ path: `From/${name}`, prefix: '', namespace: undefined, text, attributes: [] }))
}
