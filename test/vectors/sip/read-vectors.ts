import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What becomes of a message; the README of this folder says what each word means. */
export type Verdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly status: number; readonly closed: boolean }
  | { readonly kind: 'dropped'; readonly reason: string; readonly closed: boolean }
  | { readonly kind: 'waits' }

export interface SipVector {
  /** Folder and name, such as `rfc4475/wsinv`. */
  readonly name: string
  readonly section: string
  readonly title: string
  readonly why: string
  readonly bytes: Uint8Array
  readonly verdicts: Readonly<Record<'udp' | 'tcp', Verdict>>
  /** CSeq and status of an answer to what follows the message on a stream. */
  readonly tcpAlso: string | undefined
  /** Final status from the whole recorder over UDP, where the stack accepts and the recorder does not. */
  readonly recorderStatus: number | undefined
}

const FOLDERS = ['rfc4475', 'rfc5118', 'regressions']

/** All vectors, in the order of their sections. */
export function readSipVectors(): readonly SipVector[] {
  return FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(import.meta.dirname, folder)).filter((name) => name.endsWith('.txt'))
    const vectors = names.map((file) => {
      const text = readFileSync(join(import.meta.dirname, folder, file), 'utf8')
      return parseVector(`${folder}/${file.replace('.txt', '')}`, text)
    })
    return vectors.toSorted((left, right) => left.section.localeCompare(right.section, 'en', { numeric: true }))
  })
}

function parseVector(name: string, text: string): SipVector {
  const start = text.indexOf('---\n')
  const fields = new Map<string, string>()
  for (const line of text.slice(0, start).trim().split('\n')) {
    const colon = line.indexOf(': ')
    fields.set(line.slice(0, colon), line.slice(colon + 2))
  }
  const need = (field: string): string => {
    const value = fields.get(field)
    if (value === undefined) throw new Error(`${name} has no ${field}`)
    return value
  }
  need('text')
  const verdict = parseVerdict(need('verdict'))
  const tcp = fields.get('tcp')
  const recorder = fields.get('recorder')
  return {
    name,
    section: need('section'),
    title: need('title'),
    why: need('why'),
    bytes: decodeMessage(text.slice(start + 4)),
    verdicts: { udp: verdict, tcp: tcp === undefined ? verdict : parseVerdict(tcp) },
    tcpAlso: fields.get('tcp-also'),
    recorderStatus: recorder === undefined ? undefined : Number(recorder),
  }
}

function parseVerdict(text: string): Verdict {
  const closed = text.endsWith(' and closed')
  const [kind, what = ''] = text.replace(' and closed', '').split(' ')
  if (kind === 'accepted' || kind === 'waits') return { kind }
  if (kind === 'refused') return { kind, status: Number(what), closed }
  if (kind === 'dropped') return { kind, reason: what, closed }
  throw new Error(`no verdict: ${text}`)
}

/**
 * The bytes that a message in the notation of RFC 4475 stands for: `<allOneLine>` joins lines, `<repeat count=n>` repeats,
 * `<hex>` gives bytes; every line ends with CRLF.
 *
 * @see RFC 4475 2.1 to 2.3
 */
export function decodeMessage(text: string): Uint8Array {
  const joined = text.replaceAll(/<allOneLine>\n([\s\S]*?)\n<\/allOneLine>/g, (_, lines: string) =>
    lines.replaceAll('\n', ''),
  )
  const repeated = joined.replaceAll(/<repeat count=(\d+)>(.*?)<\/repeat>/g, (_, count: string, what: string) =>
    what.repeat(Number(count)),
  )
  const pieces = repeated.replaceAll('\n', '\r\n').split(/<hex>([0-9A-Fa-f]*)<\/hex>/)
  return Buffer.concat(pieces.map((piece, index) => Buffer.from(piece, index % 2 === 0 ? 'utf8' : 'hex')))
}
