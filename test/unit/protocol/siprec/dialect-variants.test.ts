import { describe, expect, test } from 'vitest'
import { bytesOf, readVector, textOf, valueOf } from './vectors.ts'
import { parseSdp } from '../../../../src/protocol/sdp/parse.ts'
import { MetadataState } from '../../../../src/protocol/siprec/metadata-state.ts'
import { isMetadataType, splitBody } from '../../../../src/protocol/siprec/multipart.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

/** Every client, written as another release of it might: who is heard on which line must not change. */

const NAMES = [
  ...[
    'oracle',
    'oracle-headers',
    'audiocodes',
    'cube',
    'avaya',
    'ribbon',
    'ribbon-crossed',
    'metaswitch',
    'broadworks',
  ],
  ...['broadworks-mixed', 'netsapiens', 'opensips', 'jambonz', 'google', 'nena', 'procomm'],
]

interface Invite {
  readonly metadata: string
  readonly labels: readonly (string | undefined)[]
}

function inviteOf(name: string): Invite {
  const { contentType, body } = readVector(name)
  const parts = valueOf(splitBody(contentType, body))
  const sdp = valueOf(parseSdp(parts.find((part) => part.contentType === 'application/sdp')!.body))
  return {
    metadata: textOf(parts.find((part) => isMetadataType(part.contentType))!.body),
    labels: sdp.media.map(({ label }) => label),
  }
}

/** First addresses of those heard on each line. */
function heardIn(metadata: Uint8Array, labels: readonly (string | undefined)[]): readonly (readonly string[])[] {
  const state = new MetadataState()
  state.apply(valueOf(parseMetadata(metadata)))
  return labels.map((label, index) => state.participantsFor(label, index, labels).map(({ aors }) => aors[0]?.aor ?? ''))
}

/** Start and end tags of elements without a prefix; `<sip:alice>` and `<?xml` are none. */
const TAG = /<(\/?)([A-Za-z_][\w.-]*)(?=[\s/>])/g

const REWRITINGS: readonly (readonly [what: string, rewrite: (xml: string) => string | Uint8Array])[] = [
  ['a prefix on every element', (xml) => xml.replaceAll(TAG, '<$1rs:$2')],
  ['elements in upper case', (xml) => xml.replaceAll(TAG, (_, slash, name) => `<${slash}${name.toUpperCase()}`)],
  ['hyphens as underscores', (xml) => xml.replaceAll(TAG, (_, slash, name) => `<${slash}${name.replaceAll('-', '_')}`)],
  ['a namespace on every element', (xml) => xml.replaceAll(/<([A-Za-z_][\w.-]*)(?=[\s>])/g, '<$1 xmlns:z="urn:z"')],
  ['comments between all elements', (xml) => xml.replaceAll(/(<\/[\w:.-]+>)/g, '$1<!-- <send>s9</send> -->')],
  ['no blanks between elements', (xml) => xml.replaceAll(/>\s+</g, '><')],
  ['bare carriage returns', (xml) => xml.replaceAll('\r\n', '\n').replaceAll('\n', '\r')],
  ['a byte order mark', (xml) => `\ufeff${xml}`],
  ['UTF-16 with a byte order mark', (xml) => utf16(`\ufeff${xml}`)],
  ['XML 1.1', (xml) => xml.replace(/^<\?xml[^?]*\?>/, '<?xml version="1.1" encoding="UTF-8"?>')],
  ['ISO-8859-1', (xml) => xml.replace(/^<\?xml[^?]*\?>/, '<?xml version="1.0" encoding="ISO-8859-1"?>')],
  ['no XML declaration', (xml) => xml.replace(/^<\?xml[^?]*\?>/, '')],
  [
    'labels and references in CDATA',
    (xml) => xml.replaceAll(/(<(?:\w+:)?(?:label|send|recv)>)([^<]+)</g, '$1<![CDATA[$2]]><'),
  ],
  [
    'blanks around labels and references',
    (xml) => xml.replaceAll(/(<(?:\w+:)?(?:label|send|recv)>)([^<]+)</g, '$1\n  $2\t<'),
  ],
  [
    'references as attributes',
    (xml) => xml.replaceAll(/<((?:\w+:)?(?:send|recv))>([^<]+)<\/[^>]+>/g, '<$1 stream_id="$2"/>'),
  ],
  [
    'references in an element of their own',
    (xml) => xml.replaceAll(/<((?:\w+:)?(?:send|recv))>([^<]+)</g, '<$1><id>$2</id><'),
  ],
  [
    'the root in an envelope',
    (xml) => `<?xml version="1.0"?><envelope>${xml.replace(/^<\?xml[^?]*\?>/, '')}</envelope>`,
  ],
  ['the last tag cut off', (xml) => xml.trimEnd().slice(0, -3)],
  ['without labels', (xml) => xml.replaceAll(/<(?:\w+:)?label>[^<]*<\/[^>]+>/g, '')],
]

function utf16(text: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(text.length * 2))
  for (let index = 0; index < text.length; index += 1) view.setUint16(index * 2, text.charCodeAt(index), true)
  return new Uint8Array(view.buffer)
}

describe.each(NAMES)('%s', (name) => {
  const { metadata, labels } = inviteOf(name)
  const heard = heardIn(bytesOf(metadata), labels)

  test('names somebody on its first line', () => expect(heard[0]).not.toEqual([]))

  test.each(REWRITINGS)('says the same with %s', (_, rewrite) => {
    const rewritten = rewrite(metadata)
    expect(heardIn(typeof rewritten === 'string' ? bytesOf(rewritten) : rewritten, labels)).toEqual(heard)
  })

  test('says the same without labels in the SDP', () => {
    const unlabelled = labels.map(() => undefined)
    expect(heardIn(bytesOf(metadata), unlabelled)).toEqual(heard)
  })

  test('says the same when the m-lines stand the other way round', () => {
    const known = labels.every((label) => label === undefined || metadata.includes(`>${label}<`))
    // Without a label that both have, a line can only be told by its place.
    if (!known) return
    expect(heardIn(bytesOf(metadata), labels.toReversed())).toEqual(heard.toReversed())
  })
})
