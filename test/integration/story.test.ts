import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { RecordingDetails } from '../../src/server/database/queries.ts'
import { closedRecordings, makeDataDir, removeDataDir, startDaemon, type RunningDaemon } from '../support/daemon.ts'
import { RawSrc, type SentRequest } from '../support/raw-src.ts'

/** A transfer as NetSapiens does it, through the whole recorder: BYE, then another dialog with the same group and reused stream ids. */

const GROUP = '20261123120000012345-abcdef'

let dataDir: string
let daemon: RunningDaemon
let src: RawSrc

const OFFER = [
  ...['v=0', 'o=- 5 5 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
  ...['m=audio 40000 RTP/AVP 0', 'a=sendonly', 'a=label:1', 'm=audio 40002 RTP/AVP 0', 'a=sendonly', 'a=label:2', ''],
].join('\r\n')

function metadata(sequence: number, callee: string, number: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>
<group group_id="${GROUP}"><sequence>${sequence}</sequence></group>
<session session_id="ns-session-${sequence}"><group-ref>${GROUP}</group-ref></session>
<participant participant_id="caller"><nameID aor="sip:user1@pbx.example.com"/></participant>
<participant participant_id="${callee}"><nameID aor="sip:${callee}@pbx.example.com"/></participant>
<stream stream_id="1"><label>1</label></stream><stream stream_id="2"><label>2</label></stream>
<participantstreamassoc participant_id="caller"><send>1</send></participantstreamassoc>
<participantstreamassoc participant_id="${callee}"><send>2</send></participantstreamassoc>
<n:numbers xmlns:n="http://example.com/netsapiens"><n:term>${number}</n:term></n:numbers></recording>`
}

async function place(
  xml: string,
  headers: SentRequest['headers'] = [],
): Promise<Required<Pick<SentRequest, 'sipCallId' | 'toTag'>>> {
  const body = `--b\r\nContent-Type: application/sdp\r\n\r\n${OFFER}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n${xml}\r\n--b--\r\n`
  const sent = await src.send('INVITE', { contentType: 'multipart/mixed;boundary=b', body, headers })
  const answer = await src.answerTo(sent)
  expect(answer.status).toBe(200)
  return { sipCallId: sent.sipCallId, toTag: answer.headers.first('To')?.split(';tag=')[1] ?? '' }
}

const XML = { contentType: 'application/rs-metadata+xml' }
const leaves = (id: string): string =>
  `<recording><datamode>partial</datamode><participantsessionassoc participant_id="${id}" session_id="x">` +
  `<disassociate-time>2026-11-23T12:00:00Z</disassociate-time></participantsessionassoc></recording>`

let first: RecordingDetails
let second: RecordingDetails

beforeAll(async () => {
  dataDir = await makeDataDir()
  daemon = await startDaemon(dataDir)
  src = await RawSrc.open(daemon.sipUdpPort)
  const before = await place(metadata(1, 'user2', '+15550172'), [
    ['User-Agent', 'NetSapiens SiPBx 1-1205c'],
    ['User-to-User', '00FA080001183F5093914D;encoding=hex'],
  ])
  await src.ask('UPDATE', { ...before, ...XML, sequenceNumber: 2, body: leaves('user2') })
  await src.ask('INFO', { ...before, ...XML, sequenceNumber: 3, body: '<html><body/></html>' })
  await src.ask('BYE', { ...before, ...XML, sequenceNumber: 4, body: leaves('caller') })
  await closedRecordings(daemon, 1)
  const after = await place(metadata(2, 'user3', '+15550173'))
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
        sharedIds: [{ kind: 'csGroup', value: GROUP }],
        through: null,
      },
    ])
    expect(second.related).toMatchObject([{ recordingId: first.recordingId, relation: 'before' }])
    expect(second.related[0]?.participants.map(({ participantId }) => participantId)).toEqual(['caller', 'user2'])
  })

  test('is listed by either recording, by the group, and by an id in another spelling', async () => {
    const story = [second.recordingId, first.recordingId]
    expect(await listed('--linked', first.recordingId)).toEqual(story)
    expect(await listed('--linked', GROUP)).toEqual(story)
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
    expect(stdout).toMatch(/^on the channels\n.*\n +0 +1 +user1@pbx\.example\.com +2/m)
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
  for (const secret of ['1555017', 'user1', 'user2', GROUP]) expect(daemon.log()).not.toContain(secret)
})
