/**
 * Decodes an XML document: by its byte order mark, else by how its first bytes lie, else by the encoding it declares.
 * What claims to be UTF-8 and is not is read as Windows-1252, which is what such clients mean. Never throws.
 *
 * @see XML 1.0 appendix F
 */
export function decodeXmlText(bytes: Uint8Array): string {
  const wide = wideEncodingOf(bytes)
  if (wide !== undefined) return new TextDecoder(wide).decode(bytes)
  try {
    return new TextDecoder(declaredEncodingOf(bytes), { fatal: true }).decode(bytes)
  } catch {
    // An encoding nobody knows, or bytes that are not in it.
    return decodeLeniently(bytes)
  }
}

function wideEncodingOf(bytes: Uint8Array): string | undefined {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  if (first === 0x3c && second === 0) return 'utf-16le'
  if (first === 0 && second === 0x3c) return 'utf-16be'
  return undefined
}

const DECLARATION_BYTES = 200

function declaredEncodingOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xef) return 'utf-8'
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, DECLARATION_BYTES)).trimStart()
  const declaration = start.startsWith('<?xml') ? start.slice(0, Math.max(0, start.indexOf('?>'))) : ''
  const value = declaration.split('encoding')[1]?.split(/["']/)[1]?.trim().toLowerCase() ?? 'utf-8'
  // Seen on documents whose bytes are single: the declaration was written for a string in memory.
  return value === '' || value.startsWith('utf-16') || value.startsWith('ucs') ? 'utf-8' : value
}

function decodeLeniently(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}
