import { randomUUID } from 'node:crypto'

/**
 * Unguessable text of 32 hex digits for tags and branches, 122 bits of it random. That it is a UUID makes our tags good Session-IDs
 * (RFC 7989 5), and Node draws the bytes of many at once.
 */
export function randomToken(): string {
  return randomUUID().replaceAll('-', '')
}
