import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import {
  closedRecordings,
  type DaemonEnvironment,
  eventually,
  makeDataDir,
  removeDataDir,
  type RunningDaemon,
  startDaemon,
} from '../support/daemon.ts'
import { metric } from '../support/probes.ts'
import { type RawRequest, RawSrc } from '../support/raw-src.ts'
import { runSipp, type SippResult } from '../support/sipp.ts'
import { identifierLines } from '../support/scenario-identifiers.ts'

/** Who may send recordings, as the whole recorder has it: from the configuration to the answer on the wire. */

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(env: DaemonEnvironment): Promise<RunningDaemon> {
  const dataDir = await makeDataDir()
  closers.push(() => removeDataDir(dataDir))
  const daemon = await startDaemon(dataDir, env)
  closers.push(() => daemon.stop())
  return daemon
}

async function srcOf(daemon: RunningDaemon): Promise<RawSrc> {
  const src = await RawSrc.open(daemon.sipUdpPort)
  closers.push(() => src.close())
  return src
}

const OFFER: RawRequest = {
  contentType: 'application/sdp',
  body: ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', 'm=audio 40000 RTP/AVP 0', ''].join(
    '\r\n',
  ),
}

describe('a source with a password', () => {
  const WITH_USER: DaemonEnvironment = {
    EARWITNESS_SOURCES_0_NAME: 'sbc-berlin',
    EARWITNESS_SOURCES_0_ADDRESS: '127.0.0.1',
    EARWITNESS_SOURCES_0_USERS_0_NAME: 'sbc',
    EARWITNESS_SOURCES_0_DIGEST_ALGORITHMS: 'MD5',
    EARWITNESS_SOURCES_0_TENANT: 'berlin',
    SBC_PASSWORD: 'swordfish',
    EARWITNESS_SOURCES_0_USERS_0_PASSWORD: 'env:SBC_PASSWORD',
  }

  async function sipp(daemon: RunningDaemon, transport: 'udp' | 'tcp', count = 1): Promise<SippResult> {
    const folder = await mkdtemp(join(tmpdir(), 'earwitness-sipp-'))
    closers.push(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'identifiers.csv'), identifierLines(count, new Date()))
    return runSipp({
      scenario: fileURLToPath(new URL('../../sipp-scenarios/authentication/digest.xml', import.meta.url)),
      fields: join(folder, 'identifiers.csv'),
      folder,
      target: { transport, address: '127.0.0.1', port: transport === 'udp' ? daemon.sipUdpPort : daemon.sipTcpPort },
      pauseMs: 200,
      count,
      perSecond: 10,
      patienceMs: 60_000,
    })
  }

  test.each(['udp', 'tcp'] as const)('records SIPp, which knows it, over %s', async (transport) => {
    const daemon = await start(WITH_USER)
    const { exitCode, successful, retransmissions, errors } = await sipp(daemon, transport, 5)
    expect({ exitCode, successful, retransmissions, errors }).toEqual({
      exitCode: 0,
      successful: 5,
      retransmissions: 0,
      errors: '',
    })
    await closedRecordings(daemon, 5)
    const { stdout } = await daemon.command('recordings', 'list', '--json')
    const { recordings } = JSON.parse(stdout) as { recordings: { src: string }[] }
    expect(recordings.map(({ src }) => src)).toEqual(Array.from({ length: 5 }, () => 'sbc-berlin'))
    expect(await metric(daemon, 'earwitness_sip_authentications_total{outcome="challenged"}')).toBe(5)
    expect(await metric(daemon, 'earwitness_sip_authentications_total{outcome="accepted"}')).toBe(5)
    expect(await metric(daemon, 'earwitness_sip_dropped_total')).toBe(0)
  })

  test('does not record SIPp with another one, and says whose it is in the log, not what it was', async () => {
    const daemon = await start({ ...WITH_USER, SBC_PASSWORD: 'tunafish' })
    const { successful, failed, messages } = await sipp(daemon, 'udp')
    expect({ successful, failed }).toEqual({ successful: 0, failed: 1 })
    expect(messages).toMatch(/^SIP\/2\.0 401/m)
    expect(messages).not.toMatch(/^SIP\/2\.0 [12]\d\d/m)
    // SIPp does not take no for an answer, and sends it again.
    expect(await metric(daemon, 'earwitness_sip_authentications_total{outcome="wrong"}')).toBeGreaterThan(0)
    expect(daemon.log()).toContain('"src":"sbc-berlin","reason":"wrong"')
    expect(daemon.log()).not.toMatch(/swordfish|tunafish/)
  })

  test('answers OPTIONS of monitoring without one', async () => {
    const daemon = await start(WITH_USER)
    const src = await srcOf(daemon)
    expect((await src.ask('OPTIONS')).status).toBe(200)
    expect((await src.ask('INVITE', OFFER)).status).toBe(401)
  })
})

describe('who is not recorded', () => {
  test.each([
    ['an allow list', { EARWITNESS_UNKNOWN_SOURCES: 'refuse' }, 'other', 'unknown', 'unknownSources is refuse'],
    [
      'a profile that says so',
      {
        EARWITNESS_SOURCES_0_NAME: 'shut',
        EARWITNESS_SOURCES_0_ADDRESS: '127.0.0.0/8',
        EARWITNESS_SOURCES_0_POLICY: 'refuse',
      },
      'shut',
      'policy',
      'policy: refuse',
    ],
  ])('by %s gets 403 with a Warning, is counted, and leaves nothing behind', async (_, env, src, refusal, words) => {
    const daemon = await start(env)
    const peer = await srcOf(daemon)
    const answer = await peer.ask('INVITE', OFFER)
    expect(answer.status).toBe(403)
    expect(answer.headers.first('Warning')).toContain(words)
    const labels = `{src="${src}",outcome="source-${refusal}"}`
    expect(await metric(daemon, `earwitness_recording_sessions_total${labels}`)).toBe(1)
    expect(daemon.log()).toContain(`"src":"${src}","reason":"${refusal}"`)
    const { stdout } = await daemon.command('recordings', 'list', '--json')
    expect((JSON.parse(stdout) as { recordings: unknown[] }).recordings).toEqual([])
    expect((await peer.ask('OPTIONS')).status).toBe(200)
  })
})

describe('SIGHUP', () => {
  let folder = ''

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'earwitness-hup-'))
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'srs.key']
    const args = ['req', '-x509', ...key, '-subj', '/CN=srs.example.com', '-days', '2', '-out', 'srs.pem']
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  })
  afterAll(async () => rm(folder, { recursive: true, force: true }))

  const logged = async (daemon: RunningDaemon, text: string): Promise<void> => {
    await eventually(`"${text}" in the log`, async () => (daemon.log().includes(text) ? true : undefined))
  }

  test('reads the certificates again, as often as it comes', async () => {
    const daemon = await start({
      EARWITNESS_SIP_LISTEN_2: 'tls:127.0.0.1:0',
      EARWITNESS_SIP_TLS_CERT_FILE: join(folder, 'srs.pem'),
      EARWITNESS_SIP_TLS_KEY_FILE: join(folder, 'srs.key'),
    })
    daemon.process.kill('SIGHUP')
    await logged(daemon, 'TLS certificates read again')
    expect((await (await srcOf(daemon)).ask('OPTIONS')).status).toBe(200)
  })

  test('does not end a recorder that has none', async () => {
    const daemon = await start({})
    daemon.process.kill('SIGHUP')
    await logged(daemon, 'there are no TLS certificates')
    expect((await (await srcOf(daemon)).ask('OPTIONS')).status).toBe(200)
    expect(await daemon.stop()).toBe(0)
  })

  test('of a closed terminal stops the recorder in good order, also when nobody is left to read its log', async () => {
    const dataDir = await makeDataDir()
    closers.push(() => removeDataDir(dataDir))
    const daemonPid = join(dataDir, 'pid')
    const command = `echo $$ > ${daemonPid}; exec ${process.execPath} src/main.ts serve`
    const terminal = spawn('script', ['--quiet', '--flush', '--command', command, '/dev/null'], {
      env: {
        ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('EARWITNESS_'))),
        SHELL: '/bin/sh',
        EARWITNESS_DATA_DIR: dataDir,
        EARWITNESS_SIP_LISTEN: 'udp:127.0.0.1:0',
        EARWITNESS_HTTP_LISTEN: '127.0.0.1:0',
        EARWITNESS_TELEMETRY_LISTEN: '127.0.0.1:0',
        EARWITNESS_MEDIA_WORKERS: '1',
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    closers.push(() => terminal.kill('SIGKILL'))
    let shown = ''
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    await eventually('the line ready', async () => (/^ready /m.test(shown) ? true : undefined))
    const pid = (await readFile(daemonPid, 'utf8')).trim()
    terminal.kill('SIGKILL')
    await eventually('the end of the daemon', async () => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tZ')
      return /^State:\s+Z/m.test(status) ? true : undefined
    })
    // Postgres was stopped, not dropped.
    await expect(readFile(join(dataDir, 'postgres', 'postmaster.pid'))).rejects.toThrow('ENOENT')
  })
})
