import { describe, expect, test } from 'vitest'
import { bytesOf, valueOf } from './vectors.ts'
import {
  EXTENSIONS_MAX,
  type MetadataSnapshot,
  METADATA_BYTES_MAX,
  OBJECTS_MAX,
  XML_ATTRIBUTES_MAX,
  XML_DEPTH_MAX,
  XML_ELEMENTS_MAX,
} from '../../../../src/protocol/siprec/metadata.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

const snapshotOf = (xml: string): MetadataSnapshot => valueOf(parseMetadata(bytesOf(xml)))
const inRecording = (xml: string): MetadataSnapshot => snapshotOf(`<recording>${xml}</recording>`)
const reasonOf = (bytes: Uint8Array): string => {
  const result = parseMetadata(bytes)
  return result.ok ? 'accepted' : result.reason
}

describe('a document of RFC 7865', () => {
  const snapshot = snapshotOf(`<?xml version="1.0" encoding="UTF-8"?>
    <recording xmlns="urn:ietf:params:xml:ns:recording:1">
      <datamode>partial</datamode>
      <group group_id="g"><associate-time>2026-11-23T10:00:00Z</associate-time></group>
      <session session_id="cs">
        <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID>
        <group-ref>g</group-ref>
        <start-time>2026-11-23T10:00:01.250Z</start-time>
        <stop-time>2026-11-23T10:05:00+01:00</stop-time>
        <reason protocol="SIP">bye</reason>
      </session>
      <participant participant_id="p">
        <nameID aor="sip:bob@example.com"><name xml:lang="en">Bob &amp; co</name></nameID>
        <nameID aor="tel:+15550101"/>
      </participant>
      <stream stream_id="s" session_id="cs"><label>96</label></stream>
      <sessionrecordingassoc session_id="cs"><associate-time>2026-11-23T10:00:01Z</associate-time></sessionrecordingassoc>
      <participantsessionassoc participant_id="p" session_id="cs">
        <associate-time>2026-11-23T10:00:02Z</associate-time>
        <disassociate-time>2026-11-23T10:04:59Z</disassociate-time>
      </participantsessionassoc>
      <participantstreamassoc participant_id="p"><send>s</send><recv>t</recv><recv>u</recv></participantstreamassoc>
    </recording>`)
  const at = (text: string) => expect.objectContaining({ at: new Date(text) })

  test('gives its groups and communication sessions, with times as text and as instants', () => {
    expect(snapshot.dataMode).toBe('partial')
    expect(snapshot.groups).toEqual([{ csGroupId: 'g', associateTime: at('2026-11-23T10:00:00Z') }])
    expect(snapshot.communicationSessions).toEqual([
      {
        csId: 'cs',
        csGroupId: 'g',
        sipSessionIds: ['ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2'],
        startTime: at('2026-11-23T10:00:01.250Z'),
        stopTime: at('2026-11-23T09:05:00Z'),
        reason: 'bye',
      },
    ])
    expect(snapshot.communicationSessions[0]?.stopTime?.text).toBe('2026-11-23T10:05:00+01:00')
  })

  test('gives its participants with all their names and addresses', () => {
    expect(snapshot.participants).toEqual([
      {
        participantId: 'p',
        aors: [{ aor: 'sip:bob@example.com', name: 'Bob & co' }, { aor: 'tel:+15550101' }],
        csIds: [],
      },
    ])
  })

  test('gives its media streams and every association', () => {
    expect(snapshot.mediaStreams).toEqual([{ streamId: 's', csId: 'cs', label: '96' }])
    expect(snapshot.associations).toEqual([{ participantId: 'p', sends: ['s'], receives: ['t', 'u'] }])
    expect(snapshot.participantSessions).toEqual([
      {
        participantId: 'p',
        csId: 'cs',
        associateTime: at('2026-11-23T10:00:02Z'),
        disassociateTime: at('2026-11-23T10:04:59Z'),
      },
    ])
    expect(snapshot.sessionRecordings).toEqual([{ csId: 'cs', associateTime: at('2026-11-23T10:00:01Z') }])
    expect(snapshot).toMatchObject({ extensions: [], repaired: false, droppedCount: 0 })
  })
})

describe('what clients do differently', () => {
  test('names are matched without prefix, namespace, case, hyphens and underscores', () => {
    const snapshot = snapshotOf(
      '<x:Recording><y:dataMode>PARTIAL</y:dataMode><Session SessionID="cs"/><participant_session_assoc PARTICIPANT_ID="p"/></x:Recording>',
    )
    expect(snapshot.dataMode).toBe('partial')
    expect(snapshot.communicationSessions[0]?.csId).toBe('cs')
    expect(snapshot.participantSessions[0]?.participantId).toBe('p')
  })

  test('without a datamode the document is complete', () => {
    expect(inRecording('<session id="cs"/>').dataMode).toBe('complete')
  })

  test('the document may be wrapped, and its root may have any name when what is in it is metadata', () => {
    expect(
      snapshotOf('<envelope><recording><session id="cs"/></recording></envelope>').communicationSessions,
    ).toHaveLength(1)
    expect(snapshotOf('<rs-metadata><session id="cs"/></rs-metadata>').communicationSessions).toHaveLength(1)
    expect(reasonOf(bytesOf('<html><body/></html>'))).toBe('notMetadata')
  })

  test('objects may stand inside the session they belong to', () => {
    const snapshot = inRecording(
      '<group id="g"><session id="cs"><participant id="p"><send>s</send></participant><stream id="s"><label>1</label></stream></session></group>',
    )
    expect(snapshot.communicationSessions[0]).toMatchObject({ csId: 'cs', csGroupId: 'g' })
    expect(snapshot.mediaStreams).toEqual([{ streamId: 's', csId: 'cs', label: '1' }])
    expect(snapshot.participantSessions).toEqual([{ participantId: 'p', csId: 'cs' }])
    expect(snapshot.extensions).toEqual([])
  })

  test('several associations of one participant are one', () => {
    const snapshot = inRecording(
      '<participantstreamassoc participant_id="p"><send>a</send></participantstreamassoc>' +
        '<participantstreamassoc participant_id="p"><send>b</send><recv>a</recv></participantstreamassoc>',
    )
    expect(snapshot.associations).toEqual([{ participantId: 'p', sends: ['a', 'b'], receives: ['a'] }])
  })

  test('a participant without an id is not lost; an address in brackets is the one between them, its display name the name', () => {
    const snapshot = inRecording(
      '<participant><nameID aor="&quot;A&quot; &lt;sip:a@example.com&gt;;tag=1"/></participant>',
    )
    expect(snapshot.participants).toEqual([
      { participantId: '#1', aors: [{ aor: 'sip:a@example.com', name: 'A' }], csIds: [] },
    ])
  })

  test('vendor data is kept with its path, prefix, namespace and attributes', () => {
    const snapshot = snapshotOf(
      '<recording xmlns="urn:r" xmlns:v="urn:v"><session id="cs"><v:data a="1"><v:x>one</v:x><y>two</y></v:data></session></recording>',
    )
    expect(snapshot.extensions).toEqual([
      {
        path: 'session/data',
        ownerId: 'cs',
        prefix: 'v',
        namespace: 'urn:v',
        text: '',
        attributes: [{ name: 'a', value: '1' }],
      },
      { path: 'session/data/x', ownerId: 'cs', prefix: 'v', namespace: 'urn:v', text: 'one', attributes: [] },
      { path: 'session/data/y', ownerId: 'cs', prefix: '', namespace: 'urn:r', text: 'two', attributes: [] },
    ])
  })

  test('names that are those of object members are ordinary names', () => {
    const snapshot = inRecording('<__proto__ constructor="1" __proto__="2">x</__proto__><session id="__proto__"/>')
    expect(snapshot.extensions[0]?.attributes).toEqual([
      { name: 'constructor', value: '1' },
      { name: '__proto__', value: '2' },
    ])
    expect(snapshot.communicationSessions[0]?.csId).toBe('__proto__')
  })
})

describe('encodings', () => {
  const XML = '<recording><participant id="p"><nameID aor="a"><name>José</name></nameID></participant></recording>'
  const nameOf = (bytes: Uint8Array): string | undefined => valueOf(parseMetadata(bytes)).participants[0]?.aors[0]?.name
  const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))
  const utf16 = (text: string, littleEndian: boolean): Uint8Array => {
    const view = new DataView(new ArrayBuffer(text.length * 2))
    for (let index = 0; index < text.length; index += 1) view.setUint16(index * 2, text.charCodeAt(index), littleEndian)
    return new Uint8Array(view.buffer)
  }

  test.each([
    ['UTF-8', bytesOf(XML)],
    ['UTF-8 with a byte order mark', bytesOf(`\ufeff${XML}`)],
    ['UTF-8 that says UTF-16', bytesOf(`<?xml version="1.0" encoding="utf-16"?>${XML}`)],
    ['an encoding nobody knows', bytesOf(`<?xml version="1.0" encoding="x-none"?>${XML}`)],
    ['Latin-1 as declared', latin1(`<?xml version="1.0" encoding="ISO-8859-1"?>${XML}`)],
    ['Latin-1 that says nothing', latin1(XML)],
    ['UTF-16 with a byte order mark', utf16(`\ufeff${XML}`, true)],
    ['UTF-16 big-endian without one', utf16(XML, false)],
  ])('%s is read', (_, bytes) => {
    expect(nameOf(bytes)).toBe('José')
  })
})

describe('a document that is not well-formed is repaired', () => {
  const GOOD = '<participant id="p"><nameID aor="a"/></participant><stream id="s"><label>1</label></stream>'

  test.each([
    ['an ampersand', `<session id="cs"><x>A & B &nbsp; &#0; &amp; C</x></session>${GOOD}`, 'A & B &nbsp; &#0; & C'],
    [
      'an address in angle brackets',
      `<session id="cs"><x>To <sip:a@example.com>;x</x></session>${GOOD}`,
      'To <sip:a@example.com>;x',
    ],
    [
      'an address that looks like a tag',
      `<session id="cs"><x><sip:example.com></x></session>${GOOD}`,
      '<sip:example.com>',
    ],
    ['a lone angle bracket', `<session id="cs"><x>1 < 2 <= 3</x></session>${GOOD}`, '1 < 2 <= 3'],
    ['an end tag without a start', `<session id="cs"><x>a</y></z>b</x></session>${GOOD}`, 'ab'],
    ['a control character', `<session id="cs"><x>a\u0001b</x></session>${GOOD}`, 'a\ufffdb'],
    [
      'a character data section and text',
      `<session id="cs"><x><![CDATA[<a> & ]]>& b</x></session>${GOOD}`,
      '<a> & & b',
    ],
    ['a comment without an end', `<session id="cs"><x>a <!-- b</x></session>${GOOD}`, 'a <!-- b'],
  ])('after %s', (_, xml, text) => {
    const snapshot = inRecording(xml)
    expect(snapshot.repaired).toBe(true)
    expect(snapshot.extensions.map((extension) => extension.text)).toEqual([text])
    expect(snapshot.participants).toHaveLength(1)
    expect(snapshot.mediaStreams).toEqual([{ streamId: 's', label: '1' }])
  })

  test.each([
    ['markup in an attribute', `<session id="cs" note="<a> & b"/>${GOOD}`],
    ['attributes without quotes or value, or twice', `<session id=cs checked id="other"/>${GOOD}`],
    ['an element closed too late', `<session id="cs"><x>y</session></x>${GOOD}`],
  ])('after %s', (_, xml) => {
    const snapshot = inRecording(xml)
    expect(snapshot.communicationSessions.map(({ csId }) => csId)).toEqual(['cs'])
    expect(snapshot.participants).toHaveLength(1)
  })

  test('when it was cut off: what came before the cut is read', () => {
    const snapshot = snapshotOf(`<recording><session id="cs"/>${GOOD}<participant id="q"><nameID aor="b"><na`)
    expect(snapshot.participants.map(({ participantId }) => participantId)).toEqual(['p', 'q'])
  })

  test('when something stands before or after the root', () => {
    expect(snapshotOf(`\r\n<?xml version="1.0"?><recording>${GOOD}</recording>--boundary--`).participants).toHaveLength(
      1,
    )
    expect(snapshotOf(`junk <recording>${GOOD}</recording><recording/>`).participants).toHaveLength(1)
  })
})

describe('what is refused', () => {
  test('nothing, too much, and what is no XML', () => {
    expect(reasonOf(new Uint8Array())).toBe('empty')
    expect(reasonOf(new Uint8Array(METADATA_BYTES_MAX + 1))).toBe('tooLarge')
    expect(reasonOf(bytesOf('v=0\r\no=- 1 1 IN IP4 192.0.2.1'))).toBe('notXml')
  })

  test('a DTD, well-formed or not, and so every entity', () => {
    const bomb = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><recording><session id="&b;"/></recording>'
    expect(reasonOf(bytesOf(bomb))).toBe('doctype')
    expect(reasonOf(bytesOf('<!doctype recording SYSTEM "file:///etc/passwd"><recording/>'))).toBe('doctype')
    expect(reasonOf(bytesOf('<recording><x>&a</x><!ENTITY a "ha"></recording>'))).toBe('doctype')
  })

  test('an entity that nobody declared stays text', () => {
    expect(inRecording('<session id="cs"><x>&a;</x></session>').extensions[0]?.text).toBe('&a;')
  })

  test('elements nested deeper than the limit', () => {
    const nested = (depth: number): Uint8Array =>
      bytesOf(`<recording>${'<a>'.repeat(depth - 1)}<session id="cs"/>${'</a>'.repeat(depth - 1)}</recording>`)
    expect(reasonOf(nested(XML_DEPTH_MAX))).toBe('tooDeep')
    expect(
      reasonOf(
        bytesOf(
          `<recording><session id="cs"/>${'<a>'.repeat(XML_DEPTH_MAX - 1)}${'</a>'.repeat(XML_DEPTH_MAX - 1)}</recording>`,
        ),
      ),
    ).toBe('accepted')
    expect(reasonOf(bytesOf(`<recording>${'<session>'.repeat(5_000)}`))).toBe('tooDeep')
  })

  test('more elements or attributes than the limits', () => {
    const elements = (count: number): Uint8Array =>
      bytesOf(`<recording>${'<a/>'.repeat(count - 2)}<session/></recording>`)
    expect(reasonOf(elements(XML_ELEMENTS_MAX))).toBe('accepted')
    expect(reasonOf(elements(XML_ELEMENTS_MAX + 1))).toBe('tooManyElements')
    const attributes = (count: number): Uint8Array =>
      bytesOf(`<recording ${Array.from({ length: count }, (_, index) => `a${index}="1"`).join(' ')}/>`)
    expect(reasonOf(attributes(XML_ATTRIBUTES_MAX))).toBe('accepted')
    expect(reasonOf(attributes(XML_ATTRIBUTES_MAX + 1))).toBe('tooManyAttributes')
  })

  test('objects and extensions beyond the limits are left out and counted', () => {
    const streams = inRecording('<stream id="s"/>'.repeat(OBJECTS_MAX + 3))
    expect([streams.mediaStreams.length, streams.droppedCount]).toEqual([OBJECTS_MAX, 3])
    const extensions = inRecording('<x>y</x>'.repeat(EXTENSIONS_MAX + 2))
    expect([extensions.extensions.length, extensions.droppedCount]).toEqual([EXTENSIONS_MAX, 2])
  })
})
