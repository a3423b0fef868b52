import { randomBytes, randomInt, randomUUID } from 'node:crypto'

import { SrtpSender } from '../../src/protocol/srtp/srtp-sender.ts'

/** AEAD_AES_256_GCM: octets of key, and of key and salt together (RFC 7714 12). */
const SRTP_KEY_BYTES = 32
const SRTP_SECRET_BYTES = 44

/** SRTP master keys and salts of the first and the second media stream, in base64. */
export type SrtpSecrets = readonly [string, string]

export function freshSrtpSecrets(): SrtpSecrets {
  return [randomBytes(SRTP_SECRET_BYTES).toString('base64'), randomBytes(SRTP_SECRET_BYTES).toString('base64')]
}

/** What the captures of a secure scenario were protected with. */
export function srtpSender(secret: string): SrtpSender {
  const bytes = Buffer.from(secret, 'base64')
  const master = {
    key: bytes.subarray(0, SRTP_KEY_BYTES),
    salt: bytes.subarray(SRTP_KEY_BYTES),
    mki: new Uint8Array(0),
  }
  return new SrtpSender({
    suite: 'AEAD_AES_256_GCM',
    masterKeys: [master],
    unencryptedSrtp: false,
    unencryptedSrtcp: false,
    unauthenticatedSrtp: false,
  })
}

/**
 * SIPp injection file: one line per recording session with the fields that sipp-scenarios/README.md names. Fresh each
 * time: two runs must not look like one. Lines of a pair share the number that joins the two dialogs of a phone.
 */
export function identifierLines(count: number, startedAt: Date, secrets: SrtpSecrets = freshSrtpSecrets()): string {
  const lines: string[] = []
  let number = 0
  for (let index = 0; index < count; index += 1) {
    const isFirstOfPair = index % 2 === 0
    if (isFirstOfPair) number = randomInt(100_000_000, 1_000_000_000)
    const times = [0, 5_000, 10_000].map((offsetMs) => new Date(startedAt.getTime() + offsetMs).toISOString())
    const fields = [
      ...base64Ids(7),
      ...times,
      ...base64Ids(4),
      ...Array.from({ length: 9 }, () => randomUUID()),
      randomBytes(16).toString('hex'),
      randomBytes(10).toString('hex').toUpperCase(),
      String(number),
      ...secrets,
      isFirstOfPair ? 'near' : 'far',
    ]
    lines.push(fields.join(';'))
  }
  return ['SEQUENTIAL', ...lines, ''].join('\n')
}

/** RFC 7865 6.10: base64 of 16 octets. */
function base64Ids(count: number): readonly string[] {
  return Array.from({ length: count }, () => randomBytes(16).toString('base64'))
}
