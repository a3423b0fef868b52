import { base64url } from 'jose'

/**
 * Whether a JWS may say something of this recording, without decoding it: of a log with a million statements that takes a second. What has the id in its payload is never passed over.
 *
 * @param recordingId ASCII
 */
export function mentioning(recordingId: string): (jws: string) => boolean {
  // The payload is Base64, three bytes in four characters: where the id begins among three, it has one of three spellings.
  const spellings = [0, 1, 2].map((before) => {
    const length = before + recordingId.length
    const encoded = base64url.encode(new TextEncoder().encode('x'.repeat(before) + recordingId))
    // Without the characters that what stands before and behind has a part in.
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor((length * 8) / 6))
  })
  return (jws) => spellings.some((spelling) => jws.includes(spelling))
}
