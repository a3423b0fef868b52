import { EXTENSION_PATH_MAX, EXTENSION_TEXT_MAX, EXTENSIONS_MAX, type MetadataExtension } from './metadata.ts'
import { declaredPrefix } from './xml-names.ts'
import type { XmlAttribute, XmlElement } from './xml-tree.ts'

const TIMES = ['associatetime', 'disassociatetime']

/** What the model reads inside each element of the model; everything else in there is an extension. */
const KNOWN_CHILDREN: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  [
    ['group', ...TIMES, 'session', 'groupid', 'id'],
    [
      'session',
      ...TIMES,
      'sipsessionid',
      'groupref',
      'starttime',
      'stoptime',
      'endtime',
      'reason',
      'sessionid',
      'id',
    ].concat('participant', 'stream'),
    [
      'participant',
      ...TIMES,
      'nameid',
      'aor',
      'name',
      'displayname',
      'send',
      'recv',
      'receive',
      'participantid',
      'id',
    ].concat('session', 'sessionid'),
    ['nameid', 'aor', 'name', 'displayname'],
    ['name'],
    ['send', 'id', 'streamid'],
    ['recv', 'id', 'streamid'],
    ['receive', 'id', 'streamid'],
    ['stream', ...TIMES, 'label', 'mode', 'streamid', 'id', 'session', 'sessionid'],
    ['sessionrecordingassoc', ...TIMES],
    ['participantsessionassoc', ...TIMES],
    ['participantstreamassoc', ...TIMES, 'send', 'recv', 'receive'],
  ].map(([parent = '', ...children]) => [parent, new Set(children)]),
)

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
    const attributes = element.attributes.filter(isVendorAttribute)
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

  #visitModel(
    element: XmlElement,
    path: string,
    ownerId: string | undefined,
    isKnown?: (child: XmlElement) => boolean,
  ): void {
    const known = KNOWN_CHILDREN.get(element.foldedName)
    for (const child of element.children) {
      if (isKnown?.(child) === true) continue
      if (known?.has(child.foldedName) !== true) this.collect(child, joinPath(path, child), ownerId)
      else this.#visitModel(child, joinPath(path, child), ownerId)
    }
  }

  #add(extension: MetadataExtension): void {
    if (this.extensions.length < EXTENSIONS_MAX) this.extensions.push(extension)
    else this.droppedCount += 1
  }
}

/** Not a declaration of a namespace, nor one of the attributes every XML document may have. */
function isVendorAttribute({ name }: XmlAttribute): boolean {
  return declaredPrefix(name) === undefined && !name.startsWith('xsi:') && name !== 'datamode'
}

function joinPath(path: string, child: XmlElement): string {
  return `${path}/${child.localName}`.slice(0, EXTENSION_PATH_MAX)
}
