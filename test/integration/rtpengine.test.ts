import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { decodePcmu } from '../../src/media/g711.ts'
import { readWav } from '../../src/media/wav.ts'
import { parseRtp } from '../../src/protocol/rtp/packet.ts'
import { bencode, parseBencode } from '../../src/server/announcer/bencode.ts'
import { announcerEnvironment, keptFacts, shortPrompts } from '../support/announcer.ts'
import { matchAudio } from '../support/audio.ts'
import { eventually, makeDataDir, removeDataDir, type RunningDaemon, startDaemon } from '../support/daemon.ts'
import { freeUdpPort, freeUdpPortRange } from '../support/free-ports.ts'
import { placeOfServer } from '../support/unpacked-server.ts'

let dataDir: string
let folder: string
let ngPort: number
let rtpengine: ChildProcess
let daemon: RunningDaemon
const sockets: Socket[] = []
let cookie = 100

beforeAll(async () => {
  dataDir = await makeDataDir()
  folder = await shortPrompts(join(dataDir, 'prompts'))
  ngPort = await freeUdpPort()
  const portMin = await freeUdpPortRange(16)
  const ports = [`--port-min=${portMin}`, `--port-max=${portMin + 15}`]
  const at = ['--interface=127.0.0.1', `--listen-ng=127.0.0.1:${ngPort}`]
  const { root, env } = placeOfServer('rtpengine')
  rtpengine = spawn(
    join(root, 'usr', 'bin', 'rtpengine'),
    ['--foreground', '--table=-1', ...at, ...ports, '--log-stderr', '--log-level=2'],
    {
      env: { ...process.env, ...env },
      stdio: 'ignore',
      cwd: dataDir,
    },
  )
  await eventually('rtpengine', async () =>
    (await ask({ command: 'ping' }).catch(() => '')) === '' ? undefined : true,
  )
  daemon = await startDaemon(
    dataDir,
    await announcerEnvironment(folder, { EARWITNESS_ANNOUNCEMENTS_RTPENGINE_ADDRESS: `127.0.0.1:${ngPort}` }),
  )
})
afterAll(async () => {
  for (const socket of sockets) socket.close()
  await daemon.stop()
  const ended = once(rtpengine, 'exit')
  rtpengine.kill()
  await ended
  await removeDataDir(dataDir)
})

/** One question of the ng protocol; the SDP of the answer, or its result. */
async function ask(question: Readonly<Record<string, string>>): Promise<string> {
  const socket = createSocket('udp4')
  try {
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(1_000) }) as Promise<[Buffer]>
    // Another cookie each time: rtpengine answers a known one from memory.
    cookie += 1
    socket.send(`${cookie} ${bencode(question)}`, ngPort, '127.0.0.1')
    const [answer] = await answered
    const read = parseBencode(answer.subarray(answer.indexOf(' ') + 1))
    const { sdp, result } = (read.ok ? read.value : {}) as { readonly sdp?: string; readonly result?: string }
    return sdp ?? result ?? ''
  } finally {
    socket.close()
  }
}

async function party(): Promise<{ readonly heard: Uint8Array[]; readonly sdp: string }> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  sockets.push(socket)
  const heard: Uint8Array[] = []
  socket.on('message', (datagram) => {
    const packet = parseRtp(datagram)
    if (packet.ok && packet.value.payloadType === 0) heard.push(Uint8Array.from(packet.value.payload))
  })
  const { port } = socket.address()
  return {
    heard,
    sdp: `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\na=sendrecv\r\n`,
  }
}

const announce = async (body: object) =>
  fetch(`${daemon.http}/api/v1/announcements`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })

/** Two parties of a call that rtpengine knows. */
async function callOf(sipCallId: string) {
  const [caller, callee] = [await party(), await party()]
  const call = { 'call-id': sipCallId, 'from-tag': 'caller' }
  expect(await ask({ command: 'offer', ...call, sdp: caller.sdp })).toContain('m=audio')
  expect(await ask({ command: 'answer', ...call, 'to-tag': 'callee', sdp: callee.sdp })).toContain('m=audio')
  return { caller, callee }
}

/** What is kept of it, when it is over. */
async function toldOf(sipCallId: string) {
  return eventually('what was told', async () => {
    const kept = await keptFacts(dataDir, sipCallId).catch(() => [])
    return kept.length > 0 ? kept : undefined
  })
}

test('a real rtpengine plays a prompt to one party of a call, and that is kept', async () => {
  const { caller, callee } = await callOf('media-path-1')
  const answered = await announce({ sipCallId: 'media-path-1', tag: 'caller', prompt: 'notice' })
  expect([answered.status, await answered.json()]).toEqual([202, { lastsMs: 1_625 }])
  const facts = await toldOf('media-path-1')
  expect(facts).toMatchObject([
    { type: 'announcementPlayed', mode: 'adapter', totalMs: 1_625, heardToEnd: 'unknown', endCause: 'unknown' },
  ])
  expect(facts[0], 'nobody counted').not.toHaveProperty('playedMs')
  const wav = readWav(await readFile(join(folder, 'notice.en.wav')))
  const prompt = wav.ok ? wav.value.channels[0]! : new Int16Array(0)
  const both = [caller, callee].map(({ heard }) => decodePcmu(Buffer.concat(heard)))
  const matches = both.map(
    (samples) => samples.length > 4_000 && matchAudio(prompt, samples, { lagMax: 2_000 }).correlation > 0.9,
  )
  expect(matches.filter(Boolean)).toHaveLength(1)
})

/** rtpengine otherwise keeps a call for 30 s after its end. */
const AT_ONCE = { 'from-tag': 'caller', 'delete delay': '0' }

test('a call that is gone before the end, and an rtpengine that does not answer any more', async () => {
  const expected = { type: 'announcementPlayed', mode: 'adapter', totalMs: 1_625 }
  await Promise.all(['media-path-2', 'media-path-3'].map(callOf))
  expect((await announce({ sipCallId: 'media-path-2', tag: 'caller' })).status).toBe(202)
  expect(await ask({ command: 'delete', 'call-id': 'media-path-2', ...AT_ONCE })).toBe('ok')
  expect(await toldOf('media-path-2')).toMatchObject([{ ...expected, heardToEnd: 'no', endCause: 'hangUp' }])
  expect((await announce({ sipCallId: 'media-path-3', tag: 'caller' })).status).toBe(202)
  rtpengine.kill('SIGSTOP')
  try {
    expect(await toldOf('media-path-3')).toMatchObject([{ ...expected, heardToEnd: 'unknown', endCause: 'unknown' }])
  } finally {
    rtpengine.kill('SIGCONT')
  }
})

test('what cannot be played is said', async () => {
  const codes = []
  for (const body of [
    { sipCallId: 'nobody', tag: 'x' },
    { sipCallId: 'nobody', tag: 'x', prompt: 'other' },
    { tag: 'x' },
    { sipCallId: 'a', tag: 'b', more: 'c' },
  ]) {
    const answered = await announce(body)
    codes.push(((await answered.json()) as { code: string }).code)
  }
  expect(codes).toEqual(['media-path-refused', 'prompt-not-found', 'announcement-request', 'announcement-request'])
})
