/**
 * Hex SHA-256 through WebCrypto, which Node and browsers both have: what verifies must also run in the console. The
 * recorder itself hashes synchronously with `node:crypto`.
 */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
