import { describe, expect, test } from 'vitest'
import { readVector, valueOf } from './vectors.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import { DIALECTS } from '../../../../src/protocol/siprec/dialects/all.ts'
import { DIALECT_NAMES } from '../../../../src/protocol/siprec/dialects/dialect.ts'
import { isMetadataType, splitBody } from '../../../../src/protocol/siprec/multipart.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'
import { recogniseDialect, type DialectFacts } from '../../../../src/protocol/siprec/recognise-dialect.ts'

const headersOf = (lines: Readonly<Record<string, string>>): DialectFacts['headers'] => {
  const headers = new Map(Object.entries(lines).map(([name, value]) => [name.toLowerCase(), value]))
  const all = (name: string): readonly string[] => [headers.get(name.toLowerCase()) ?? []].flat()
  return { header: (name) => all(name)[0], headers: all }
}
const NOTHING: DialectFacts = { headers: headersOf({}), sdp: undefined, snapshot: undefined }

function factsOf(name: string): DialectFacts {
  const vector = readVector(name)
  const parts = valueOf(splitBody(vector.contentType, vector.body))
  const sdp = parts.find((part) => part.contentType === 'application/sdp')!
  const metadata = parts.find((part) => isMetadataType(part.contentType))
  return {
    headers: vector,
    sdp: valueOf(parseSdp(sdp.body)),
    snapshot: metadata === undefined ? undefined : valueOf(parseMetadata(metadata.body)),
  }
}

/** A vector, and the dialect it is of. */
const VECTORS: readonly (readonly [vector: string, dialect: string])[] = [
  ...['oracle', 'audiocodes', 'avaya', 'ribbon', 'metaswitch', 'broadworks', 'netsapiens'],
  ...['opensips', 'jambonz', 'google', 'nena', 'procomm', 'cisco-phone'],
].map((name) => [name, name] as const)
const FURTHER: typeof VECTORS = [
  ['cube', 'cisco-cube'],
  ['ribbon-crossed', 'ribbon'],
  ['broadworks-mixed', 'broadworks'],
  ['oracle-headers', 'oracle'],
]

describe('a client is recognised', () => {
  test.each([...VECTORS, ...FURTHER])('by its first INVITE: %s', (vector, dialect) => {
    expect(recogniseDialect(factsOf(vector)).dialect).toBe(dialect)
  })

  test.each([
    ['OracleSBC/9.0', 'oracle'],
    ['Acme Packet 4600', 'oracle'],
    ['Audiocodes-Sip-Gateway-Mediant 1000/v.5.80A', 'audiocodes'],
    ['Cisco-SIPGateway/IOS-15.6', 'cisco-cube'],
    ['Avaya SIP R2.2', 'avaya'],
    ['Sonus SBC', 'ribbon'],
    ['DC-SIP/2.0', 'metaswitch'],
    ['BroadWorks', 'broadworks'],
    ['NetSapiens SiPBx', 'netsapiens'],
    ['OpenSIPS (3.1)', 'opensips'],
    ['jambonz', 'jambonz'],
    ['Sems/1.6', 'procomm'],
    ['Asterisk PBX', 'generic'],
  ])('by its User-Agent alone: %s', (userAgent, dialect) => {
    expect(recogniseDialect({ ...NOTHING, headers: headersOf({ 'User-Agent': userAgent }) }).dialect).toBe(dialect)
    expect(recogniseDialect({ ...NOTHING, headers: headersOf({ Server: userAgent.toUpperCase() }) }).dialect).toBe(
      dialect,
    )
  })

  test.each([
    ['CiscoSystemsSIP-GW-UserAgent', 'cisco-cube'],
    ['BroadWorks', 'broadworks'],
    ['Sonus_UAC', 'ribbon'],
    ['AudiocodesGW', 'audiocodes'],
  ])('by the origin of its SDP alone: %s', (originUser, dialect) => {
    expect(recogniseDialect({ ...NOTHING, sdp: { originUser, sessionName: '-', media: [] } }).dialect).toBe(dialect)
  })

  test('by its metadata alone, whatever the prefixes', () => {
    const snapshotOf = (xml: string) => valueOf(parseMetadata(new TextEncoder().encode(xml)))
    const dialectOf = (xml: string) => recogniseDialect({ ...NOTHING, snapshot: snapshotOf(xml) }).dialect
    expect(dialectOf('<Recording_Metadata><session id="s"/></Recording_Metadata>')).toBe('broadworks')
    expect(
      dialectOf(
        '<recording><session id="s"><e xmlns="http:/acmepacket.com/siprec/extensiondata"/></session></recording>',
      ),
    ).toBe('oracle')
    expect(dialectOf('<recording id="r"><session id="s"/></recording>')).toBe('metaswitch')
    expect(dialectOf('<recording><session session_id="s"/></recording>')).toBe('generic')
  })

  test('by what it says itself, when it imitates another', () => {
    const headers = headersOf({
      'User-Agent': 'jambonz',
      'Content-Type': 'multipart/mixed;boundary=boundary_ac1fff85b',
    })
    expect(recogniseDialect({ ...NOTHING, headers })).toEqual({ dialect: 'jambonz', grounds: ['userAgent: jambonz'] })
  })
})

test('what a source is configured as wins; what is no dialect is no hint', () => {
  expect(recogniseDialect(factsOf('oracle'), 'netsapiens')).toEqual({ dialect: 'netsapiens', grounds: ['configured'] })
  expect(recogniseDialect(factsOf('oracle'), 'auto').dialect).toBe('oracle')
  expect(recogniseDialect(NOTHING, '__proto__')).toEqual({ dialect: 'generic', grounds: [] })
})

test('one hint is not enough', () => {
  expect(recogniseDialect({ ...NOTHING, headers: headersOf({ Geolocation: '<cid:x>' }) }).dialect).toBe('generic')
})

test('the grounds say nothing that came from the wire', () => {
  const { grounds } = recogniseDialect(factsOf('cisco-phone'))
  expect(grounds).toContain('fromParameter: x-refci')
  expect(grounds.join(' ')).not.toMatch(/\d{4}/)
})

test('every dialect has one table', () => {
  expect(DIALECTS.map(({ name }) => name).toSorted()).toEqual([...DIALECT_NAMES].toSorted())
})

test('names in the tables are folded as the parser folds them', () => {
  for (const { aliases, extensionIds, contactTags } of DIALECTS) {
    const names = [...Object.values(aliases).flat(), ...extensionIds.flatMap(({ name, inside = '' }) => [name, inside])]
    expect(names.filter((name) => !/^[a-z0-9]*$/.test(name))).toEqual([])
    expect(contactTags.filter((tag) => tag !== tag.toLowerCase())).toEqual([])
  }
})
