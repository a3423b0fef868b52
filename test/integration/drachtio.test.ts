import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { buildOffer } from '../../src/cli/simulate/offer.ts'
import type { StatusReport } from '../../src/server/http/status-report.ts'
import {
  closedRecordings,
  eventually,
  makeDataDir,
  removeDataDir,
  runCommand,
  startDaemon,
  type RunningDaemon,
} from '../support/daemon.ts'
import { DrachtioPeer } from '../support/drachtio-peer/drachtio-peer.ts'
import { freeTcpPort } from '../support/free-ports.ts'
import { allClosed, liveRecordingSessions, readiness, recordingsUnderWay } from '../support/probes.ts'
import { RawRecordingSession, RawSrc } from '../support/raw-src.ts'
import { exportedChannels, manifestOf, matchChannels, shippedSpeech } from '../support/recorded.ts'
import { runScenario } from '../support/sipp-scenario.ts'
import { LATIN1_METADATA, multipart } from './signalling-contract-parts.ts'

const SECRET = 'test-secret'

function environment(adminPort: number): Record<string, string> {
  return {
    EARWITNESS_SIP_ENGINE: 'drachtio',
    EARWITNESS_SIP_DRACHTIO_PORT: String(adminPort),
    EARWITNESS_SIP_DRACHTIO_SECRET: 'env:DRACHTIO_SECRET',
    DRACHTIO_SECRET: SECRET,
  }
}

describe('the whole recorder behind drachtio-server', () => {
  let dataDir: string
  let folder: string
  let peer: DrachtioPeer
  let daemon: RunningDaemon

  beforeAll(async () => {
    dataDir = await makeDataDir()
    folder = await mkdtemp(join(tmpdir(), 'earwitness-drachtio-'))
    peer = await DrachtioPeer.open({ secret: SECRET })
    daemon = await startDaemon(dataDir, environment(peer.adminPort))
  })

  afterAll(async () => {
    await daemon.stop()
    await peer.close()
    await removeDataDir(dataDir)
    await rm(folder, { recursive: true, force: true })
  })

  test('the line ready and the status say which engine, and where drachtio-server listens', async () => {
    expect([daemon.sipUdpPort, daemon.sipTcpPort]).toEqual([peer.at('udp').port, peer.at('tcp').port])
    const { addresses } = JSON.parse((await daemon.command('status', '--json')).stdout) as StatusReport
    expect(addresses.engine).toBe(`drachtio:127.0.0.1:${peer.adminPort}`)
    expect(addresses.sip).toEqual([`udp:127.0.0.1:${peer.at('udp').port}`, `tcp:127.0.0.1:${peer.at('tcp').port}`])
    expect((await daemon.command('status')).stdout).toContain('drachtio:127.0.0.1')
  })

  test.each(['udp', 'tcp'] as const)(
    'SIPp records two media streams and a change of participants over %s',
    async (transport) => {
      const before = new Set((await closedRecordings(daemon, 0)).map(({ recordingId }) => recordingId))
      const run = await runScenario({
        scenario: transport === 'udp' ? 'basic-two-streams' : 'participant-change',
        target: { transport, address: '127.0.0.1', port: peer.at(transport).port },
        speech: await shippedSpeech(),
        seed: 20_261_124,
        folder: await mkdtemp(join(folder, 'run-')),
      })
      expect(run.sipp, run.sipp.errors).toMatchObject({ exitCode: 0, successful: 1, failed: 0 })
      const closed = await closedRecordings(daemon, before.size + 1)
      const { recordingId = '', state } = closed.find((recording) => !before.has(recording.recordingId)) ?? {}
      expect(state).toBe('complete')
      const sent = run.prepared.streams.map(({ heard }) => heard)
      const channels = await exportedChannels(daemon, recordingId, { folder })
      expect(matchChannels(sent, channels).map(({ correlation }) => correlation > 0.9)).toEqual([true, true])
      expect((await daemon.command('verify', recordingId)).code).toBe(0)
    },
  )

  test('metadata that is not UTF-8 is kept to the byte', async () => {
    const src = await RawSrc.open(peer.at('udp').port)
    const sdp = buildOffer({
      address: '127.0.0.1',
      sdpSessionId: '1',
      sdpSessionVersion: 1,
      codec: 'PCMU',
      streams: [{ streamLabel: '1', port: 40_000, direction: 'sendonly' }],
    })
    const { contentType, body } = multipart(LATIN1_METADATA, sdp)
    const sent = await src.send('INVITE', { contentType, body })
    const { headers } = await src.answerTo(sent)
    const [recordingId = ''] = (await liveRecordingSessions(daemon)).map((live) => live.recordingId)
    const toTag = headers.first('To')?.split(';tag=')[1] ?? ''
    expect((await src.ask('BYE', { sipCallId: sent.sipCallId, sequenceNumber: 2, toTag })).status).toBe(200)
    await allClosed(daemon)
    const { snapshots } = await manifestOf(daemon, recordingId)
    const sha256 = createHash('sha256').update(LATIN1_METADATA).digest('hex')
    expect(snapshots.map((snapshot) => snapshot.sha256)).toEqual([sha256])
    src.close()
  })
})

describe('when drachtio-server is not there', () => {
  const closers: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  })

  test('the recorder starts, is not ready and says why, and is ready as soon as it comes; SIGTERM ends sessions with BYE', async () => {
    const dataDir = await makeDataDir()
    closers.push(() => removeDataDir(dataDir))
    const adminPort = await freeTcpPort()
    const daemon = await startDaemon(dataDir, environment(adminPort))
    closers.push(() => daemon.stop('SIGKILL'))
    const away = await readiness(daemon)
    expect([away.status, away.ready]).toEqual([503, false])
    expect(away.checks).toContainEqual({
      name: 'signalling',
      weight: 'required',
      ok: false,
      sentence: `drachtio-server cannot be reached at 127.0.0.1:${adminPort}.`,
    })
    expect(daemon.log()).toContain('drachtio-unreachable')

    const peer = await DrachtioPeer.open({ secret: SECRET, adminPort })
    closers.push(() => peer.close())
    await eventually('readiness', async () => ((await readiness(daemon)).ready ? true : undefined))
    const src = await RawSrc.open(peer.at('udp').port)
    closers.push(() => src.close())
    const session = await RawRecordingSession.place(src)
    await recordingsUnderWay(daemon, 1)
    const stopped = daemon.stop()
    await src.received('BYE')
    session.fallSilent()
    expect(await stopped).toBe(0)
    expect(daemon.log()).not.toContain(SECRET)
  })

  test('a wrong secret ends the start with its code and a hint', async () => {
    const dataDir = await makeDataDir()
    closers.push(() => removeDataDir(dataDir))
    const peer = await DrachtioPeer.open({ secret: 'another' })
    closers.push(() => peer.close())
    const { code, stderr } = await runCommand(['serve'], {
      ...process.env,
      ...environment(peer.adminPort),
      EARWITNESS_DATA_DIR: dataDir,
      EARWITNESS_RTP_ADDRESS: '127.0.0.1',
      EARWITNESS_HTTP_LISTEN: '127.0.0.1:0',
      EARWITNESS_TELEMETRY_LISTEN: '127.0.0.1:0',
      EARWITNESS_MEDIA_WORKERS: '1',
    })
    expect(code).toBe(1)
    expect(stderr).toContain('drachtio-secret')
    expect(stderr).toContain('sip.drachtio.secret')
  })
})
