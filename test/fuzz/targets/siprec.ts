import type { MetadataSnapshot } from '../../../src/protocol/siprec/metadata.ts'
import { AttributionHistory } from '../../../src/protocol/siprec/attribution-history.ts'
import { snapshotCorrelation } from '../../../src/protocol/siprec/correlation.ts'
import { MetadataState } from '../../../src/protocol/siprec/metadata-state.ts'
import { PARTS_MAX, splitBody } from '../../../src/protocol/siprec/multipart.ts'
import { recogniseDialect } from '../../../src/protocol/siprec/recognise-dialect.ts'
import { readMetadataBody, readRecordingRequest } from '../../../src/recorder/recording-request.ts'
import { readVector } from '../../unit/protocol/siprec/vectors.ts'
import { type FuzzTarget, invariant } from '../target.ts'

const CLIENTS = [
  'audiocodes',
  'avaya',
  'broadworks',
  'broadworks-mixed',
  'cube',
  'google',
  'jambonz',
  'metaswitch',
  'nena',
  'netsapiens',
  'opensips',
  'oracle',
  'oracle-headers',
  'procomm',
  'ribbon',
  'ribbon-crossed',
]

/** Content-Type in the first line, then the body: one input. */
export const siprec: FuzzTarget = {
  name: 'siprec',
  corpus: CLIENTS.map((client) => {
    const { contentType, body } = readVector(client)
    return Buffer.concat([Buffer.from(`${contentType}\n`), body])
  }),
  dictionary: [
    'multipart/mixed;boundary=b',
    ';boundary="b"',
    ';boundary=',
    '--b\r\n',
    '--b--',
    '\r\n--b',
    'Content-Type: application/sdp\r\n\r\n',
    'Content-Type: application/rs-metadata+xml\r\n\r\n',
    'Content-Type: multipart/mixed;boundary=c\r\n\r\n',
    'Content-Length: 3\r\n',
    '<recording xmlns="urn:ietf:params:xml:ns:recording:1">',
    '</recording>',
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<a>',
    '</a>',
    '<a b="c"/>',
    '&b;',
    '&#0;',
    '&#x110000;',
    '&amp;',
    '<datamode>partial</datamode>',
    '<participant participant_id="p">',
    '<stream stream_id="s" session_id="x"><label>1</label></stream>',
    '<participantstreamassoc participant_id="p"><send>s</send></participantstreamassoc>',
    '<disassociate-time>2026-11-23T10:00:00Z</disassociate-time>',
    'xmlns:a="b" ',
    '\ufeff',
  ],
  run(input) {
    const feed = input.indexOf(0x0a)
    const contentType = Buffer.from(input.subarray(0, Math.max(0, feed))).toString('latin1')
    const body = input.subarray(feed + 1)
    const split = splitBody(contentType, body)
    if (split.ok) {
      invariant(split.value.length <= PARTS_MAX, 'no more parts than allowed')
      invariant(
        split.value.every((part) => part.body.buffer === body.buffer),
        'a part is a view of the body',
      )
      invariant(split.value.reduce((bytes, part) => bytes + part.body.length, 0) <= body.length, 'parts do not overlap')
    }
    // Metadata is read once, as in the recorder: with its offer, or without one.
    const request = readRecordingRequest({ contentType, body, require: [], contact: undefined, knownRecording: true })
    const metadata = request.ok ? request.value.metadata : readMetadataBody(contentType, body)
    if (metadata?.snapshot !== undefined) checkSnapshot(metadata.snapshot, body.length)
  },
}

function checkSnapshot(snapshot: MetadataSnapshot, bytes: number): void {
  const state = new MetadataState()
  state.apply(snapshot)
  state.apply(snapshot)
  const history = new AttributionHistory([{ streamId: '0', line: { label: '1', index: 0, labels: ['1', '2'] } }])
  history.apply(snapshot, new Date(0))
  void snapshotCorrelation(snapshot)
  void recogniseDialect({ headers: { header: () => undefined, headers: () => [] }, sdp: undefined, snapshot })
  invariant(
    JSON.stringify(snapshot.participants).length <= 40 * bytes + 1_000,
    'what is read is not much more than what was sent',
  )
}
