import { describe, expect, test } from 'vitest'
import { readVector, textOf, valueOf, type InviteVector } from './vectors.ts'
import { buildAnswer, selectPayloadTypes } from '../../../../src/protocol/sdp/answer.ts'
import { masterKeyBytes } from '../../../../src/protocol/sdp/crypto-attribute.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import type { SessionDescription } from '../../../../src/protocol/sdp/session-description.ts'
import { isRecordingRequest } from '../../../../src/protocol/siprec/detect.ts'
import { MetadataState } from '../../../../src/protocol/siprec/metadata-state.ts'
import type { MetadataSnapshot } from '../../../../src/protocol/siprec/metadata.ts'
import { isMetadataType, splitBody, type BodyPart } from '../../../../src/protocol/siprec/multipart.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

/** What must come out of a client's first INVITE; lines are m-lines. */
interface Expected {
  readonly labels: readonly (string | undefined)[]
  /** Payload types answered on each line; none means the line is refused. */
  readonly payloadTypes: readonly (readonly number[])[]
  /** Addresses of those heard on each line. */
  readonly heard: readonly (readonly string[])[]
  readonly repaired?: boolean
}

const DIALECTS: readonly (readonly [string, Expected])[] = [
  [
    'oracle',
    {
      labels: ['134217729', '134217730'],
      payloadTypes: [
        [0, 18, 101],
        [0, 18, 101],
      ],
      heard: [['sip:+15550101@sbc.example.com'], ['sip:15550102@sbc.example.com']],
      repaired: true,
    },
  ],
  [
    'audiocodes',
    {
      labels: ['1', '2'],
      payloadTypes: [
        [8, 96],
        [8, 96],
      ],
      heard: [['15550111@192.0.2.20'], ['15550112@192.0.2.20']],
    },
  ],
  [
    'cube',
    {
      labels: ['1', '2', '3'],
      payloadTypes: [[0, 101, 19], [0, 101, 19], []],
      heard: [['sip:15550121@192.0.2.31'], ['sip:15550122@192.0.2.32'], []],
    },
  ],
  ['avaya', { labels: ['10'], payloadTypes: [[0, 101]], heard: [['sip:15550131@example.com']] }],
  [
    'ribbon',
    {
      labels: ['1', '2'],
      payloadTypes: [
        [8, 101],
        [8, 101],
      ],
      heard: [['15550141@192.0.2.62'], ['15550142@192.0.2.63']],
    },
  ],
  [
    'metaswitch',
    { labels: ['1'], payloadTypes: [[8, 2, 101]], heard: [['sip:15550151@example.com', 'sip:15550152@example.com']] },
  ],
  [
    'broadworks',
    {
      labels: ['5', '6'],
      payloadTypes: [
        [0, 101],
        [0, 101],
      ],
      heard: [['sip:15550161@example.com;user=phone'], ['tel:+15550162']],
    },
  ],
  [
    'broadworks-mixed',
    {
      labels: ['5'],
      payloadTypes: [[8, 101]],
      heard: [
        [
          'sip:15550163@example.com',
          'sip:15550164@example.com;user=phone',
          'tel:+15550165',
          'tel:+15550166',
          'tel:+15550167',
        ],
      ],
    },
  ],
  [
    'ribbon-crossed',
    {
      labels: ['1', '2'],
      payloadTypes: [[0], [0]],
      heard: [['15550144@192.0.2.63'], ['15550143@192.0.2.62']],
    },
  ],
  [
    'oracle-headers',
    {
      labels: ['553654187', '553654188'],
      payloadTypes: [
        [0, 18, 101],
        [18, 101],
      ],
      heard: [['sip:15550103@192.0.2.11'], ['sip:15550104@192.0.2.12']],
      repaired: true,
    },
  ],
  [
    'netsapiens',
    {
      labels: ['1', '2'],
      payloadTypes: [
        [0, 101],
        [0, 101],
      ],
      heard: [['sip:user1@pbx.example.com'], ['sip:user2@pbx.example.com']],
    },
  ],
  [
    'opensips',
    {
      labels: ['0', '1'],
      payloadTypes: [
        [8, 0, 101],
        [8, 0, 101],
      ],
      heard: [['sip:15550181@example.com'], ['sip:15550182@example.com']],
      repaired: true,
    },
  ],
  [
    'jambonz',
    {
      labels: ['1', '2'],
      payloadTypes: [
        [0, 101],
        [0, 101],
      ],
      heard: [['sip:15550191@example.com'], ['sip:15550192@example.com']],
    },
  ],
  [
    'google',
    {
      labels: ['customer', 'agent'],
      payloadTypes: [[0], [0]],
      heard: [['sip:15550201@example.com'], ['sip:15550202@example.com']],
    },
  ],
  [
    'nena',
    {
      labels: ['1', '2', '3', '4', '5', '6', '7', '8'],
      payloadTypes: [[0], [0], [], [], [], [], [], []],
      heard: [
        ['sip:15550211@example.com'],
        ['sip:psap@example.com'],
        ['sip:15550211@example.com'],
        ['sip:psap@example.com'],
        ...[[], [], [], []],
      ],
    },
  ],
  [
    'procomm',
    {
      labels: ['a_leg', 'b_leg'],
      payloadTypes: [
        [8, 101],
        [8, 101],
      ],
      heard: [['sip:15550221@example.com'], ['sip:15550222@example.com']],
    },
  ],
]

interface Read {
  readonly offer: SessionDescription
  readonly snapshot: MetadataSnapshot
  readonly parts: readonly BodyPart[]
}

function read(vector: InviteVector): Read {
  const parts = valueOf(splitBody(vector.contentType, vector.body))
  const sdp = parts.find(({ contentType }) => contentType === 'application/sdp')!
  const metadata = parts.find(({ contentType }) => isMetadataType(contentType))!
  return { offer: valueOf(parseSdp(sdp.body)), snapshot: valueOf(parseMetadata(metadata.body)), parts }
}

describe.each(DIALECTS)('the first INVITE of %s', (name, expected) => {
  const vector = readVector(name)
  const { offer, snapshot, parts } = read(vector)

  test('is recognised as a recording session', () => {
    const hasMetadataPart = parts.some(({ contentType }) => isMetadataType(contentType))
    expect(isRecordingRequest({ require: vector.require, contact: vector.contact, hasMetadataPart })).toBe(true)
  })

  test('has the labels and the payload types we can record', () => {
    expect(offer.media.map(({ label }) => label)).toEqual(expected.labels)
    expect(offer.media.map(selectPayloadTypes)).toEqual(expected.payloadTypes)
  })

  test('is answered with as many lines, the same labels and nothing that was not offered', () => {
    const lines = offer.media.map((media, index) => ({
      port: 20_000 + 2 * index,
      payloadTypes: selectPayloadTypes(media),
      direction: 'recvonly' as const,
      ...(media.crypto.usable[0] && { masterKey: new Uint8Array(masterKeyBytes(media.crypto.usable[0].suite)) }),
    }))
    const bytes = buildAnswer({ offer, lines, address: '198.51.100.1', sessionId: '1', sessionVersion: 1 })
    const answer = valueOf(parseSdp(bytes))
    expect(answer.media.map(({ type, label, protocol }) => ({ type, label, protocol }))).toEqual(
      offer.media.map(({ type, label, protocol }) => ({ type, label, protocol })),
    )
    for (const [index, media] of answer.media.entries()) {
      const accepted = expected.payloadTypes[index]!
      const isRefused = accepted.length === 0 || offer.media[index]!.port === 0
      expect(media.port).toBe(isRefused ? 0 : 20_000 + 2 * index)
      if (!isRefused) expect(media.formats.map(Number)).toEqual(accepted)
      if (!isRefused)
        expect(media.direction).toBe(offer.media[index]!.direction === 'inactive' ? 'inactive' : 'recvonly')
    }
  })

  test('tells who is heard on each line', () => {
    const state = new MetadataState()
    state.apply(snapshot)
    const labels = offer.media.map(({ label }) => label)
    const heard = labels.map((label, index) => state.participantsFor(label, index, labels))
    expect(heard.map((participants) => participants.map(({ aors }) => aors[0]?.aor))).toEqual(expected.heard)
    expect(snapshot.repaired).toBe(expected.repaired ?? false)
    expect(snapshot.dataMode).toBe('complete')
  })
})

describe('what is particular to a client', () => {
  const extension = (snapshot: MetadataSnapshot, end: string) =>
    snapshot.extensions.find(({ path }) => path.endsWith(end))

  test('Oracle: an unescaped address and ampersand lose nothing, and times without zone are read as UTC', () => {
    const { snapshot } = read(readVector('oracle'))
    expect(snapshot.participants[0]?.aors).toEqual([{ aor: 'sip:+15550101@sbc.example.com', name: 'Smith & Sons' }])
    expect(extension(snapshot, '/request-uri')?.text).toBe('"Front Desk" <sip:15550102@sbc.example.com;user=phone>')
    expect(extension(snapshot, '/ucid')).toMatchObject({
      text: '00FA08040019365BDA8C12;encoding=hex',
      namespace: 'http:/acmepacket.com/siprec/extensiondata',
      ownerId: 'RkIYc2zmQhNaWOoyGMzC0A==',
    })
    const [session] = snapshot.communicationSessions
    expect(session?.startTime).toEqual({
      text: '2026-11-23T08:15:22',
      at: new Date('2026-11-23T08:15:22Z'),
      zoneAssumed: true,
    })
  })

  test('AudioCodes: the UCID is kept although its prefix was never declared', () => {
    const { snapshot } = read(readVector('audiocodes'))
    expect(extension(snapshot, 'AvayaUCID')).toMatchObject({
      prefix: 'ac',
      namespace: undefined,
      text: 'FA080030C4E34B5B9E59',
    })
    expect(snapshot.communicationSessions[0]?.csGroupId).toBe('00000000-0000-0000-0000-00004a3a1eef')
  })

  test('Avaya: ids match with and without urn:uuid, in upper and lower case', () => {
    const { snapshot } = read(readVector('avaya'))
    expect(snapshot.communicationSessions[0]?.csId).toBe('0c5b7f2a-1111-4222-8333-94445555aaaa')
    expect(snapshot.mediaStreams.map(({ streamId, label }) => [streamId, label])).toEqual([
      ['0c5b7f2a-0000-4222-8333-00000000000a', '10'],
      ['', '20'],
    ])
  })

  test('Ribbon: a blank name is no name, and call data of its own namespace is kept', () => {
    const { snapshot } = read(readVector('ribbon'))
    expect(snapshot.participants[0]?.aors).toEqual([{ aor: '15550141@192.0.2.62' }])
    expect(snapshot.communicationSessions[0]?.startTime?.at).toEqual(new Date(0))
    expect(extension(snapshot, '/ingress')?.attributes).toEqual([{ name: 'tg', value: 'TG_A' }])
  })

  test('Metaswitch: the id of the recording and an extension without a namespace are kept', () => {
    const { snapshot } = read(readVector('metaswitch'))
    expect(extension(snapshot, 'recording')?.attributes).toEqual([
      { name: 'id', value: 'c3f1e8aa-9d0e-4a2c-8a51-6f5a44f0a001' },
    ])
    expect(extension(snapshot, 'extension/serviceType')).toMatchObject({ text: 'incoming', namespace: undefined })
  })

  test('BroadWorks: the metadata part comes first, and the labels of SDP and metadata differ', () => {
    const { parts, snapshot } = read(readVector('broadworks'))
    expect(parts.map(({ contentType }) => contentType)).toEqual(['application/rs-metadata+xml', 'application/sdp'])
    expect(extension(snapshot, '/userid')?.text).toBe('agent@example.com')
    const state = new MetadataState()
    state.apply(snapshot)
    expect(state.attributionFor({ label: '5', index: 0, labels: ['5', '6'] }).basis).toBe('order')
  })

  test('BroadWorks: call data says which session it belongs to, and a `recording` inside the root is not the root', () => {
    const { snapshot } = read(readVector('broadworks-mixed'))
    expect(snapshot.communicationSessions[0]?.csGroupId).toBe('33333333-0000-4000-8000-000000000002')
    expect(extension(snapshot, '/extTrackingID')).toMatchObject({
      text: '8028549:1',
      ownerId: '33333333-0000-4000-8000-000000000003',
      namespace: 'http://schema.broadsoft.com/broadworksCallRecording',
    })
    expect(extension(snapshot, 'recording/type')?.text).toBe('selective')
    expect(extension(snapshot, 'group')?.attributes).toEqual([
      { name: 'recording', value: 'urn:uuid:33333333-0000-4000-8000-000000000001' },
    ])
  })

  test('NetSapiens: the real numbers stand directly under the root', () => {
    const { snapshot } = read(readVector('netsapiens'))
    expect(extension(snapshot, 'numbers/orig')?.text).toBe('+15550171')
    expect(extension(snapshot, 'group/sequence')).toMatchObject({ text: '2', ownerId: '20261123120000012345-abcdef' })
  })

  test('OpenSIPS: names with unescaped markup are read, and custom data in the group is kept', () => {
    const { snapshot } = read(readVector('opensips'))
    expect(snapshot.participants[0]?.aors[0]?.name).toBe('Eve & <Partner>')
    expect(extension(snapshot, 'group/customer')?.text).toBe('A & B <Ltd>')
    expect(snapshot.sessionRecordings[0]?.associateTime?.at).toEqual(new Date('2026-11-23T13:00:00Z'))
    expect(snapshot.communicationSessions[0]?.sipSessionIds).toEqual([
      'a1b2c3d4e5f60718293a4b5c6d7e8f90;remote=00000000000000000000000000000000',
    ])
  })

  test('Cisco phones send no sign of SIPREC: their source must be forced by configuration', () => {
    const vector = readVector('cisco-phone')
    const parts = valueOf(splitBody(vector.contentType, vector.body))
    expect(isRecordingRequest({ ...vector, hasMetadataPart: false })).toBe(false)
    const offer = valueOf(parseSdp(parts[0]!.body))
    expect(offer.media[0]?.label).toBeUndefined()
    expect(selectPayloadTypes(offer.media[0]!)).toEqual([0])
    expect(textOf(parts[0]!.body).startsWith('v=0\r\n')).toBe(true)
  })
})
