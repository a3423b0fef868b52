import { readFileSync } from 'node:fs'

const FOLDER = new URL('../../../vectors/siprec/', import.meta.url)

/** An INVITE of one client, as far as it matters to the recording: what the head of a vector says, and the body. */
export interface InviteVector {
  readonly require: readonly string[]
  readonly contact: string
  readonly contentType: string
  /** '' when the head has none. */
  readonly from: string
  /** Lookups in the whole head. */
  readonly header: (name: string) => string | undefined
  readonly headers: (name: string) => readonly string[]
  readonly body: Uint8Array
}

/** Reads `test/vectors/siprec/<name>.txt`; see the README there. */
export function readVector(name: string): InviteVector {
  const text = readFileSync(new URL(`${name}.txt`, FOLDER), 'utf8')
  const blank = text.indexOf('\n\n')
  const head = new Map(
    text
      .slice(0, blank)
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const body = text.slice(blank + 2)
  const headers = (name: string): readonly string[] => [head.get(name.toLowerCase()) ?? []].flat()
  return {
    require: headers('require'),
    contact: head.get('contact') ?? '',
    contentType: head.get('content-type') ?? '',
    from: head.get('from') ?? '',
    header: (name) => headers(name)[0],
    headers,
    body: bytesOf(head.get('line-ends') === 'crlf' ? body.replaceAll('\n', '\r\n') : body),
  }
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** The value of a result, or a failed test that says why. */
export function valueOf<Value>(result: { ok: true; value: Value } | { ok: false; reason: string }): Value {
  if (!result.ok) throw new Error(`rejected: ${result.reason}`)
  return result.value
}
