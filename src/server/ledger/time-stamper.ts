import { createHash, randomBytes } from 'node:crypto'

import { EarwitnessError } from '../../errors.ts'
import { areSame } from '../../evidence/ledger/check-proof.ts'
import { hasNonce, readTimestamp, timestampRequest, TIMESTAMP_BYTES_MAX } from '../../evidence/ledger/timestamp.ts'
import { readBounded } from '../http/read-bounded.ts'

/** How long an authority has time to answer. */
const ANSWER_WAIT_MS = 10_000

/**
 * Asks a time stamping authority (RFC 3161 3.4, over HTTP) to stamp `bytes`; gives its answer as it came, once it says what was asked. Whether to trust its
 * signature is for readers.
 *
 * @throws EarwitnessError `timestamp-refused`, or what the network throws
 */
export async function stamp(url: string, bytes: Uint8Array): Promise<Uint8Array> {
  const imprint = createHash('sha256').update(bytes).digest()
  const nonce = randomBytes(8)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/timestamp-query', Accept: 'application/timestamp-reply' },
    body: Buffer.from(timestampRequest(imprint, nonce)),
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_WAIT_MS),
  })
  const reply = response.ok ? await readBounded(response, TIMESTAMP_BYTES_MAX) : undefined
  const read = reply === undefined ? undefined : readTimestamp(reply)
  const isRight = read?.ok === true && areSame(read.value.imprint, imprint) && hasNonce(read.value, nonce)
  if (reply !== undefined && isRight) return reply
  throw new EarwitnessError(
    'timestamp-refused',
    'The time stamping authority did not stamp the checkpoint of the ledger.',
    'Check ledger.timestamp.url: it must answer POST of application/timestamp-query (RFC 3161) with a token over SHA-256.',
  )
}
