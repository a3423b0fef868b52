import type { Socket } from 'node:dgram'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { shortPrompts } from '../../../support/announcer.ts'
import { eventually, makeDataDir, removeDataDir } from '../../../support/daemon.ts'
import { inProcessAnnouncer, offerTo, sdpOf, udpListener } from '../../../support/in-process-announcer.ts'
import { claimRtpPortRange } from '../../../support/rtp-port-range.ts'

const URI = 'sip:announce@127.0.0.1'
let dataDir: string
let folder: string
const sockets: Socket[] = []

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await shortPrompts(join(dataDir, 'prompts'))
})
afterAll(async () => {
  for (const socket of sockets) socket.close()
  await removeDataDir(dataDir)
})

/** Who listens, and how many packets came. */
async function listener(address?: string) {
  const socket = await udpListener(address)
  sockets.push(socket)
  let count = 0
  socket.on('message', () => (count += 1))
  return { port: socket.address().port, count: () => count }
}

/** The one slot and the one pair of ports are free again: another call is answered. */
async function takesAnother(announcer: Awaited<ReturnType<typeof inProcessAnnouncer>>['announcer']): Promise<void> {
  const { offer, answers } = offerTo(URI, sdpOf(4_000), { name: 'another' })
  announcer.handleInvite(offer)
  await eventually('an answer', async () => answers[0])
  expect(answers).toEqual(['200'])
  announcer.hangUpAll()
  await announcer.drain()
}

it('refuses a line whose RTCP would have no port', async () => {
  const { announcer, refusals } = await inProcessAnnouncer(folder)
  const { offer, answers } = offerTo(URI, sdpOf(65_535))
  announcer.handleInvite(offer)
  expect([answers, refusals]).toEqual([['488'], ['noCodec']])
  await takesAnother(announcer)
})

it('plays nothing to a call that arrives on hold, and begins when the hold ends', async () => {
  const { portMin } = await claimRtpPortRange()
  const announcements = { simultaneousMax: 2, portMax: portMin + 3 }
  const { announcer, kept, over } = await inProcessAnnouncer(folder, { announcements })
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
  await eventually('the last packet', async () => (onHold.count() >= 82 ? true : undefined))
  expect(over.map(({ outcome }) => outcome)).toEqual(['played', 'played'])
  expect(kept.map(({ facts }) => facts[0]?.fact)).toMatchObject([{ playedMs: 1_625 }, { playedMs: 1_625 }])
})
