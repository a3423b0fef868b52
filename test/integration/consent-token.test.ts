import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { AnnouncedCaller } from '../support/announced-caller.ts'
import { announcerEnvironment, shortPrompts } from '../support/announcer.ts'
import { eventually, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { placeFound, type Placed } from '../support/placed.ts'
import { liveRecordingSessions, metric } from '../support/probes.ts'
import { RawSrc, type RawRequest } from '../support/raw-src.ts'
import { manifestOf, shippedSpeech } from '../support/recorded.ts'

/** The token of an announcement, copied into metadata, ties it to its recording: against the real daemon. */
const TARGET = 'sip:+49301234@pbx.example.com'

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc
let pbx: AnnouncedCaller

beforeAll(async () => {
  dataDir = await makeDataDir()
  const folder = await shortPrompts(join(dataDir, 'prompts'))
  daemon = await startDaemon(dataDir, await announcerEnvironment(folder))
  src = await RawSrc.open(daemon.sipUdpPort)
  pbx = await AnnouncedCaller.open(daemon.sipUdpPort)
}, 120_000)

afterAll(async () => {
  pbx.close()
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
})

async function announced(): Promise<string> {
  const uri = `sip:announce@127.0.0.1;early=yes;target=${encodeURIComponent(TARGET)}`
  const { status, headers } = await pbx.src.ask('INVITE', { uri, body: pbx.offer() })
  expect(status).toBe(302)
  return headers.first('X-Earwitness-Consent') ?? ''
}

function metadata(vendor: string): RawRequest {
  const session = `<session session_id="cs1"/><extensiondata xmlns:v="urn:example:vendor">${vendor}</extensiondata>`
  return {
    contentType: 'application/rs-metadata+xml',
    body: `<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>${session}</recording>`,
  }
}

async function eventsOf({ session, recordingId }: Placed): Promise<readonly string[]> {
  const [speech] = await shippedSpeech()
  await Promise.all([session.speak(0, speech.subarray(0, 4_000)), session.speak(1, speech.subarray(0, 4_000))])
  expect(await session.hangUp()).toBe(200)
  await eventually('it is closed', async () =>
    (await liveRecordingSessions(daemon)).some((one) => one.recordingId === recordingId) ? undefined : true,
  )
  return (await manifestOf(daemon, recordingId)).consentEvents.map(({ type }) => type)
}

test(
  'in vendor data of a later snapshot, and nothing is tied to a recording without it',
  { timeout: 120_000 },
  async () => {
    const token = await announced()
    const [tied, other] = [await placeFound(daemon, src), await placeFound(daemon, src)]
    expect(await tied.session.send('UPDATE', metadata('<v:note>nothing yet</v:note>'))).toBe(200)
    // The middle of the signature, so that it stays one in form.
    const forged = token.replace(/\.[^.]{9}([^.]*)$/, '.forged000$1')
    const copied = `<v:header name="X-Earwitness-Consent">${token}</v:header>`
    expect(await tied.session.send('UPDATE', metadata(copied))).toBe(200)
    expect(await other.session.send('UPDATE', metadata(copied.replace(token, forged)))).toBe(200)
    expect(await eventsOf(tied)).toContain('announcementPlayed')
    expect(await eventsOf(other)).toEqual([])
    expect(await metric(daemon, 'earwitness_consent_tokens_total{outcome="taken"}')).toBeGreaterThan(0)
    expect(await metric(daemon, 'earwitness_consent_tokens_total{outcome="forged"}')).toBeGreaterThan(0)
    expect(daemon.log()).not.toContain(token)
  },
)
