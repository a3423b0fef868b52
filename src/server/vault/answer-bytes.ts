import type { Readable } from 'node:stream'

import type { VaultProvider } from '../../evidence/vault-recipient.ts'
import { keyServiceError } from './key-service-error.ts'

/** Of an answer: a key of Vault with a thousand versions, of which each has its public half, is not longer. */
const ANSWER_BYTES_MAX = 1024 * 1024

/** @throws EarwitnessError `vault-service-answer` when it is too long; what the stream throws, and what destroyed it */
export async function readAnswerBytes(answer: Readable, provider: VaultProvider): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    length += part.length
    if (length > ANSWER_BYTES_MAX) {
      answer.destroy()
      throw keyServiceError(provider, 'answer', { detail: 'too long' })
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}
