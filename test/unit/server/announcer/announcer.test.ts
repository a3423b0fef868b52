import type { Socket } from 'node:dgram'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'

import { parseRtp, type RtpPacket } from '../../../../src/protocol/rtp/packet.ts'
import { serializeReceiverReport } from '../../../../src/protocol/rtp/rtcp-writer.ts'
import { SETTLE_US_MAX } from '../../../../src/consent/announcement/announcement.ts'
import { FRAME_MS } from '../../../../src/media/prompt-audio.ts'
import { LEAD_IN_TICKS, SEND_ERRORS_MAX } from '../../../../src/server/announcer/announcement-media.ts'
import { PromptLibrary } from '../../../../src/server/announcer/prompt-library.ts'
import { shortPrompts } from '../../../support/announcer.ts'
import { eventually, makeDataDir, removeDataDir } from '../../../support/daemon.ts'
import {
  BRIEF_MS,
  BRIEF_PACKETS,
  briefLibrary,
  inProcessAnnouncer,
  offerTo,
  sdpOf,
  udpListener,
} from '../../../support/in-process-announcer.ts'
import { claimRtpPortRange } from '../../../support/rtp-port-range.ts'

const URI = 'sip:announce@127.0.0.1'
let dataDir: string
let folder: string
const sockets: Socket[] = []
type Started = Awaited<ReturnType<typeof inProcessAnnouncer>>
const started: Started[] = []

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await shortPrompts(join(dataDir, 'prompts'))
})
afterAll(async () => {
  for (const socket of sockets) socket.close()
  await removeDataDir(dataDir)
})

// All have the same ports, and one that waits for reports still has them.
afterEach(async () => {
  vi.useRealTimers()
  for (const { announcer } of started.splice(0)) {
    announcer.hangUpAll()
    await announcer.drain()
  }
})

async function start(change: Parameters<typeof inProcessAnnouncer>[1] = {}): Promise<Started> {
  const rig = await inProcessAnnouncer(folder, change)
  started.push(rig)
  return rig
}

/** Who listens, and how many packets came. */
async function listener(address?: string) {
  const socket = await udpListener(address)
  sockets.push(socket)
  let count = 0
  socket.on('message', () => (count += 1))
  return { port: socket.address().port, count: () => count }
}

/** The one slot and the one pair of ports are free again: another call is answered. */
async function takesAnother(announcer: Started['announcer']): Promise<void> {
  const { offer, answers } = offerTo(URI, sdpOf(4_000), { name: 'another' })
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  expect(answers).toEqual(['200'])
  announcer.hangUpAll()
  await announcer.drain()
}

it('refuses a line whose RTCP would have no port', async () => {
  const { announcer, refusals } = await start()
  const { offer, answers } = offerTo(URI, sdpOf(65_535))
  announcer.handleInvite(offer)
  expect([answers, refusals]).toEqual([['488'], ['noCodec']])
  await takesAnother(announcer)
})

it('takes the offer out of a body of several parts, at the beginning and later', async () => {
  const { announcer } = await start()
  const parts = (sdp: string): string =>
    ['--x', 'Content-Type: application/ISUP;version=itu-t92+', '', '\u0001', '--x', 'Content-Type: application/sdp']
      .concat('', sdp, '--x--', '')
      .join('\r\n')
  const headers = { 'content-type': 'multipart/mixed;boundary=x' }
  const { offer, answers } = offerTo(URI, parts(sdpOf(4_000)), { headers })
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  const again = offerTo(URI, parts(sdpOf(4_002)), { headers })
  announcer.handleReinvite(again.offer)
  const none = offerTo(URI, 'v=0', { headers: { 'content-type': 'application/ISUP' } })
  announcer.handleReinvite(none.offer)
  expect([answers, again.answers, none.answers]).toEqual([['200'], ['200'], ['488']])
})

it('plays nothing to a call that arrives on hold, and begins when the hold ends', async () => {
  const { portMin } = await claimRtpPortRange()
  const announcements = { simultaneousMax: 2, portMax: portMin + 3 }
  const { announcer, kept, over } = await start({ announcements })
  const [onHold, listening] = [await listener(), await listener()]
  const held = offerTo(URI, sdpOf(onHold.port, 'a=sendonly', 'a=rtcp-mux'))
  const heard = offerTo(URI, sdpOf(listening.port, 'a=rtcp-mux'), { name: 'beside it' })
  for (const { offer, answers } of [held, heard]) {
    announcer.handleInvite(offer)
    await eventually('an answer', async () => answers[0])
    announcer.handleConfirmed(offer.dialogId)
  }
  // The same timer paces both.
  await eventually('what the other hears', async () => (listening.count() > 10 ? true : undefined))
  expect(onHold.count()).toBe(0)
  announcer.handleReinvite(offerTo(URI, sdpOf(onHold.port, 'a=rtcp-mux')).offer)
  await eventually('both ends', async () => over[1])
  await eventually('the last packet', async () => (onHold.count() >= BRIEF_PACKETS ? true : undefined))
  expect(over.map(({ outcome }) => outcome)).toEqual(['played', 'played'])
  expect(kept.map(({ facts }) => facts[0]?.fact)).toMatchObject([{ playedMs: BRIEF_MS }, { playedMs: BRIEF_MS }])
  expect(kept[0]?.source).toEqual({ name: 'pbx', tenant: 'acme' })
})

it.each(['::', '127.0.0.1'])('speaks to an IPv4 caller from %s', async (bindAddress) => {
  const { announcer, over, kept, unsent } = await start({ options: { bindAddress } })
  const { port, count } = await listener()
  const { offer, answers } = offerTo(URI, sdpOf(port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  announcer.handleConfirmed(offer.dialogId)
  await eventually('the end', async () => over[0])
  await eventually('the last packet', async () => (count() >= BRIEF_PACKETS ? true : undefined))
  expect([unsent(), kept[0]?.facts[0]?.fact]).toMatchObject([0, { endCause: 'played', playedMs: BRIEF_MS }])
})

it('refuses a caller whom its sockets cannot reach, at the beginning and later', async () => {
  const { announcer, refusals } = await start()
  const v6 = sdpOf(4_000).replace('c=IN IP4 127.0.0.1', 'c=IN IP6 2001:db8::1')
  const refused = offerTo(URI, v6)
  announcer.handleInvite(refused.offer)
  expect([refused.answers, refusals]).toEqual([['488'], ['noCodec']])
  const { offer, answers } = offerTo(URI, sdpOf(4_000))
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  const changed = offerTo(URI, v6)
  announcer.handleReinvite(changed.offer)
  expect(changed.answers).toEqual(['488'])
  announcer.hangUpAll()
  await announcer.drain()
})

it('gives up what the system refuses to send: nobody was told anything', async () => {
  // Bound to loopback, there is no way to an address of documentation.
  const { announcer, over, kept, byes, unsent } = await start()
  const { offer, answers } = offerTo(URI, sdpOf(4_000).replace('c=IN IP4 127.0.0.1', 'c=IN IP4 192.0.2.1'))
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  announcer.handleConfirmed(offer.dialogId)
  await eventually('the end', async () => over[0])
  expect(over[0]).toMatchObject({ outcome: 'failed' })
  expect([byes[0]?.text, kept[0]?.facts[0]?.fact]).toMatchObject(['Announcement failed', { endCause: 'failed' }])
  expect(unsent()).toBeGreaterThanOrEqual(SEND_ERRORS_MAX)
})

/** Who hears our packets, and can report about all that came. */
async function reportingListener() {
  const socket = await udpListener()
  sockets.push(socket)
  const packets: RtpPacket[] = []
  let from = 0
  let wake = (): void => {}
  socket.on('message', (datagram, { port }) => {
    from = port
    const packet = parseRtp(datagram)
    if (packet.ok && packet.value.payloadType === 0) packets.push(packet.value)
    wake()
  })
  const heard = async (count: number): Promise<void> => {
    while (packets.length < count) await new Promise<void>((resolve) => (wake = resolve))
  }
  const report = (): void => socket.send(reportOn(packets), from, '127.0.0.1')
  /** Reports, and resolves when whoever waits for datagrams here has been told. */
  const reportNow = async (): Promise<void> => {
    await new Promise<void>((resolve) => socket.send(reportOn(packets), from, '127.0.0.1', () => resolve()))
    for (let turn = 0; turn < 2; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return { port: socket.address().port, heard, report, reportNow }
}

/** A report of the listener about our packets, up to the last one he has. */
function reportOn(packets: readonly RtpPacket[]): Uint8Array {
  const [first, last] = [packets[0]!, packets.at(-1)!]
  const cycles = last.sequenceNumber < first.sequenceNumber ? 0x1_0000 : 0
  const extendedHighestSequenceNumber = cycles + last.sequenceNumber
  const none = { fractionLost: 0, cumulativeLost: 0, jitter: 0, lastSenderReport: 0, delaySinceLastSenderReport: 0 }
  const reports = [{ ssrc: last.ssrc, extendedHighestSequenceNumber, ...none }]
  return serializeReceiverReport({ type: 'receiverReport', ssrc: 9, reports })
}

it('takes the report that comes after the end of the call for what it says', async () => {
  const { announcer, over, kept } = await start({
    announcements: { answer: { yes: '1', no: '2', windowMs: 100, onNo: 'hangUp', onNone: 'continue' } },
  })
  const ear = await reportingListener()
  const { offer, answers } = offerTo(`${URI};play=ask`, sdpOf(ear.port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  announcer.handleConfirmed(offer.dialogId)
  await eventually('the end', async () => over[0])
  await ear.heard(BRIEF_PACKETS)
  expect([announcer.has(offer.dialogId), kept.length]).toEqual([true, 1])
  ear.report()
  await announcer.drain()
  const [first, last] = kept
  expect(kept.map(({ facts }) => facts[0]?.fact)).toMatchObject([{ heardToEnd: 'unknown' }, { heardToEnd: 'yes' }])
  expect([last?.announcementId, last?.facts[0]?.at]).toEqual([first?.announcementId, first?.facts[0]?.at])
  // What has not changed is the same object: a recording that has taken it does not take it again.
  expect(last?.facts[1]).toBe(first?.facts[1])
  expect(over).toHaveLength(1)
})

it('keeps nothing again where no report comes', async () => {
  const { announcer, over, kept } = await start()
  const { port } = await listener()
  const { offer, answers } = offerTo(URI, sdpOf(port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  announcer.handleConfirmed(offer.dialogId)
  await eventually('the end', async () => over[0])
  await announcer.drain()
  expect(kept).toHaveLength(1)
})

it.each(['encoding', 'answer'])('gives its slot and its ports back when opening fails: %s', async (what) => {
  const failing = async (): Promise<never> => {
    throw new Error('it does not work')
  }
  const usual = await briefLibrary(folder)
  let isFirst = true
  const library = Object.assign(new PromptLibrary(usual.prompts, 'libopus-wasm'), {
    encoded: async (...asked: Parameters<PromptLibrary['encoded']>) => {
      if (what !== 'encoding' || !isFirst) return usual.encoded(...asked)
      isFirst = false
      return failing()
    },
  })
  const { announcer, failures } = await start({ options: { library } })
  const { offer, answers } = offerTo(URI, sdpOf(4_000))
  const answer = (): never => {
    throw new Error('no answer can be given')
  }
  announcer.handleInvite(what === 'answer' ? { ...offer, answer } : offer)
  await eventually('a refusal', async () => answers[0])
  expect([answers, failures.length]).toEqual([['500'], 1])
  await takesAnother(announcer)
})

it.each([
  ['answer', URI, ['200'], 'Announcement failed'],
  ['early', `${URI};early=yes;target=sip%3A1%40127.0.0.1%3A5999`, ['183', '603'], undefined],
])('lets the call go when its facts cannot be kept, in %s mode', async (_, uri, expected, text) => {
  const table = { put: () => Promise.reject(new Error('a signer without a key')) }
  const { announcer, over, byes, failures } = await start({ options: { table } })
  const { port } = await listener()
  const { offer, answers } = offerTo(uri, sdpOf(port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  announcer.handleConfirmed(offer.dialogId)
  await eventually('the end', async () => over[0])
  expect([over[0]?.outcome, answers, byes[0]?.text, failures.length]).toEqual(['failed', expected, text, 1])
})

it.each(['at first', 'again'])('is not held up by a disk that hangs when facts are kept: %s', async (when) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const puts: unknown[] = []
  const put = async (announcement: unknown): Promise<void> => {
    puts.push(announcement)
    if (when === 'at first' || puts.length > 1) await new Promise<never>(() => {})
  }
  const options = { table: { put }, nowUs: () => Date.now() * 1_000 }
  const { announcer, over, byes, failures } = await start({ options })
  const ear = await reportingListener()
  const { offer, answered } = offerTo(URI, sdpOf(ear.port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await answered
  announcer.handleConfirmed(offer.dialogId)
  await vi.advanceTimersByTimeAsync(LEAD_IN_TICKS * FRAME_MS + BRIEF_MS + FRAME_MS)
  await ear.heard(BRIEF_PACKETS)
  const drained = announcer.drain()
  if (when === 'at first') {
    expect(byes).toEqual([])
    await vi.advanceTimersByTimeAsync(SETTLE_US_MAX / 1_000)
    announcer.hangUpAll()
  } else ear.report()
  await drained
  expect([over[0]?.outcome, byes[0]?.text]).toEqual(
    when === 'at first' ? ['failed', 'Announcement failed'] : ['played', 'Announcement played'],
  )
  expect([puts.length, failures.length]).toEqual(when === 'at first' ? [1, 1] : [2, 0])
})

// The steered clock: LINGER_MS is 1.5 s.
it('waits for a last report for a while, and no longer than until it comes', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  for (const isReported of [true, false]) {
    const { announcer, kept } = await start({ options: { nowUs: () => Date.now() * 1_000 } })
    const ear = await reportingListener()
    const { offer, answered } = offerTo(URI, sdpOf(ear.port, 'a=rtcp-mux'))
    announcer.handleInvite(offer)
    await answered
    announcer.handleConfirmed(offer.dialogId)
    await vi.advanceTimersByTimeAsync(LEAD_IN_TICKS * FRAME_MS + BRIEF_MS + FRAME_MS)
    await ear.heard(BRIEF_PACKETS)
    expect(kept).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1_200)
    expect(announcer.has(offer.dialogId)).toBe(true)
    const drained = announcer.drain()
    if (isReported) ear.report()
    else await vi.advanceTimersByTimeAsync(301)
    await drained
    expect(kept.map(({ facts }) => facts[0]?.fact)).toMatchObject(
      isReported ? [{ heardToEnd: 'unknown' }, { heardToEnd: 'yes' }] : [{ heardToEnd: 'unknown' }],
    )
  }
})

it.each([
  ['in the middle of a prompt', false, ['unknown', 'yes']],
  ['between two prompts', false, ['unknown', 'yes']],
  ['between two prompts, after a report', true, ['yes', 'yes']],
])('takes nobody for the listener to what went to another: a move %s', async (when, isReported, heardToEnd) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const { announcer, kept } = await start({ options: { nowUs: () => Date.now() * 1_000 } })
  const [former, present] = [await reportingListener(), await reportingListener()]
  const uri = `${URI};play=notice,notice`
  const { offer, answered } = offerTo(uri, sdpOf(former.port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await answered
  announcer.handleConfirmed(offer.dialogId)
  const promptMs = (LEAD_IN_TICKS + BRIEF_PACKETS) * FRAME_MS
  const packetsBefore = when === 'in the middle of a prompt' ? 5 : BRIEF_PACKETS
  await vi.advanceTimersByTimeAsync((LEAD_IN_TICKS + packetsBefore) * FRAME_MS)
  await former.heard(packetsBefore)
  if (isReported) await former.reportNow()
  announcer.handleReinvite(offerTo(uri, sdpOf(present.port, 'a=rtcp-mux')).offer)
  await vi.advanceTimersByTimeAsync(2 * promptMs - (LEAD_IN_TICKS + packetsBefore) * FRAME_MS)
  await present.heard(2 * BRIEF_PACKETS - packetsBefore)
  await present.reportNow()
  const drained = announcer.drain()
  await vi.advanceTimersByTimeAsync(1_500)
  await drained
  expect(kept.at(-1)?.facts.map(({ fact }) => fact)).toMatchObject(heardToEnd.map((heard) => ({ heardToEnd: heard })))
})

it.each([
  ['application/dtmf-relay', 'Signal=1\r\nDuration=160\r\n', 'yes'],
  ['application/dtmf', '2', 'no'],
  ['text/plain', '1', 'none'],
])('hears keys by INFO: %s %j', async (type, body, answer) => {
  const answering = { yes: '1', no: '2', windowMs: 500, onNo: 'hangUp', onNone: 'continue' } as const
  const { announcer, over, kept } = await start({ announcements: { answer: answering } })
  const { port } = await listener()
  const { offer, answered } = offerTo(`${URI};play=ask`, sdpOf(port, 'a=rtcp-mux'))
  announcer.handleInvite(offer)
  await answered
  announcer.handleConfirmed(offer.dialogId)
  const header = (name: string): string | undefined => (name === 'content-type' ? type : undefined)
  announcer.handleInDialog(offer.dialogId, { method: 'INFO', header, body: new TextEncoder().encode(body) } as never)
  await eventually('the end', async () => over[0])
  expect(kept[0]?.facts.map(({ fact }) => fact)).toMatchObject([{ endCause: 'played' }, { type: 'answered', answer }])
})
