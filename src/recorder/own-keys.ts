import { judgeLine } from '../protocol/sdp/answer.ts'
import { acceptCrypto, srtpKeysOf, type CryptoAttribute } from '../protocol/sdp/crypto-attribute.ts'
import type { MediaDescription } from '../protocol/sdp/session-description.ts'
import type { MediaStreamPlan } from './recording-types.ts'

/**
 * Adds to each secure stream the keys that our answer to its line will have: the RTCP that we send is under them. RFC 4568 6.1
 *
 * @param masterKeyFor our own key for a line; the answer is to be given the same
 */
export function withOwnKeys(
  plans: readonly MediaStreamPlan[],
  media: readonly MediaDescription[],
  masterKeyFor: (index: number, offered: CryptoAttribute) => Uint8Array,
): readonly MediaStreamPlan[] {
  return plans.map((plan) => {
    const line = media[plan.line.index]
    if (line === undefined || plan.keys === undefined) return plan
    const judged = judgeLine(line)
    if (!judged.ok || judged.value.crypto === undefined) return plan
    const offered = judged.value.crypto
    return { ...plan, ownKeys: srtpKeysOf(acceptCrypto(offered, masterKeyFor(line.index, offered))) }
  })
}
