import { decodeXmlText } from './decode-text.ts'
import { attributeOf, childText } from './element-reading.ts'
import { METADATA_BYTES_MAX, type MetadataRejectReason, type MetadataSnapshot } from './metadata.ts'
import { SnapshotReader } from './snapshot-reader.ts'
import { WORDS } from './vocabulary.ts'
import { parseXmlTree, type XmlElement } from './xml-tree.ts'
import { accepted, rejected, type Result } from '../../result.ts'

const ROOT_NAMES: ReadonlySet<string> = new Set(WORDS.root)
/** Any of these under a root of another name makes it metadata too. */
const OBJECT_NAMES: ReadonlySet<string> = new Set(
  (['session', 'participant', 'stream', 'participantStreamAssoc'] as const).flatMap((term) => WORDS[term]),
)
/** How deep an envelope of the SRC's own may wrap the document. */
const ENVELOPE_DEPTH_MAX = 3

/**
 * Reads one rs-metadata document of any dialect: RFC 7865, its drafts, and what vendors made of them.
 *
 * Elements and attributes are matched by local name, without case, hyphens and underscores; namespaces and prefixes,
 * declared or not, are only reported with extensions. A document that is not well-formed (unescaped `&` or `<`, cut
 * off, wrongly nested) is repaired first. DTDs are refused, nothing is expanded, every size is bounded. Never throws;
 * linear in the length.
 *
 * @see RFC 7865 6 and 7, RFC 9806
 */
export function parseMetadata(bytes: Uint8Array): Result<MetadataSnapshot, MetadataRejectReason> {
  if (bytes.length > METADATA_BYTES_MAX) return rejected('tooLarge')
  const text = decodeXmlText(bytes)
  if (text.trim() === '') return rejected('empty')
  const parsed = parseXmlTree(text)
  if (!parsed.ok) return parsed
  const root = findRoot(parsed.value.root, 0)
  if (root === undefined) return rejected('notMetadata')
  const reader = new SnapshotReader()
  reader.readRoot(root)
  const { localName, prefix, namespace } = root
  return accepted({
    dataMode: dataModeOf(root),
    root: { localName, prefix, namespace },
    ...reader.objects(),
    repaired: parsed.value.repaired,
  })
}

function findRoot(element: XmlElement, depth: number): XmlElement | undefined {
  if (ROOT_NAMES.has(element.foldedName)) return element
  if (element.children.some(({ foldedName }) => OBJECT_NAMES.has(foldedName))) return element
  if (depth >= ENVELOPE_DEPTH_MAX) return undefined
  for (const child of element.children) {
    const root = findRoot(child, depth + 1)
    if (root !== undefined) return root
  }
  return undefined
}

// RFC 7865 6.1.1: complete unless it says otherwise.
function dataModeOf(root: XmlElement): MetadataSnapshot['dataMode'] {
  const written = childText(root, ...WORDS.dataMode) ?? attributeOf(root, ...WORDS.dataMode) ?? ''
  return written.toLowerCase() === 'partial' ? 'partial' : 'complete'
}
