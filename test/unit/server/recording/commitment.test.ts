import { beforeEach, describe, expect, it } from 'vitest'

import type { ManifestBody, StreamEntry } from '../../../../src/evidence/manifest.ts'
import type { SealedObject } from '../../../../src/recorder/recording-types.ts'
import { asStreamId } from '../../../../src/ids.ts'
import { ControlRig, DIALOG, NOW_US } from './control-rig.ts'
import { bytesOf, liveRecording, manifestOf } from './live-recordings.ts'

const SNAPSHOT: SealedObject = { kind: 'metadata', name: 'metadata-000.age', bytes: bytesOf('sealed') }
const INCIDENT = { code: 'metadata-invalid', at: '2026-11-23T09:00:00.000Z', detail: 'Not read.' }
const HEARD: StreamEntry = {
  ...{ streamId: '0', streamLabel: '1', channel: 0, participantIds: [], codecs: [], gaps: [] },
  packets: { received: 1, lost: 0, late: 0, duplicate: 0, discarded: 0 },
  ledger: { audioSamples: 0, gapSamples: { lost: 0, silence: 0, held: 0, noMedia: 0 }, unlistedGapSamples: 0 },
}

let rig: ControlRig

beforeEach(() => {
  rig = new ControlRig()
})

function end(streams: readonly StreamEntry[] = []): Promise<void> {
  rig.control.handleEnded(DIALOG, { cause: 'noAck', receivedUs: NOW_US })
  const manifest: ManifestBody = { ...manifestOf(liveRecording()), recordingId: rig.id, endCause: 'noAck', streams }
  rig.control.handleManifest(rig.id, manifest)
  return rig.control.whenIdle()
}

describe('an INVITE that is answered and never acknowledged', () => {
  it('leaves nothing but a count when it brings no RTP', async () => {
    await rig.invite()
    rig.control.handleSealed(rig.id, SNAPSHOT)
    rig.control.handleIncident(rig.id, INCIDENT)
    await end()
    expect(rig.calls).toEqual(['open', 'end noAck'])
    expect(rig.custody).toEqual([])
    expect(rig.control.openedTotal).toBe(0)
    const metrics = await rig.registry.metrics()
    expect(metrics).toContain('earwitness_recording_sessions_total{src="other",outcome="noAck"} 1')
    expect(metrics).not.toMatch(/earwitness_recording_sessions\{.*[1-9]$/m)
  })

  it('is kept with all that was sealed before, once it brings RTP', async () => {
    await rig.invite()
    rig.control.handleSealed(rig.id, SNAPSHOT)
    rig.control.handleIncident(rig.id, INCIDENT)
    rig.control.handleFirstPacket(rig.id, asStreamId('0'))
    expect(rig.custody).toEqual(['opened', 'metadata-000.age', 'metadata-invalid'])
    await end([HEARD])
    expect(rig.custody.at(-1)).toBe('close noAck')
  })

  it('is kept too when its RTP was still in the sockets at the end', async () => {
    await rig.invite()
    await end([HEARD])
    expect(rig.custody).toEqual(['opened', 'close noAck'])
  })

  it('leaves nothing when its worker dies', async () => {
    await rig.invite()
    rig.control.handleWorkerLost([rig.id])
    await rig.control.whenIdle()
    expect(rig.custody).toEqual([])
    expect(rig.byes).toEqual(['500 Recorder failed'])
  })
})

describe('a recording session', () => {
  it.each(['UPDATE', 'INFO', 'ACK'])('that sends %s has our 200: what it seals goes into custody', async (method) => {
    await rig.invite()
    await rig.send(method)
    expect(rig.custody).toEqual(['opened'])
    rig.control.handleSealed(rig.id, SNAPSHOT)
    expect(rig.custody).toEqual(['opened', 'metadata-000.age'])
  })
})
