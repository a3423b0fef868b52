import { beforeEach, describe, expect, it } from 'vitest'

import { SNAPSHOT_REQUEST_INTERVAL_US, SNAPSHOT_REQUESTS_MAX } from '../../../../src/server/recording/own-requests.ts'
import { ControlRig, DIALOG, settled } from './control-rig.ts'

const WILLING = { headers: { accept: 'application/sdp, application/rs-metadata-request' } }

let rig: ControlRig

beforeEach(() => {
  rig = new ControlRig()
})

async function incomplete(): Promise<void> {
  rig.control.handleMetadataIncomplete(rig.id, 'partialFirst')
  await settled()
}

describe('metadata that cannot be applied', () => {
  it('has an SRC asked that says it can be asked, by UPDATE', async () => {
    await rig.establish(WILLING)
    rig.responses.push({ status: 200 })
    await incomplete()
    expect(rig.asked).toMatchObject([
      {
        method: 'UPDATE',
        contentType: 'application/rs-metadata-request',
        headers: expect.arrayContaining([['Content-Disposition', 'recording-session']]),
      },
    ])
    expect(new TextDecoder().decode(rig.asked[0]?.body)).toContain(
      '<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1">',
    )
    expect(await rig.registry.metrics()).toContain('own_requests_total{request="snapshot",outcome="accepted"} 1')
  })

  it('has no SRC asked that does not say so', async () => {
    await rig.establish({ headers: { accept: 'application/sdp' } })
    await incomplete()
    expect(rig.asked).toEqual([])
  })

  it('in the INVITE waits for its ACK, and is asked about once', async () => {
    await rig.invite(WILLING)
    await incomplete()
    await incomplete()
    expect(rig.asked).toEqual([])
    rig.control.handleConfirmed(DIALOG, rig.nowUs)
    await settled()
    expect(rig.asked).toHaveLength(1)
  })

  it('is asked about a few times, not too soon after one another', async () => {
    await rig.establish(WILLING)
    for (let time = 0; time < SNAPSHOT_REQUESTS_MAX + 2; time += 1) {
      rig.responses.push({ status: 200 })
      await incomplete()
      await incomplete()
      rig.nowUs += SNAPSHOT_REQUEST_INTERVAL_US
    }
    expect(rig.asked).toHaveLength(SNAPSHOT_REQUESTS_MAX)
  })

  it.each([405, 415, 501, 603])('is not asked about again after %i', async (status) => {
    await rig.establish(WILLING)
    rig.responses.push({ status })
    await incomplete()
    rig.nowUs += SNAPSHOT_REQUEST_INTERVAL_US
    await incomplete()
    expect(rig.asked).toHaveLength(1)
    expect(await rig.registry.metrics()).toContain('own_requests_total{request="snapshot",outcome="refused"} 1')
    expect(rig.calls).toEqual(['open'])
  })

  it('after the end is nobody’s business', async () => {
    await rig.establish(WILLING)
    rig.control.handleEnded(DIALOG, { cause: 'bye', receivedUs: rig.nowUs })
    await incomplete()
    expect(rig.asked).toEqual([])
  })
})
