import { describe, expect, test } from 'vitest'
import { bytesOf, readVector, valueOf } from './vectors.ts'
import {
  isUnmistakable,
  parseGuid,
  parseUcid,
  readCorrelationValue,
  sessionIdHalves,
} from '../../../../src/protocol/siprec/correlation-values.ts'
import {
  CORRELATION_IDS_MAX,
  correlationForms,
  headerCorrelation,
  snapshotCorrelation,
} from '../../../../src/protocol/siprec/correlation.ts'
import type { HeaderLookup } from '../../../../src/protocol/siprec/dialog-facts.ts'
import { isMetadataType, splitBody } from '../../../../src/protocol/siprec/multipart.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

const lookup = (...lines: readonly (readonly [name: string, value: string])[]): HeaderLookup => {
  const all = (name: string): readonly string[] =>
    lines.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  return { header: (name) => all(name)[0], headers: all }
}
const ofHeader = (name: string, ...values: readonly string[]): readonly string[] =>
  headerCorrelation(lookup(...values.map((value) => [name, value] as const))).map(
    ({ kind, value }) => `${kind} ${value}`,
  )
const ofMetadata = (xml: string): readonly string[] =>
  snapshotCorrelation(valueOf(parseMetadata(bytesOf(`<recording>${xml}</recording>`)))).map(
    ({ kind, value }) => `${kind} ${value}`,
  )
const ofVector = (name: string): readonly string[] => {
  const { contentType, body } = readVector(name)
  const part = valueOf(splitBody(contentType, body)).find((each) => isMetadataType(each.contentType))!
  return snapshotCorrelation(valueOf(parseMetadata(part.body))).map(({ kind, value }) => `${kind} ${value}`)
}

describe('a UCID is 20 decimal digits, however it is written', () => {
  // node 1, sequence 6207, second 1351848269
  test.each([
    ['digits', '00001062071351848269'],
    ['its octets', '0001183F5093914D'],
    ['its octets in lower case', '0001183f5093914d'],
    ['tagged', 'FA080001183F5093914D'],
    ['tagged, behind a protocol discriminator', '00FA080001183F5093914D'],
    ['behind another discriminator', '04FA080001183F5093914D'],
    ['among other data', '00C80412345678FA080001183F5093914D'],
    ['before other data', '04FA080001183F5093914DC802ABCD'],
    ['with a hexadecimal sign', '0x0001183F5093914D'],
  ])('%s', (_, text) => expect(parseUcid(text)).toBe('00001062071351848269'))

  test.each(['', 'FA08', 'FA080001183F5093914', '00FA070001183F509391', 'not hex', '0001062071351848269', 'C8041234'])(
    'and %j is none',
    (text) => expect(parseUcid(text)).toBeUndefined(),
  )
})

describe('a GUID is 32 hexadecimal digits, however it is written', () => {
  const GUID = '0c0d5588129711e6802ed57225290221'
  test.each([
    ['as Cisco writes it in SIP', '0202200456-0311890406-2150552946-0623444513'],
    ['without leading zeros, with blanks', '202200456 - 311890406 - 2150552946 - 623444513'],
    ['as a Call-ID of Cisco', '0C0D5588-129711E6-802ED572-25290221'],
    ['as a UUID', '0C0D5588-1297-11E6-802E-D57225290221'],
    ['in braces', '{0c0d5588-1297-11e6-802e-d57225290221}'],
    ['bare', '0C0D5588129711E6802ED57225290221'],
    ['as a URN', 'urn:uuid:0c0d5588-1297-11e6-802e-d57225290221'],
  ])('%s', (_, text) => expect(parseGuid(text)).toBe(GUID))

  test.each(['', '1-2-3', '4294967296-1-2-3', '0202200456-0311890406-2150552946', 'x'.repeat(32)])(
    'and %j is none',
    (text) => expect(parseGuid(text)).toBeUndefined(),
  )
})

describe('a Session-ID is two halves', () => {
  const [A, B] = ['ab30317f1a784dc48ff824d0d3715d86', '47755a9de7794ba387653f2099600ef2']

  test('in either order, in any case, with hyphens or without', () => {
    expect(sessionIdHalves(`${A};remote=${B}`)).toEqual([A, B])
    expect(sessionIdHalves(`${B.toUpperCase()} ; Remote = ${A}`)).toEqual([B, A])
    expect(sessionIdHalves('ab30317f-1a78-4dc4-8ff8-24d0d3715d86')).toEqual([A])
  })

  test('of which the nil UUID is none, nor a parameter of another name', () => {
    expect(sessionIdHalves(`${A};remote=${'0'.repeat(32)};logme=${B}`)).toEqual([A])
    expect(sessionIdHalves('nonsense')).toEqual([])
  })
})

test('what many recordings would share is no id', () => {
  for (const text of [
    '',
    '  ',
    '0',
    'null',
    'Unknown',
    '00000000-0000-0000-0000-000000000000',
    'xxxxxxxx',
    '1',
    'x'.repeat(2_000),
  ]) {
    expect(readCorrelationValue('vendorCall', 'text', text)).toEqual([])
  }
  expect(readCorrelationValue('csGroup', 'exact', 'MDAw+A==')).toEqual([{ kind: 'csGroup', value: 'MDAw+A==' }])
})

test('a short id and a counter are only good for their own place and time', () => {
  expect(isUnmistakable({ kind: 'csGroup', value: 'group-1' })).toBe(false)
  expect(isUnmistakable({ kind: 'refci', value: '27298698@a-cluster-with-a-name' })).toBe(false)
  expect(isUnmistakable({ kind: 'ucid', value: '00001062071351848269' })).toBe(true)
})

describe('headers name the communication session', () => {
  test.each([
    ['User-to-User', '00FA080001183F5093914D;encoding=hex', ['ucid 00001062071351848269']],
    ['User-to-User', 'FA080001183F5093914D;pd=00;encoding=hex;purpose=isdn-uui', ['ucid 00001062071351848269']],
    ['X-User-to-User', '04fa080001183f5093914d', ['ucid 00001062071351848269']],
    ['User-to-User', '56a390f3d2b7310023a2;encoding=hex', []],
    ['User-to-User', 'Customer=15550101;encoding=ascii', []],
    ['X-UCID', '00001062071351848269', ['ucid 00001062071351848269']],
    ['X-OCSBC-UCID', 'C0934BE72BF711D6800285D16359919A', ['guid c0934be72bf711d6800285d16359919a']],
    ['X-ISR-UCID', 'X-ISR-UCID-1-150323161627', ['ucid x-isr-ucid-1-150323161627']],
    ['Cisco-Guid', '0202200456-0311890406-2150552946-0623444513', ['guid 0c0d5588129711e6802ed57225290221']],
    ['Cisco-GUCID', '0C0D5588129711E6802ED57225290221', ['guid 0c0d5588129711e6802ed57225290221']],
    ['X-Genesys-CallUUID', '4BOKLLA3VH66JF112M1CC9VHKS14F0KP', ['genesysUuid 4boklla3vh66jf112m1cc9vhks14f0kp']],
    ['P-Charging-Vector', 'icid-value="ab12.cd34";icid-generated-at=192.0.2.1', ['icid ab12.cd34']],
    ['P-Charging-Vector', ' orig-ioi=home.example ; ICID-value=ab12cd ', ['icid ab12cd']],
    ['AC-Session-ID', '3f2a1b0c9d8e7f60', ['vendorCall 3f2a1b0c9d8e7f60']],
    ['Call-Info', '<http://example.com/icon>;purpose=icon', []],
    [
      'Call-Info',
      '<http://d.example/conversations/c9>;purpose=Goog-ContactCenter-Conversation',
      ['conversation http://d.example/conversations/c9'],
    ],
    ['call-info', '<urn:nena:callid:a1:b.example>;purpose=nena-CallId', ['emergencyCall urn:nena:callid:a1:b.example']],
    ['X-Unheard-Of', 'c0934be72bf711d6800285d16359919a', []],
  ])('%s: %s', (name, value, expected) => expect(ofHeader(name, value)).toEqual(expected))

  test('several lines and several entries count', () => {
    const two =
      '<urn:emergency:uid:callid:aa:x>;purpose=emergency-CallId,<urn:emergency:uid:incidentid:bb:x>;purpose=emergency-IncidentId'
    expect(ofHeader('Call-Info', two)).toEqual([
      'emergencyCall urn:emergency:uid:callid:aa:x',
      'incident urn:emergency:uid:incidentid:bb:x',
    ])
    expect(ofHeader('User-to-User', '00FA080001183F5093914D', '00FA080001183F5093914E')).toHaveLength(2)
  })

  test('the two dialogs of a Cisco phone share its reference, and are told apart by their side', () => {
    const { from } = readVector('cisco-phone')
    const near = ofHeader('From', from)
    const far = ofHeader('From', from.replace('x-nearend;', 'x-farend;'))
    expect(near).toEqual([
      'sessionId 696dd5d3f7755c6abdc438e93d01febf',
      'refci 27298698@lab-east',
      'refci 27298699@lab-east',
      'fork 27298698@lab-east/near',
    ])
    expect(far.filter((id) => !near.includes(id))).toEqual(['fork 27298698@lab-east/far'])
  })

  test('without a cluster the reference stands alone', () => {
    expect(ofHeader('From', '<sip:1@h;x-farend;x-refci=27757093>;tag=1')).toEqual([
      'refci 27757093',
      'fork 27757093/far',
    ])
  })
})

describe('metadata names the communication session', () => {
  test('by group, session and Session-ID, and never by a stream', () => {
    expect(
      ofMetadata(
        '<group id="MDAwMQ=="/><session id="urn:uuid:0C5B7F2A-1111-4222-8333-94445555AAAA"><group-ref>MDAwMQ==</group-ref>' +
          '<sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID></session>' +
          '<stream id="5w+TaZJOSIxMGgy3LM2fRA=="/>',
      ),
    ).toEqual([
      'csGroup MDAwMQ==',
      'cs 0c5b7f2a-1111-4222-8333-94445555aaaa',
      'sessionId ab30317f1a784dc48ff824d0d3715d86',
      'sessionId 47755a9de7794ba387653f2099600ef2',
    ])
  })

  test.each([
    ['oracle', ['ucid 01024064541541049362']],
    [
      'oracle-headers',
      [
        'guid c0934be72bf711d6800285d16359919a',
        'ucid x-isr-ucid-1-150323161627-1979582260@0a0af9f9',
        'sessionId ab30317f1a784dc48ff824d0d3715d86',
      ],
    ],
    ['audiocodes', ['ucid 00048504031264295513']],
    ['ribbon', ['gcid 101188']],
    ['ribbon-crossed', ['gcid 241467418', 'sipCallId 0a5a5f62-a606-1235-d6a2-000000000017']],
    ['broadworks-mixed', ['trackingId 8028549:1', 'vendorCall callhalf-7948894825:0']],
    ['netsapiens', ['csGroup 20261123120000012345-abcdef']],
    ['opensips', ['sessionId a1b2c3d4e5f60718293a4b5c6d7e8f90']],
    ['jambonz', ['sessionId f81d4fae7dec11d0a76500a0c91e6bf6']],
  ])('by the habits of %s', (name, expected) => {
    for (const id of expected) expect(ofVector(name)).toContain(id)
  })

  test('by an attribute of vendor data as well, whatever its prefix', () => {
    expect(ofMetadata('<session id="cs-12345"/><x:call x:UCID="00FA080001183F5093914D" x:other="1"/>')).toEqual([
      'cs cs-12345',
      'ucid 00001062071351848269',
    ])
  })

  test('by at most so many ids', () => {
    const xml = Array.from({ length: 400 }, (_, index) => `<session id="cs-number-${index}"/>`).join('')
    expect(ofMetadata(xml)).toHaveLength(CORRELATION_IDS_MAX)
  })
})

test('an id that somebody types is looked for in every form it may have', () => {
  expect(correlationForms('00FA080001183F5093914D')).toContain('00001062071351848269')
  expect(correlationForms('0202200456-0311890406-2150552946-0623444513')).toContain('0c0d5588129711e6802ed57225290221')
  expect(correlationForms(' MDAw+A== ')).toContain('MDAw+A==')
  expect(correlationForms('')).toEqual([])
})
