import { MARKUP_NAMES } from './vocabulary.ts'
import { foldName, localNameOf } from './xml-names.ts'
import { escapeAttribute, escapeText, scanTag } from './xml-tags.ts'
import { accepted, rejected, type Result } from '../../result.ts'

/** A stretch of the document, and what it does to the output; without that it is text. */
interface Taken {
  readonly end: number
  readonly apply?: () => void
}

const nothing = (): void => undefined

/**
 * Makes a well-formed document of one that is not, losing as little as can be: `&` and `<` that begin no markup become
 * text, attributes are quoted and made unique, tags are closed, end tags without a start and whatever lies outside the
 * root are dropped, comments and processing instructions too; half of a surrogate pair becomes U+FFFD. A DTD is refused.
 *
 * Linear in the length; never throws. The result names only elements with ASCII names.
 */
export function repairXml(text: string): Result<string, 'doctype' | 'notXml'> {
  return new Repair(text.toWellFormed()).run()
}

class Repair {
  readonly #text: string
  readonly #output: string[] = []
  readonly #openNames: string[] = []
  /** How many elements of each name are open, to know an end tag without a start in constant time. */
  readonly #openCounts = new Map<string, number>()
  /** How many end tags of each name are still ahead. */
  readonly #endTagsAhead: Map<string, number>
  // Known beforehand, so that a thousand comments without an end do not each search for it.
  readonly #lastCommentEnd: number
  readonly #lastInstructionEnd: number
  #rootClosed = false
  #refused = false

  constructor(text: string) {
    this.#text = text
    this.#endTagsAhead = countEndTags(text)
    this.#lastCommentEnd = text.lastIndexOf('-->')
    this.#lastInstructionEnd = text.lastIndexOf('?>')
  }

  run(): Result<string, 'doctype' | 'notXml'> {
    const text = this.#text
    // Text is escaped in whole stretches: what lies between here and the next markup.
    let textStart = 0
    let index = 0
    while (!this.#rootClosed && !this.#refused) {
      const markup = text.indexOf('<', index)
      if (markup < 0) break
      const taken = this.#readMarkup(markup)
      index = taken.end
      if (taken.apply === undefined) continue
      this.#addText(text.slice(textStart, markup))
      taken.apply()
      textStart = taken.end
    }
    if (this.#refused) return rejected('doctype')
    this.#addText(text.slice(textStart))
    if (this.#output.length === 0) return rejected('notXml')
    while (this.#openNames.length > 0) this.#closeInnermost()
    return accepted(this.#output.join(''))
  }

  /** What begins at a `<`: markup when there is something to apply, else text. */
  #readMarkup(at: number): Taken {
    const text = this.#text
    if (text.startsWith('<!', at)) return this.#readDeclaration(at)
    if (text.startsWith('<?', at) && at + 2 <= this.#lastInstructionEnd) {
      return { end: text.indexOf('?>', at + 2) + 2, apply: nothing }
    }
    const tag = scanTag(text, at)
    if (tag === undefined) return { end: at + 1 }
    if (tag.kind === 'end') return { end: tag.end, apply: () => this.#takeEndTag(tag.name) }
    return this.#isMarkup(tag.name, tag.kind)
      ? { end: tag.end, apply: () => this.#takeStartTag(tag) }
      : { end: tag.end }
  }

  #readDeclaration(at: number): Taken {
    const text = this.#text
    if (text.startsWith('<!--', at) && at + 4 <= this.#lastCommentEnd) {
      return { end: text.indexOf('-->', at + 4) + 3, apply: nothing }
    }
    if (text.startsWith('<![CDATA[', at)) {
      const found = text.indexOf(']]>', at + 9)
      const end = found < 0 ? text.length : found
      const apply = (): void => this.#addText(text.slice(at + 9, end).replaceAll('&', '&amp;'))
      return { end: Math.min(text.length, end + 3), apply }
    }
    const keyword = text.slice(at + 2, at + 10).toLowerCase()
    this.#refused = keyword.startsWith('doctype') || keyword.startsWith('entity')
    return { end: at + 2 }
  }

  // A tag without an end tag is text unless it is one of the model's: `<sip:alice>` in a name, written without escaping.
  #isMarkup(name: string, kind: 'start' | 'empty'): boolean {
    if (kind === 'empty' || MARKUP_NAMES.has(foldName(localNameOf(name)))) return true
    return (this.#endTagsAhead.get(name) ?? 0) > 0
  }

  #takeStartTag(tag: {
    readonly kind: 'start' | 'empty'
    readonly name: string
    readonly attributes: Map<string, string>
  }): void {
    const attributes = [...tag.attributes].map(([name, value]) => ` ${name}="${escapeAttribute(value)}"`).join('')
    this.#output.push(`<${tag.name}${attributes}>`)
    this.#openNames.push(tag.name)
    this.#openCounts.set(tag.name, (this.#openCounts.get(tag.name) ?? 0) + 1)
    if (tag.kind === 'empty') this.#closeInnermost()
  }

  #takeEndTag(name: string): void {
    this.#endTagsAhead.set(name, (this.#endTagsAhead.get(name) ?? 1) - 1)
    if ((this.#openCounts.get(name) ?? 0) === 0) return
    while (this.#openNames.at(-1) !== name) this.#closeInnermost()
    this.#closeInnermost()
  }

  #closeInnermost(): void {
    const name = this.#openNames.pop()
    if (name === undefined) return
    this.#output.push(`</${name}>`)
    this.#openCounts.set(name, (this.#openCounts.get(name) ?? 1) - 1)
    this.#rootClosed = this.#openNames.length === 0
  }

  #addText(raw: string): void {
    if (raw !== '' && this.#openNames.length > 0) this.#output.push(escapeText(raw))
  }
}

function countEndTags(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (let at = text.indexOf('</'); at >= 0; at = text.indexOf('</', at + 2)) {
    const tag = scanTag(text, at)
    if (tag?.kind === 'end') counts.set(tag.name, (counts.get(tag.name) ?? 0) + 1)
  }
  return counts
}
