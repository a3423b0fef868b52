import { base64url } from 'jose'

/** RFC 4648 4, padded. By way of Base64url, which `jose` has for Node and browsers alike. */
export function toBase64(bytes: Uint8Array): string {
  const url = base64url.encode(bytes)
  const padding = '='.repeat((4 - (url.length % 4)) % 4)
  return url.replaceAll('-', '+').replaceAll('_', '/') + padding
}

/** Undefined for what is not the one encoding of its bytes. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = base64url.decode(
      text
        .replaceAll('+', '-')
        .replaceAll('/', '_')
        .replace(/={1,2}$/, ''),
    )
    return toBase64(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}
