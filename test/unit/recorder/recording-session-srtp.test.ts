import { describe, expect, it } from 'vitest'

import { canonicalJson } from '../../../src/evidence/canonical-json.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import type { SrtpKeys } from '../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpSender } from '../../../src/protocol/srtp/srtp-sender.ts'
import { matchAudio, noise } from '../../support/audio.ts'
import { EncoderStock, OPENED_US, packetsOf, planOf, RecordingRig, type Arrival } from '../../support/recording-rig.ts'
import { ALL_SUITES, keysOf } from '../../support/srtp.ts'

const SECOND_US = 1_000_000
const said = noise({ seed: 5, samples: 6 * 8_000, amplitude: 0.4 })

/** The same packets as an SRC with these keys sends them. */
function sealed(arrivals: readonly Arrival[], keys: SrtpKeys, sender = new SrtpSender(keys)): Arrival[] {
  return arrivals.map((arrival) => ({ ...arrival, datagram: sender.protectRtp(arrival.datagram) }))
}

async function rigOf(keys: SrtpKeys | undefined): Promise<RecordingRig> {
  return new RecordingRig({ encoders: await EncoderStock.of(2), plans: [planOf(0, { keys })] })
}

async function similarity(rig: RecordingRig): Promise<number> {
  const [heard] = await rig.heard()
  return matchAudio(said, heard ?? new Int16Array(0), { lagMax: 800 }).correlation
}

describe.each(ALL_SUITES)('a recording of SRTP under %s', (suite) => {
  it('holds what was said; loss and duplicates are what they would be in clear', async () => {
    const keys = keysOf(suite)
    const [protectedRig, clearRig] = [await rigOf(keys), await rigOf(undefined)]
    const sent = packetsOf({ plan: planOf(0), samples: said })
    const impaired = (arrivals: readonly Arrival[]): Arrival[] => [
      ...arrivals.filter((_, index) => index % 50 !== 20),
      ...arrivals
        .filter((_, index) => index % 40 === 5)
        .map((copy) => ({ ...copy, arrivalUs: copy.arrivalUs + 9_000 })),
    ]
    protectedRig.run(impaired(sealed(sent, keys)), 6 * SECOND_US)
    clearRig.run(impaired(sent), 6 * SECOND_US)
    const [manifest, inClear] = [protectedRig.end(6.1 * SECOND_US), clearRig.end(6.1 * SECOND_US)]
    // The replay window keeps copies away from what counts them for RTCP (RFC 3711 3.3.2); in clear RFC 3550 A.3 counts them.
    const { reception, ...protectedStream } = manifest.streams[0] ?? {}
    const { reception: clearReception, ...clearStream } = inClear.streams[0] ?? {}
    expect(protectedStream).toEqual({ ...clearStream, protection: [suite] })
    const { packetsReceived = 0 } = clearReception ?? {}
    expect(reception).toEqual({ ...clearReception, packetsReceived: packetsReceived - 8 })
    expect(inClear.streams[0]?.protection).toEqual(['none'])
    expect(manifest.streams[0]?.packets).toMatchObject({ lost: 6, duplicate: 8, discarded: 0 })
    expect(manifest.incidents).toEqual([])
    expect(findShapeFault(manifest)).toBe(undefined)
    expect(await protectedRig.heard()).toEqual(await clearRig.heard())
  })
})

describe('keys', () => {
  it('change with a re-INVITE without a packet lost, whether the rollover counter goes on or begins again', async () => {
    for (const continues of [true, false]) {
      const [before, after] = [keysOf('AES_CM_128_HMAC_SHA1_80'), keysOf('AEAD_AES_256_GCM')]
      const rig = await rigOf(before)
      // The sequence number wraps early on, so that the counter is 1 when the keys change.
      const sent = packetsOf({ plan: planOf(0), samples: said })
      const sender = new SrtpSender(before)
      const first = sealed(sent.slice(0, 150), before, sender)
      if (continues) sender.rekey(after)
      const second = sealed(sent.slice(150), after, continues ? sender : new SrtpSender(after))
      rig.run(first.slice(0, 140), 2.82 * SECOND_US)
      rig.recordingSession.updateStreams([planOf(0, { keys: after })], OPENED_US + 2.82 * SECOND_US)
      rig.run([...first.slice(140), ...second], 6.1 * SECOND_US)
      const manifest = rig.end(6.1 * SECOND_US)
      expect(manifest.streams[0]?.packets).toMatchObject({ received: 300, lost: 0, discarded: 0 })
      expect(manifest.streams[0]?.protection).toEqual(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'])
      expect(await similarity(rig)).toBeGreaterThan(0.9)
    }
  })

  it('that do not fit are an incident while it happens, once, and the packets are counted', async () => {
    const rig = await rigOf(keysOf('AES_CM_128_HMAC_SHA1_80'))
    rig.run(sealed(packetsOf({ plan: planOf(0), samples: said }), keysOf('AEAD_AES_128_GCM')), 4 * SECOND_US)
    expect(rig.sink.incidentCodes).toEqual(['srtp-failing'])
    rig.run([], 6 * SECOND_US)
    const counters = [...rig.recordingSession.streamReceivers.values()][0]?.counters
    expect(counters?.packetsDiscarded.srtp).toBe(counters?.srtpFailures.authentication)
    expect(counters?.packetsDiscarded.srtp).toBeGreaterThan(150)
    const manifest = rig.end(6.1 * SECOND_US)
    expect(rig.sink.incidentCodes).toEqual(['srtp-failing', 'no-media'])
    expect(manifest.streams[0]).toMatchObject({ codecs: [], protection: [], packets: { received: 0 } })
  })

  it('reach nothing that the recording leaves behind', async () => {
    const keys = keysOf('AES_CM_128_HMAC_SHA1_80')
    const rig = await rigOf(keys)
    rig.run(
      sealed(packetsOf({ plan: planOf(0), samples: said }), keysOf('AES_CM_128_HMAC_SHA1_80', { seed: 2 })),
      6 * SECOND_US,
    )
    const left = canonicalJson([rig.end(6.1 * SECOND_US), rig.sink.incidents])
    const secrets = keys.masterKeys.flatMap(({ key, salt }) => [key, salt])
    for (const secret of secrets) {
      for (const encoding of ['hex', 'base64', 'base64url'] as const) {
        expect(left).not.toContain(Buffer.from(secret).toString(encoding).slice(0, 12))
      }
      for (const { bytes } of rig.sink.objects) expect(Buffer.from(bytes).includes(Buffer.from(secret))).toBe(false)
    }
  })
})
