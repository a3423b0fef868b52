import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { COMMON_OPTIONS } from '../../src/cli/arguments.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { acquireDataLock } from '../../src/server/data-lock.ts'
import { openDatabase } from '../../src/server/database/open-database.ts'
import { Outbox } from '../../src/server/database/outbox.ts'
import type { DatabaseRecord } from '../../src/server/database/records.ts'
import { ApiServer } from '../../src/server/http/api-server.ts'
import { NO_AUDIO, NO_EVENTS } from '../support/no-events.ts'
import type { StatusReport } from '../../src/server/http/status-report.ts'
import { run as runHere } from '../unit/cli/support.ts'
import packageJson from '../../package.json' with { type: 'json' }

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'earwitness-cli-'))
afterAll(() => rmSync(folder, { recursive: true, maxRetries: 5 }))

const STATUS: StatusReport = {
  version: '1.2.3',
  state: 'degraded',
  ready: true,
  startedAt: '2026-11-23T14:05:09Z',
  uptimeSeconds: 3661,
  checks: [
    { name: 'database', weight: 'degrading', ok: false, sentence: 'It is away.' },
    { name: 'storage', weight: 'required', ok: true },
  ],
  addresses: {
    engine: 'embedded',
    sip: ['udp:127.0.0.1:5060', 'tcp:127.0.0.1:5060'],
    rtp: { address: '127.0.0.1', portMin: 16_384, portMax: 32_767 },
    http: 'http://127.0.0.1:8080',
    telemetry: 'http://127.0.0.1:9464',
  },
  recordingSessions: { active: 3, total: 17 },
  workers: [{ id: 0, recordingSessions: 3, queueDepth: 0, opusEngine: 'libopus-wasm', receiver: 'native' }],
  outboxBacklogBytes: 2048,
  uploadBacklogBytes: 1536,
  ledger: { logId: undefined, size: 0, checkpointSize: 0, checkpointAt: undefined },
}

const CLOSED_ID = '019aa000-0000-7000-8000-000000000001'
const OPEN_ID = '019aa000-0000-7000-8000-000000000003'

/**
 * Runs a database as the recorder does, with two recordings in it, so that commands join it; what is returned ends it.
 */
async function runDatabase(dataDir: string): Promise<() => Promise<void>> {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
  const database = await openDatabase({ dataDir, log, lock })
  const outbox = new Outbox({ database, dataDir, log })
  await outbox.run()
  for (const record of recordsOfTwoRecordings()) outbox.add(record)
  expect(await outbox.drain(60_000)).toBe(true)
  await outbox.stop()
  return async () => {
    await database.stop()
    lock.release()
  }
}

function recordsOfTwoRecordings(): readonly DatabaseRecord[] {
  const recordingId = CLOSED_ID
  const opened = { tenant: 'default', layout: 'separate', recipient: 'age1example', kind: 'recordingOpened' } as const
  const rsId = '019aa000-0000-7000-8000-00000000000a'
  return [
    {
      ...opened,
      recordingId,
      rsId,
      src: 'sbc-berlin',
      sipCallId: 'one',
      startedAt: '2026-11-23T14:05:09.000Z',
      objectPrefix: 'a',
    },
    {
      ...opened,
      recordingId: OPEN_ID,
      rsId,
      src: 'other',
      sipCallId: 'two',
      startedAt: '2026-11-23T15:05:09.000Z',
      objectPrefix: 'b',
    },
    {
      kind: 'snapshotReceived',
      recordingId,
      seq: 0,
      receivedAt: '2026-11-23T14:05:09.000Z',
      dataMode: 'complete',
      valid: true,
      reason: null,
      sha256: 'ab'.repeat(32),
      sizeBytes: 1234,
      objectName: 'metadata-000.age',
      groups: [],
      communicationSessions: [],
      participants: [
        { participantId: 'p1', aors: [{ aor: 'sip:+15550101@example.com', name: 'Anna Example' }] },
        { participantId: 'p2', aors: [{ aor: 'tel:+15550102' }] },
      ],
      mediaStreams: [],
      associations: [],
    },
    {
      kind: 'recordingClosed',
      recordingId,
      endedAt: '2026-11-23T14:05:24.000Z',
      state: 'complete',
      endCause: 'bye',
      durationSamples: 720_000,
      manifestSha256: 'cd'.repeat(32),
      streams: [],
      gaps: [],
    },
  ]
}

function environment(extra: Record<string, string>): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('EARWITNESS_') && name !== 'NO_COLOR')
  return { ...(Object.fromEntries(own) as Record<string, string>), ...extra }
}

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the real program; asynchronous, so that a server of this process can answer it. */
async function run(argv: readonly string[], extra: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    cwd: folder,
    env: environment(extra),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

describe('the program', () => {
  test('tells its version', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `earwitness ${packageJson.version}\n`, stderr: '' })
  })

  test('exits with 2 and a suggestion for an unknown command', async () => {
    const { code, stdout, stderr } = await run(['recrodings'])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Did you mean "recordings"?')
  })

  test('writes no colour into a pipe', async () => {
    const { stdout, stderr } = await run(['check-config'])
    expect(stdout + stderr).not.toContain('\u001b')
  })

  test('survives a reader that goes away', () => {
    const script = '{ "$0" "$1" check-config --example; echo "code $?" >&2; } | head -n 1'
    const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, MAIN], {
      cwd: folder,
      env: environment({}),
      encoding: 'utf8',
    })
    expect(stdout.split('\n')).toHaveLength(2)
    expect(stderr).toBe('code 0\n')
  })

  test('fails when its output cannot be written', () => {
    const script = '"$0" "$1" check-config --example > /dev/full'
    const { status } = spawnSync('sh', ['-c', script, process.execPath, MAIN], { cwd: folder, env: environment({}) })
    expect(status).toBe(1)
  })
})

describe('check-config', () => {
  test('reports file, line and column of every mistake and exits with 1', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'sip:\n  listen: ["udp:localhost:5060"]\n  advertize: 192.0.2.1\n')
    const { code, stdout, stderr } = await run(['check-config', '--config', 'bad.yaml'], {
      EARWITNESS_RTP_PORTMIN: '2',
    })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr.match(/^error: .*$/gmu)).toEqual([
      'error: bad.yaml:2:12: sip.listen[0] has no valid IP address in "udp:localhost:5060". [config-invalid-value]',
      'error: bad.yaml:3:3: there is no key "sip.advertize". [config-unknown-key]',
      'error: env EARWITNESS_RTP_PORTMIN: no key has this variable. [config-unknown-variable]',
    ])
  })

  test('finds its own example correct', async () => {
    const example = await run(['check-config', '--example'])
    writeFileSync(join(folder, 'example.yaml'), example.stdout)
    expect(await run(['check-config', '--json', '--config', 'example.yaml'])).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('recordings', () => {
  const env = { EARWITNESS_DATA_DIR: join(folder, 'nothing-here') }

  test('finds nothing where nothing was recorded, and makes no database for it', async () => {
    expect(await run(['recordings', 'list'], env)).toEqual({ code: 0, stdout: '', stderr: 'No recordings found.\n' })
    const { stdout } = await run(['recordings', 'list', '--json'], env)
    expect(JSON.parse(stdout)).toEqual({ recordings: [], nextCursor: null })
    expect(existsSync(env.EARWITNESS_DATA_DIR)).toBe(false)
  })

  test.each([
    [['show', '01990000-0000-7000-8000-000000000000'], 1, 'recording-not-found'],
    [['show', 'whatever'], 1, 'recording-not-found'],
    [['show'], 2, 'usage-positionals'],
    [['lst'], 2, 'usage-positionals'],
    [['list', '--state', 'finished'], 2, 'usage-invalid-value'],
    [['list', '--from', 'yesterday'], 2, 'usage-invalid-value'],
    [['list', '--limit', '0'], 2, 'usage-invalid-value'],
  ])('%s ends with %d and %s', async (words, code, errorCode) => {
    const ran = await runHere(['recordings', ...words], { env })
    expect(ran.exitCode).toBe(code)
    expect(ran.stderr).toContain(`[${errorCode}]`)
  })
})

describe('recordings in a real database', () => {
  const dataDir = join(folder, 'data')
  const env = { EARWITNESS_DATA_DIR: dataDir }
  let stopDatabase: () => Promise<void>
  beforeAll(async () => {
    stopDatabase = await runDatabase(dataDir)
  })
  afterAll(() => stopDatabase())

  test('are listed, newest first', async () => {
    const { code, stdout, stderr } = await run(['recordings', 'list'], env)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.split('\n').map((line) => line.replace(/ {2,}/gu, ' | '))).toEqual([
      'id | started | duration | state | source | participants',
      `${OPEN_ID} | 2026-11-23T15:05:09Z | - | open | other | -`,
      `${CLOSED_ID} | 2026-11-23T14:05:09Z | 0:00:15 | complete | sbc-berlin | Anna Example, +15550102`,
      '',
    ])
  })

  test.each([
    [['--participant', '+1 555 01-02'], [CLOSED_ID]],
    [['--src', 'other'], [OPEN_ID]],
    [['--state', 'complete'], [CLOSED_ID]],
    [['--from', '2026-11-23T15:00'], [OPEN_ID]],
    [['--to', '2026-11-23T15:00Z'], [CLOSED_ID]],
    [['--text', 'ANNA'], [CLOSED_ID]],
    [['--text', 'nobody'], []],
  ])('are found by %s', async (filter, ids) => {
    const { stdout } = await runHere(['recordings', 'list', '--json', ...filter], { env })
    const { recordings } = JSON.parse(stdout) as { recordings: { recordingId: string }[] }
    expect(recordings.map(({ recordingId }) => recordingId)).toEqual(ids)
  })

  test('go on where a shorter list ended', async () => {
    const { stdout, stderr } = await runHere(['recordings', 'list', '--limit', '1'], { env })
    expect(stdout).toContain(OPEN_ID)
    const cursor = /--cursor (\S+)/u.exec(stderr)?.[1] ?? ''
    const next = await runHere(['recordings', 'list', '--limit', '1', '--cursor', cursor], { env })
    expect(next.stdout).toContain(CLOSED_ID)
    expect(next.stderr).toBe('')
  })

  test('are shown one by one', async () => {
    const { code, stdout } = await run(['recordings', 'show', CLOSED_ID], env)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^state +complete \(bye\)$/mu)
    expect(stdout).toMatch(/^p2 +- +tel:\+15550102$/mu)
    expect(JSON.parse((await run(['recordings', 'show', OPEN_ID, '--json'], env)).stdout)).toMatchObject({
      recordingId: OPEN_ID,
      state: 'open',
    })
  })
})

describe('status', () => {
  async function listening(answer: Parameters<typeof createServer>[1]): Promise<{ server: Server; address: string }> {
    const server = createServer(answer as () => void).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  test('says that no recorder is running, and how to start one', async () => {
    const { server, address } = await listening(() => {})
    server.close()
    await once(server, 'close')
    const { code, stderr } = await run(['status', '--json'], { EARWITNESS_HTTP_LISTEN: address })
    expect(code).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'daemon-not-running', hint: expect.stringContaining('npm start') },
    })
  })

  test('shows what the recorder says', async () => {
    const api = new ApiServer({
      listen: { address: '127.0.0.1', port: 0 },
      status: () => STATUS,
      recordingSessions: async () => [],
      events: NO_EVENTS,
      audio: NO_AUDIO,
      readObject: async () => undefined,
      announce: async () => ({ ok: false, reason: 'off' }),
      operate: () => ({ ok: false, reason: 'unknown' }),
      noteConsent: async () => ({ ok: false, reason: 'unknown' }),
      sayLater: () => Promise.reject(new Error('nobody asks')),
      reportError: (error) => {
        throw error
      },
    })
    const bound = await api.run()
    const env = { EARWITNESS_HTTP_LISTEN: `${bound.address}:${bound.port}` }
    const { code, stdout, stderr } = await run(['status'], env)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('degraded  earwitness 1.2.3, up 1:01:01 since 2026-11-23T14:05:09Z')
    expect(stdout).toMatch(/^recording sessions +3 active, 17 since start$/mu)
    expect(stdout).toMatch(/^checks +database: It is away\.\n +storage: ok$/mu)
    expect(JSON.parse((await run(['status', '--json'], env)).stdout)).toEqual(STATUS)
    await api.stop()
  })

  test('does not take another server for the recorder', async () => {
    for (const [status, body, code] of [
      [200, '<html>', 'status-unreadable'],
      [200, '{"ok":true}', 'status-unreadable'],
      [404, '{}', 'status-refused'],
    ] as const) {
      const { server, address } = await listening((_request, response) => response.writeHead(status).end(body))
      const { stderr } = await run(['status'], { EARWITNESS_HTTP_LISTEN: address })
      expect(stderr).toContain(`[${code}]`)
      server.close()
    }
  })

  test('gives up on a recorder that does not answer', async () => {
    const { server, address } = await listening(() => {})
    const { stderr } = await run(['status', '--timeout', '100ms'], { EARWITNESS_HTTP_LISTEN: address })
    expect(stderr).toContain('[daemon-silent]')
    server.closeAllConnections()
    server.close()
  })
})

describe('the table of commands', () => {
  test.each(COMMANDS.map((entry) => [entry.name, entry] as const))(
    '%s is what its module says',
    async (name, entry) => {
      const { command } = await entry.load()
      expect(command).toMatchObject({ name, summary: entry.summary })
      expect(command.usage.startsWith(name)).toBe(true)
      expect(Object.keys(command.options).filter((option) => Object.hasOwn(COMMON_OPTIONS, option))).toEqual([])
      const short = Object.values(command.options).flatMap((option) => option.short ?? [])
      expect(new Set([...short, 'h']).size).toBe(short.length + 1)
    },
  )
})
