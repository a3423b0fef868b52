import { createHash } from 'node:crypto'

/** Hex SHA-256 at once, for the recorder. What has to run in a browser too waits for `web-digest.ts`. Text is taken as UTF-8. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
