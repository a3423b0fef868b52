import { describe, expect, it } from 'vitest'

import {
  CONTROL_HEADERS,
  pauses,
  readControlRequest,
} from '../../../../src/protocol/siprec/recording-control-requests.ts'
import { acceptsSnapshotRequest, buildSnapshotRequest } from '../../../../src/protocol/siprec/snapshot-request.ts'
import { parseXmlTree } from '../../../../src/protocol/siprec/xml-tree.ts'

const reading = (headers: Readonly<Record<string, string>>) => {
  const known = new Map(Object.entries(headers))
  return readControlRequest((name) => known.get(name))
}

describe('a header that controls the recording', () => {
  it.each([
    [{ 'x-ac-action': 'pause-siprec;recording-ip-group=SRS-SiteA,SRS-SiteB' }, 'pause'],
    [{ 'x-ac-action': 'resume-siprec' }, 'resume'],
    [{ 'x-ac-action': 'stop-siprec ; recorded-side=peer' }, 'stop'],
    [{ 'x-reason': 'startCallRecording' }, 'start'],
    [{ record: ' ON ' }, 'start'],
    [{ 'x-recording': '"paused"' }, 'pause'],
    [{ record: 'maybe', 'x-record': 'off' }, 'stop'],
  ] as const)('%o means %s', (headers, action) => {
    expect(reading(headers)).toBe(action)
  })

  it.each([
    {},
    { record: '' },
    { record: 'constructor' },
    { 'x-ac-action': 'test-voice-quality' },
    { 'x-other': 'pause' },
  ])('%o means nothing', (headers) => {
    expect(reading(headers)).toBeUndefined()
  })

  it('stops what pauses and stops, and says where it is known from', () => {
    expect((['pause', 'stop', 'resume', 'start'] as const).map(pauses)).toEqual([true, true, false, false])
    for (const { header, source } of CONTROL_HEADERS) {
      expect(header).toBe(header.toLowerCase())
      expect(source).not.toBe('')
    }
  })
})

describe('the request for a complete snapshot', () => {
  it.each([
    [['application/sdp, application/rs-metadata-request'], true],
    [['application/sdp', ' Application/RS-Metadata-Request;q=0.5'], true],
    [['application/sdp, application/rs-metadata'], false],
    [[], false],
  ])('may be sent to an SRC that accepts %o: %s', (accept, isPossible) => {
    expect(acceptsSnapshotRequest(accept)).toBe(isPossible)
  })

  it('is the document of RFC 7865, in no session description', () => {
    const { body, contentType, headers } = buildSnapshotRequest('A partial snapshot came first')
    expect(contentType).toBe('application/rs-metadata-request')
    expect(headers).toContainEqual(['Content-Disposition', 'recording-session'])
    const tree = parseXmlTree(new TextDecoder().decode(body))
    expect(tree).toMatchObject({
      ok: true,
      value: { repaired: false, root: { localName: 'requestsnapshot', children: [{ localName: 'requestreason' }] } },
    })
  })
})
