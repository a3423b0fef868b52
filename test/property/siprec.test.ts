import fc from 'fast-check'
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isRecordingRequest } from '../../src/protocol/siprec/detect.ts'
import { MetadataState } from '../../src/protocol/siprec/metadata-state.ts'
import { METADATA_BYTES_MAX } from '../../src/protocol/siprec/metadata.ts'
import { isMetadataType, splitBody } from '../../src/protocol/siprec/multipart.ts'
import { parseMetadata } from '../../src/protocol/siprec/parse-metadata.ts'
import { repairXml } from '../../src/protocol/siprec/repair-xml.ts'
import { parseXmlTree } from '../../src/protocol/siprec/xml-tree.ts'
import { bytesOf, readVector, textOf, valueOf } from '../unit/protocol/siprec/vectors.ts'

const NAMES = readdirSync(new URL('../vectors/siprec/', import.meta.url))
  .filter((name) => name.endsWith('.txt') && name !== 'cisco-phone.txt')
  .map((name) => name.slice(0, -'.txt'.length))

/** The metadata documents of all clients, as text. */
const DOCUMENTS = NAMES.map((name) => {
  const { contentType, body } = readVector(name)
  return textOf(valueOf(splitBody(contentType, body)).find((part) => isMetadataType(part.contentType))!.body)
})

const token = fc.oneof(
  fc.constantFrom(
    '<',
    '>',
    '&',
    '"',
    "'",
    '/',
    '=',
    ' ',
    '\n',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<!',
    '&#',
    ';',
  ),
  fc.constantFrom(
    '<recording>',
    '</recording>',
    '<session id="1">',
    '</session>',
    '<participant',
    '<send>',
    '</x>',
    '<a:b ',
  ),
  fc.constantFrom('<sip:a@example.com>', '<__proto__ ', 'xmlns:a="', '&amp;', '&x;', '\u0000', '\ufffe', 'é', '😀'),
  fc.string({ maxLength: 8 }),
)
const soup = fc.array(token, { maxLength: 80 }).map((tokens) => tokens.join(''))

/** A real document with a few stretches of it replaced by something else. */
const damaged = fc
  .tuple(
    fc.constantFrom(...DOCUMENTS),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 20 }), token), { minLength: 1, maxLength: 5 }),
  )
  .map(([document, changes]) =>
    changes.reduce((text, [place, length, insert]) => {
      const at = place % (text.length + 1)
      return text.slice(0, at) + insert + text.slice(at + length)
    }, document),
  )

describe('the metadata parser', () => {
  test('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => void parseMetadata(bytes)))
    fc.assert(
      fc.property(soup, (text) => void parseMetadata(bytesOf(`<recording>${text}</recording>`))),
      { numRuns: 1_000 },
    )
  })

  test('what it makes of a damaged document can be applied, and answers who is heard', () => {
    fc.assert(
      fc.property(fc.array(damaged, { minLength: 1, maxLength: 3 }), (documents) => {
        const state = new MetadataState()
        for (const document of documents) {
          const result = parseMetadata(bytesOf(document))
          if (result.ok) state.apply(result.value)
        }
        const heard = state.participantsFor('1', 0, ['1', '2'])
        for (const { participantId } of heard) {
          expect(state.participants.map((each) => each.participantId)).toContain(participantId)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a repaired document is always well-formed', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          soup,
          soup.map((text) => `<recording>${text}`),
          damaged,
        ),
        (text) => {
          const repaired = repairXml(text)
          if (!repaired.ok) return
          const again = parseXmlTree(repaired.value)
          if (again.ok) expect(again.value.repaired).toBe(false)
          // Only a limit may stand in the way.
          else expect(again.reason).not.toBe('notXml')
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('any text in a name comes out as it went in, escaped or not', () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'B', '&', '<', ' ', '"', ';', 'é', '@', ':'),
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(name, fc.boolean(), (text, isEscaped) => {
        const written = isEscaped ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;') : text
        const xml = `<recording><participant id="p"><nameID aor="a"><name>${written}</name></nameID></participant></recording>`
        const [participant] = valueOf(parseMetadata(bytesOf(xml))).participants
        const trimmed = text.trim()
        // A quoted string is the text in its quotes.
        const isQuoted = trimmed.length > 1 && trimmed.startsWith('"') && trimmed.endsWith('"')
        expect(participant?.aors[0]?.name ?? '').toBe(isQuoted ? trimmed.slice(1, -1).trim() : trimmed)
      }),
    )
  })

  test('an entity is never expanded, and a document with a DTD never read', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DOCUMENTS),
        fc.string({ unit: fc.constantFrom('a', 'b', '&', ';'), maxLength: 30 }),
        (document, value) => {
          const root = document.indexOf('<', document.indexOf('?>') + 2)
          const dtd = `<!DOCTYPE r [<!ENTITY a "${value}">]>`
          expect(parseMetadata(bytesOf(document.slice(0, root) + dtd + document.slice(root)))).toEqual({
            ok: false,
            reason: 'doctype',
          })
        },
      ),
    )
  })

  test('answers the largest hostile documents; anything but linear time would not come to an end', () => {
    const shapes = [
      '<',
      '<a',
      '<a>',
      '<a ',
      '<a b="',
      '<a b=\'" ',
      '<a b="\'>',
      '</a>',
      '<!--',
      '<![CDATA[',
      '<?',
      '&',
      '&#1',
      '<!',
      ' ',
    ]
    const more = [
      '<a b=" <c d=\'',
      '<session>',
      '<x/>',
      '<recording ',
      ' a="b"',
      '<a></b>',
      '</',
      '</a ',
      '<a\n',
      '"',
      '\'<a "',
      '\ufffd',
    ]
    for (const shape of [...shapes, ...more]) {
      const filled = shape.repeat(Math.floor((METADATA_BYTES_MAX - 100) / bytesOf(shape).length))
      void parseMetadata(bytesOf(filled))
      void parseMetadata(bytesOf(`<recording>${filled}`))
      void parseMetadata(bytesOf(`<recording><x y="${filled}`))
    }
  })
})

test('the signs of SIPREC are looked for without throwing', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.option(fc.string(), { nil: undefined }), (require, contact) => {
      isRecordingRequest({ require, contact, hasMetadataPart: false })
    }),
  )
  expect(
    isRecordingRequest({ require: [','.repeat(100_000)], contact: ';"'.repeat(100_000), hasMetadataPart: false }),
  ).toBe(false)
})
