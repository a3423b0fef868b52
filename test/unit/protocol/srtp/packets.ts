import { expect } from 'vitest'

import { serializeRtp } from '../../../../src/protocol/rtp/packet.ts'
import { serializeReceiverReport } from '../../../../src/protocol/rtp/rtcp-writer.ts'
import { TURN } from '../../../../src/protocol/srtp/packet-index.ts'
import type { SrtpReceiver } from '../../../../src/protocol/srtp/srtp-receiver.ts'
import type { SrtpKeys } from '../../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpSender } from '../../../../src/protocol/srtp/srtp-sender.ts'

export const SSRC = 0xcafe_babe

/** The clear packet of an index: its payload says which it is. */
export function packetAt(index: number, ssrc = SSRC): Uint8Array {
  return serializeRtp({
    payloadType: 0,
    marker: false,
    sequenceNumber: index % TURN,
    timestamp: (index * 160) >>> 0,
    ssrc,
    payload: new TextEncoder().encode(`packet ${index}`),
  })
}

/** The same, protected as the sender of a running stream does at that index. */
export function protectedAt(index: number, keys: SrtpKeys, ssrc = SSRC): Uint8Array {
  return new SrtpSender(keys, { rolloverCounter: Math.floor(index / TURN) }).protectRtp(packetAt(index, ssrc))
}

export function reportFrom(ssrc = SSRC): Uint8Array {
  return serializeReceiverReport({ type: 'receiverReport', ssrc, reports: [] })
}

/** The word for what became of each index: `ok`, or the reason. */
export function fates(
  receiver: SrtpReceiver,
  indices: readonly number[],
  keys: SrtpKeys,
  nowUs = 0,
): readonly string[] {
  return indices.map((index) => {
    const opened = receiver.unprotectRtp(protectedAt(index, keys), nowUs)
    if (opened.ok) expect(opened.value).toEqual(packetAt(index))
    return opened.ok ? 'ok' : opened.reason
  })
}
