import { EXTENSION_PATH_MAX, EXTENSION_TEXT_MAX, EXTENSIONS_MAX, type MetadataExtension } from './metadata.ts'
import { attributeOf, normalizeId } from './element-reading.ts'
import { KNOWN_ATTRIBUTES, KNOWN_CHILDREN, WORDS } from './vocabulary.ts'
import { declaredPrefix } from './xml-names.ts'
import type { XmlAttribute, XmlElement } from './xml-tree.ts'

/** Gathers vendor data in document order, with the rest of what is beyond the limit counted. */
export class ExtensionCollector {
  readonly extensions: MetadataExtension[] = []
  droppedCount = 0

  /** Takes what a root says in attributes: the model has none there. */
  collectAttributes(root: XmlElement): void {
    const bare = { ...root, text: '', children: [], attributes: root.attributes.filter(isVendorAttribute) }
    if (bare.attributes.length > 0) this.collect(bare, root.localName, undefined)
  }

  /** Looks through an element of the model; `isKnown` says which of its children the caller has read as objects. */
  collectFrom(element: XmlElement, ownerId: string | undefined, isKnown?: (child: XmlElement) => boolean): void {
    this.#visitModel(element, element.localName, ownerId, isKnown)
  }

  /** Takes an element that stands outside the model, with everything in it. */
  collect(element: XmlElement, path: string, ownerId: string | undefined): void {
    const attributes = element.attributes.filter(isVendorAttribute).map(({ name, value }) => ({ name, value }))
    const text = element.text.trim().slice(0, EXTENSION_TEXT_MAX)
    // An element that is only a container says nothing that the paths of its children do not say.
    if (text !== '' || attributes.length > 0 || element.children.length === 0) {
      this.#add({
        path,
        ...(ownerId === undefined ? {} : { ownerId }),
        prefix: element.prefix,
        namespace: element.namespace,
        text,
        attributes,
      })
    }
    for (const child of element.children) this.collect(child, joinPath(path, child), ownerId)
  }

  /** Takes an element that stands under the root; drafts of RFC 7865 have extensions name there what they belong to. */
  collectUnderRoot(element: XmlElement): void {
    const parent = attributeOf(element, 'parent')
    this.collect(element, element.localName, parent === undefined ? undefined : normalizeId(parent))
  }

  #visitModel(
    element: XmlElement,
    path: string,
    ownerId: string | undefined,
    isKnown?: (child: XmlElement) => boolean,
  ): void {
    const known = KNOWN_CHILDREN.get(element.foldedName)
    this.#collectForeignAttributes(element, path, ownerId)
    for (const child of element.children) {
      if (isKnown?.(child) === true) continue
      if (known?.has(child.foldedName) !== true) this.collect(child, joinPath(path, child), ownerId)
      else this.#visitModel(child, joinPath(path, child), ownerId)
    }
  }

  /** Attributes that the model does not have: `<participant role="agent">`. */
  #collectForeignAttributes(element: XmlElement, path: string, ownerId: string | undefined): void {
    const known = KNOWN_ATTRIBUTES.get(element.foldedName)
    if (known === undefined) return
    const attributes = element.attributes.filter(
      (attribute) => isVendorAttribute(attribute) && !known.has(attribute.foldedName),
    )
    if (attributes.length > 0) this.collect({ ...element, text: '', children: [], attributes }, path, ownerId)
  }

  #add(extension: MetadataExtension): void {
    if (this.extensions.length < EXTENSIONS_MAX) this.extensions.push(extension)
    else this.droppedCount += 1
  }
}

/** Not a declaration of a namespace, nor one of the attributes every XML document may have. */
function isVendorAttribute({ name, foldedName }: XmlAttribute): boolean {
  const isOfXml = declaredPrefix(name) !== undefined || name.startsWith('xsi:') || name.startsWith('xml:')
  return !isOfXml && !WORDS.dataMode.includes(foldedName)
}

function joinPath(path: string, child: XmlElement): string {
  return `${path}/${child.localName}`.slice(0, EXTENSION_PATH_MAX)
}
