import { SaxesParser } from 'saxes'
import { XML_ATTRIBUTES_MAX, XML_DEPTH_MAX, XML_ELEMENTS_MAX } from './metadata.ts'
import { repairXml } from './repair-xml.ts'
import { declaredPrefix, foldName, localNameOf } from './xml-names.ts'
import { accepted, rejected, type Result } from '../../result.ts'

/** An element with everything in it. Elements are matched by their folded name, never by prefix or namespace. */
export interface XmlElement {
  /** '' when the name has none. */
  readonly prefix: string
  readonly localName: string
  /** See `foldName`. */
  readonly foldedName: string
  /** Undefined when the prefix was not declared, which is tolerated. */
  readonly namespace: string | undefined
  readonly attributes: readonly XmlAttribute[]
  readonly children: readonly XmlElement[]
  /** The character data directly in it, not that of its children. */
  readonly text: string
}

export interface XmlAttribute {
  readonly name: string
  /** Of its local name. */
  readonly foldedName: string
  readonly value: string
}

export type XmlRejectReason = 'doctype' | 'tooDeep' | 'tooManyElements' | 'tooManyAttributes' | 'notXml'

/**
 * Parses a document strictly; if it is not well-formed, repairs it and parses it again.
 *
 * No DTD is ever read and no entity but the five of XML and character references expanded. Linear; never throws.
 */
export function parseXmlTree(
  text: string,
): Result<{ readonly root: XmlElement; readonly repaired: boolean }, XmlRejectReason> {
  const strict = parseStrictly(text)
  if (strict.ok) return accepted({ root: strict.value, repaired: false })
  if (strict.reason !== 'notXml') return strict
  const repaired = repairXml(text)
  if (!repaired.ok) return repaired
  const again = parseStrictly(repaired.value)
  return again.ok ? accepted({ root: again.value, repaired: true }) : again
}

/** Names beyond this length are cut; no name that means anything is as long. */
const NAME_LENGTH_MAX = 128

/** The declarations in force at an element: its own first, then those of its ancestors. */
interface Scope {
  readonly prefix: string
  readonly uri: string
  readonly outer: Scope | undefined
}

interface OpenElement {
  readonly element: XmlElement & { readonly children: XmlElement[]; text: string }
  readonly scope: Scope | undefined
}

function parseStrictly(text: string): Result<XmlElement, XmlRejectReason> {
  const builder = new TreeBuilder()
  const parser = new SaxesParser({ xmlns: false, position: false })
  parser.on('doctype', () => builder.refuse('doctype'))
  parser.on('opentagstart', () => builder.beginTag())
  parser.on('attribute', ({ name, value }) => builder.addAttribute({ name, value }))
  parser.on('opentag', ({ name }) => builder.open(name))
  parser.on('text', (data) => builder.addText(data))
  parser.on('cdata', (data) => builder.addText(data))
  parser.on('closetag', () => builder.close())
  try {
    // Without an error handler saxes throws at the first error, which is all there is to know here.
    parser.write(text).close()
  } catch {
    return rejected(builder.refusal ?? 'notXml')
  }
  return builder.root === undefined ? rejected('notXml') : accepted(builder.root)
}

class TreeBuilder {
  root: XmlElement | undefined
  refusal: XmlRejectReason | undefined
  readonly #openElements: OpenElement[] = []
  #attributes: XmlAttribute[] = []
  #elementCount = 0

  /** Leaves the parser the only way it knows; {@link parseStrictly} catches it. */
  refuse(reason: XmlRejectReason): never {
    this.refusal = reason
    throw new Error(reason)
  }

  beginTag(): void {
    this.#attributes = []
    this.#elementCount += 1
    if (this.#elementCount > XML_ELEMENTS_MAX) this.refuse('tooManyElements')
    if (this.#openElements.length >= XML_DEPTH_MAX) this.refuse('tooDeep')
  }

  addAttribute({ name, value }: { readonly name: string; readonly value: string }): void {
    if (this.#attributes.length >= XML_ATTRIBUTES_MAX) this.refuse('tooManyAttributes')
    this.#attributes.push({ name, foldedName: foldName(localNameOf(name)), value })
  }

  open(name: string): void {
    const parent = this.#openElements.at(-1)
    let scope = parent?.scope
    for (const attribute of this.#attributes) {
      const prefix = declaredPrefix(attribute.name)
      if (prefix !== undefined) scope = { prefix, uri: attribute.value.trim(), outer: scope }
    }
    const prefix = name.slice(0, Math.max(0, name.lastIndexOf(':'))).slice(0, NAME_LENGTH_MAX)
    const localName = localNameOf(name).slice(0, NAME_LENGTH_MAX)
    const namespace = resolvePrefix(prefix, scope)
    const foldedName = foldName(localName)
    const element = { prefix, localName, foldedName, namespace, attributes: this.#attributes, children: [], text: '' }
    if (parent === undefined) this.root = element
    else parent.element.children.push(element)
    this.#openElements.push({ element, scope })
  }

  addText(data: string): void {
    const open = this.#openElements.at(-1)
    if (open !== undefined) open.element.text += data
  }

  close(): void {
    this.#openElements.pop()
  }
}

function resolvePrefix(prefix: string, innermost: Scope | undefined): string | undefined {
  for (let scope = innermost; scope !== undefined; scope = scope.outer) {
    if (scope.prefix === prefix) return scope.uri === '' ? undefined : scope.uri
  }
  return undefined
}
