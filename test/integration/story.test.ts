import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { RecordingDetails } from '../../src/server/database/queries.ts'
import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { RawSrc } from '../support/raw-src.ts'
import {
  leaves,
  METADATA_TYPE,
  placeTransferred,
  TRANSFER_GROUP,
  transferMetadata,
} from '../support/transferred-call.ts'

/** A transfer as NetSapiens does it, through the whole recorder: BYE, then another dialog with the same group and reused stream ids. */

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc

let first: RecordingDetails
let second: RecordingDetails

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  src = await RawSrc.open(daemon.sipUdpPort)
  const before = await placeTransferred(src, transferMetadata(1, 'user2', '+15550172'), [
    ['User-Agent', 'NetSapiens SiPBx 1-1205c'],
    ['User-to-User', '00FA080001183F5093914D;encoding=hex'],
  ])
  await src.ask('UPDATE', { ...before, ...METADATA_TYPE, sequenceNumber: 2, body: leaves('user2') })
  await src.ask('INFO', { ...before, ...METADATA_TYPE, sequenceNumber: 3, body: '<html><body/></html>' })
  await src.ask('BYE', { ...before, ...METADATA_TYPE, sequenceNumber: 4, body: leaves('caller') })
  await closedRecordings(daemon, 1)
  const after = await placeTransferred(src, transferMetadata(2, 'user3', '+15550173'))
  await src.ask('BYE', { ...after, sequenceNumber: 2 })
  const [newest, oldest] = await closedRecordings(daemon, 2)
  first = await show(oldest!.recordingId)
  second = await show(newest!.recordingId)
})

afterAll(async () => {
  src.close()
  await daemon.stop()
  await removeDataDir(dataDir)
})

async function show(id: string): Promise<RecordingDetails> {
  const { code, stdout, stderr } = await daemon.command('recordings', 'show', id, '--json')
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as RecordingDetails
}

async function listed(...filters: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await daemon.command('recordings', 'list', '--json', ...filters)
  return (JSON.parse(stdout) as { recordings: { recordingId: string }[] }).recordings.map((each) => each.recordingId)
}

describe('a transfer in two dialogs', () => {
  test('is one story: each recording knows the other, by the group', () => {
    expect(first.related).toMatchObject([
      {
        recordingId: second.recordingId,
        relation: 'after',
        sharedIds: [{ kind: 'csGroup', value: TRANSFER_GROUP }],
        through: null,
      },
    ])
    expect(second.related).toMatchObject([{ recordingId: first.recordingId, relation: 'before' }])
    expect(second.related[0]?.participants.map(({ participantId }) => participantId)).toEqual(['caller', 'user2'])
  })

  test('is listed by either recording, by the group, and by an id in another spelling', async () => {
    const story = [second.recordingId, first.recordingId]
    expect(await listed('--linked', first.recordingId)).toEqual(story)
    expect(await listed('--linked', TRANSFER_GROUP)).toEqual(story)
    expect(await listed('--linked', '00001062071351848269')).toEqual([first.recordingId])
    expect(await listed('--text', '0001183F5093914D')).toEqual([first.recordingId])
  })

  test('is found by the number that stands only in the vendor data', async () => {
    expect(await listed('--participant', '+1 555 0173')).toEqual([second.recordingId])
    expect(await listed('--text', 'numbers/term')).toEqual([second.recordingId, first.recordingId])
  })

  test('is shown to people with its client, its ids, its vendor data and who was on which channel', async () => {
    const { stdout } = await daemon.command('recordings', 'show', second.recordingId)
    expect(stdout).toMatch(/^dialect +netsapiens$/m)
    expect(stdout).toMatch(/^the whole story\n.*\n.* before .*\n.* this one /m)
    expect(stdout).toMatch(/^on the channels\n.*\n +0 +1 +Ada +2/m)
    expect(stdout).toMatch(/^numbers\/term +\+15550173/m)
  })
})

describe('metadata in other messages', () => {
  test('of UPDATE, INFO and BYE is kept with its hash, readable or not', () => {
    expect(first.snapshots.map(({ valid, reason, dataMode }) => [valid, reason, dataMode])).toEqual([
      [true, null, 'complete'],
      [true, null, 'partial'],
      [false, 'notMetadata', null],
      [true, null, 'partial'],
    ])
    expect(new Set(first.snapshots.map(({ sha256 }) => sha256)).size).toBe(3 + 1)
    expect(first.snapshots.every(({ objectName }) => objectName.endsWith('.age'))).toBe(true)
  })

  test('ends who was on a channel, by our clock where the time of the SRC is far away', () => {
    expect(first.attributions.map(({ streamId, participantId, basis }) => [streamId, participantId, basis])).toEqual([
      ['0', 'caller', 'label'],
      ['1', 'user2', 'label'],
    ])
    for (const { from, to, toClock } of first.attributions) {
      expect(toClock).toBe('recorder')
      expect(Date.parse(to!)).toBeGreaterThanOrEqual(Date.parse(from))
      expect(Date.parse(from)).toBeGreaterThanOrEqual(Date.parse(first.startedAt))
    }
  })
})

test('the log names the client and nobody who spoke', () => {
  expect(daemon.log()).toContain('"dialect":"netsapiens"')
  for (const secret of ['1555017', 'user1', 'user2', TRANSFER_GROUP]) expect(daemon.log()).not.toContain(secret)
  expect(daemon.log()).not.toMatch(/\bAda\b/)
})
