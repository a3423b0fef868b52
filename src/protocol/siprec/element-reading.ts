import { parseMetadataTime } from './metadata-time.ts'
import type { MetadataTime } from './metadata.ts'
import type { XmlElement } from './xml-tree.ts'

/** Ids beyond this length are cut; RFC 7865 6.10 has 24 characters, a URN 45. */
const ID_LENGTH_MAX = 256
const TEXT_LENGTH_MAX = 1_024

/** The value of the first of these attributes (folded names) that is there and not blank. */
export function attributeOf(element: XmlElement, ...foldedNames: readonly string[]): string | undefined {
  for (const wanted of foldedNames) {
    for (const { foldedName, value } of element.attributes) {
      const text = foldedName === wanted ? value.trim() : ''
      if (text !== '') return text.slice(0, TEXT_LENGTH_MAX)
    }
  }
  return undefined
}

export function childrenNamed(element: XmlElement, ...foldedNames: readonly string[]): readonly XmlElement[] {
  return element.children.filter((child) => foldedNames.includes(child.foldedName))
}

/** The text of the first child of one of these names that has any. */
export function childText(element: XmlElement, ...foldedNames: readonly string[]): string | undefined {
  for (const child of element.children) {
    const text = foldedNames.includes(child.foldedName) ? textOf(child) : ''
    if (text !== '') return text
  }
  return undefined
}

export function childTime(element: XmlElement, ...foldedNames: readonly string[]): MetadataTime | undefined {
  return parseMetadataTime(childText(element, ...foldedNames))
}

export function textOf(element: XmlElement): string {
  return element.text.trim().slice(0, TEXT_LENGTH_MAX)
}

/** An id from an attribute or, in some dialects, a child of one of these names; undefined when there is none. */
export function idOf(element: XmlElement, ...foldedNames: readonly string[]): string | undefined {
  const written = attributeOf(element, ...foldedNames) ?? childText(element, ...foldedNames)
  return written === undefined ? undefined : normalizeId(written)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Makes the spellings of one id equal: `urn:uuid:` is dropped, and a UUID (not a base64 id) goes to lower case. */
export function normalizeId(written: string): string {
  const trimmed = written.trim()
  const bare = /^urn:uuid:/i.test(trimmed) ? trimmed.slice('urn:uuid:'.length).trim() : trimmed
  return (UUID.test(bare) ? bare.toLowerCase() : bare).slice(0, ID_LENGTH_MAX)
}

/** Leaves out what is undefined, so that an optional property is either there or not. */
export function present<Name extends string, Value>(name: Name, value: Value | undefined): { [key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]: Value })
}
