import { spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { acquireDataLock, type DataLock } from '../../src/server/data-lock.ts'
import { prepareCluster } from '../../src/server/database/cluster.ts'
import { findEmbeddedBinaries } from '../../src/server/database/embedded-binaries.ts'
import { openDatabase, type Database } from '../../src/server/database/open-database.ts'
import { makeDataDir } from '../support/postgres.ts'

const isRoot = process.getuid?.() === 0
const CAP_DAC_READ_SEARCH = '0000000000000004'
const NO_CAPABILITY = '0000000000000000'

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/cwd`)
const postmasterPid = (dataDir: string): number =>
  Number(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
const statusOf = (pid: number, field: string): string =>
  new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''

/** What a user who owns nothing here is told who connects to a socket. */
async function answerToStranger(socket: string): Promise<string> {
  const script = `require('node:net').connect(${JSON.stringify(socket)}).on('connect', () => process.exit(0)).on('error', (e) => { console.log(e.code); process.exit(1) })`
  const stranger = spawn(process.execPath, ['-e', script], { uid: 65_533, gid: 65_533, cwd: '/' })
  let said = ''
  stranger.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  await new Promise((resolve) => stranger.once('close', resolve))
  return said.trim()
}

describe('The embedded Postgres of a running daemon', () => {
  const { dataDir, log, removeDataDir } = makeDataDir()
  let lock: DataLock
  let database: Database

  beforeAll(async () => {
    lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    database = await openDatabase({ dataDir, log, lock })
  })

  afterAll(async () => {
    await database.stop()
    lock.release()
    removeDataDir()
  })

  it('is durable, speaks UTF-8, and listens on no network address', async () => {
    const show = async (name: string) =>
      Object.values((await database.pool.query<Record<string, string>>(`SHOW ${name}`)).rows[0] ?? {})[0]
    expect(await show('fsync')).toBe('on')
    expect(await show('synchronous_commit')).toBe('on')
    expect(await show('data_checksums')).toBe('on')
    expect(await show('server_encoding')).toBe('UTF8')
    expect(await show('listen_addresses')).toBe('')
    expect(await show('log_statement')).toBe('none')
    const trigrams = await database.pool.query(`SELECT 1 FROM pg_indexes WHERE indexname = 'aors_search_text'`)
    expect(trigrams.rowCount).toBe(1)
  })

  it('keeps its data and its socket from everybody else', async () => {
    for (const folder of ['postgres', 'postgres-socket'])
      expect(statSync(join(dataDir, folder)).mode & 0o777).toBe(0o700)
  })

  it('is joined by a command while the daemon runs, and stays when the command ends', async () => {
    const joined = await openDatabase({ dataDir, log })
    expect(joined.embedded).toBeUndefined()
    await joined.pool.query('SELECT count(*) FROM recordings')
    await joined.stop()
    expect((await database.pool.query('SELECT 1')).rowCount).toBe(1)
  })

  it('runs as an ordinary user, without any capability', async () => {
    const pid = database.embedded?.pid ?? 0
    expect(statusOf(pid, 'Uid')).not.toBe('0')
    expect(statusOf(pid, 'Groups')).not.toBe('0')
    expect(statusOf(pid, 'CapEff')).toBe(NO_CAPABILITY)
  })

  it('does not answer a user who may not be in its folder', async () => {
    const socket = join(dataDir, 'postgres-socket', '.s.PGSQL.5432')
    // Who is not root cannot become somebody else to try it: then the rights of the folder have to say it.
    if (isRoot) expect(await answerToStranger(socket)).toBe('EACCES')
    else expect(statSync(dirname(socket)).mode & 0o077).toBe(0)
    await new Promise<void>((resolve, reject) => {
      const own = connect(socket, () => {
        own.destroy()
        resolve()
      }).once('error', reject)
    })
  })
})

describe('The embedded Postgres', () => {
  const cleanups: (() => void | Promise<void>)[] = []

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
  })

  function newDataDir(): ReturnType<typeof makeDataDir> {
    const made = makeDataDir()
    cleanups.push(made.removeDataDir)
    return made
  }

  async function openAsDaemon(dataDir: string): Promise<{ readonly database: Database; readonly lock: DataLock }> {
    const { log } = newDataDir()
    const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    const database = await openDatabase({ dataDir, log, lock })
    cleanups.push(async () => {
      await database.stop()
      lock.release()
    })
    return { database, lock }
  }

  it('is gone when it was stopped, with its lock, and has kept what was written', async () => {
    const { dataDir, log } = newDataDir()
    const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    const database = await openDatabase({ dataDir, log, lock })
    const pid = database.embedded?.pid ?? 0
    await database.pool.query('CREATE TABLE kept (value text)')
    await database.stop()
    lock.release()
    expect(isAlive(pid)).toBe(false)
    const again = await openAsDaemon(dataDir)
    expect((await again.database.pool.query('SELECT * FROM kept')).rowCount).toBe(0)
  })

  it('is started again when it is killed, and the pool finds it', async () => {
    const { dataDir } = newDataDir()
    const { database } = await openAsDaemon(dataDir)
    process.kill(database.embedded?.pid ?? 0, 'SIGKILL')
    const answer = async (): Promise<number | null> => {
      for (;;) {
        const found = await database.pool.query('SELECT 1').catch(() => undefined)
        if (found !== undefined && (database.embedded?.restarts ?? 0) > 0) return found.rowCount
        await sleep(20)
      }
    }
    expect(await answer()).toBe(1)
    expect(database.embedded?.restarts).toBeGreaterThan(0)
  })

  it('of a daemon that was killed is stopped and replaced, with everything that was committed', async () => {
    const { dataDir } = newDataDir()
    const daemon = await startHolder(dataDir, 'serve')
    const orphanPid = postmasterPid(dataDir)
    daemon.kill('SIGKILL')
    await new Promise((resolve) => daemon.once('exit', resolve))
    expect(isAlive(orphanPid)).toBe(true)
    const { database } = await openAsDaemon(dataDir)
    expect(isAlive(orphanPid)).toBe(false)
    expect((await database.pool.query('SELECT value FROM held')).rows).toEqual([{ value: 'committed' }])
  })

  it('is run by a command when there is no daemon, and ends with it', async () => {
    const { dataDir, log } = newDataDir()
    const database = await openDatabase({ dataDir, log })
    const pid = database.embedded?.pid ?? 0
    expect(isAlive(pid)).toBe(true)
    await expect(acquireDataLock({ dataDir, purpose: 'serve', waitMs: 0 })).rejects.toMatchObject({
      code: 'data-in-use',
    })
    const waiting = acquireDataLock({ dataDir, purpose: 'serve' })
    await database.stop()
    expect(isAlive(pid)).toBe(false)
    const lock = await waiting
    lock.release()
  })

  it('does not let a second daemon in, and tells it who has the folder', async () => {
    const { dataDir } = newDataDir()
    const daemon = await startHolder(dataDir, 'serve')
    await expect(acquireDataLock({ dataDir, purpose: 'serve' })).rejects.toMatchObject({
      code: 'data-in-use',
      message: expect.stringContaining(`process ${daemon.pid}`),
      hint: expect.stringContaining('dataDir'),
    })
    daemon.kill('SIGTERM')
    await new Promise((resolve) => daemon.once('exit', resolve))
  })

  it('puts its socket elsewhere when the path of the data folder is too long for one', async () => {
    const { dataDir, log } = newDataDir()
    const deep = join(dataDir, 'a-rather-long-name-for-a-folder'.repeat(3), 'data')
    const { database } = await openAsDaemon(deep)
    expect(database.description.startsWith(tmpdir())).toBe(true)
    expect(statSync(database.description).mode & 0o777).toBe(0o700)
    const joined = await openDatabase({ dataDir: deep, log })
    expect((await joined.pool.query('SELECT 1')).rowCount).toBe(1)
    await joined.stop()
    cleanups.unshift(() => rmSync(database.description, { recursive: true, force: true }))
  })

  it('that another major version made is refused with its reason', async () => {
    const { dataDir, log } = newDataDir()
    await (await openDatabase({ dataDir, log })).stop()
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '12\n')
    await expect(openDatabase({ dataDir, log })).rejects.toMatchObject({ code: 'embedded-postgres-version' })
  })

  it('left without a clean end by a power cut starts, though its old pid is now another process', async () => {
    const { dataDir, log } = newDataDir()
    const daemon = await startHolder(dataDir, 'serve')
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid')
    const left = readFileSync(pidFile, 'utf8')
    daemon.kill('SIGTERM')
    await new Promise((resolve) => daemon.once('exit', resolve))
    const { uid, gid } = statSync(join(dataDir, 'postgres'))
    const other = spawn('sleep', ['600'], { uid, gid, cwd: '/' })
    cleanups.push(() => void other.kill())
    writeFileSync(pidFile, left.replace(/^\d+/, String(other.pid)), { mode: 0o600 })
    chownSync(pidFile, uid, gid)
    const database = await openDatabase({ dataDir, log })
    expect((await database.pool.query('SELECT value FROM held')).rowCount).toBe(1)
    await database.stop()
    expect(isAlive(other.pid ?? 0)).toBe(true)
  })

  describe('of a daemon that is root, or not', () => {
    it('still runs when folders above its data are closed to others, with what capability that takes and no more', async () => {
      const closed = mkdtempSync(join(tmpdir(), 'earwitness-closed-'))
      chmodSync(closed, 0o700)
      cleanups.push(() => rmSync(closed, { recursive: true, force: true }))
      const { database } = await openAsDaemon(join(closed, 'checkout', 'data'))
      const pid = database.embedded?.pid ?? 0
      expect(statusOf(pid, 'Uid')).not.toBe('0')
      // An ordinary user's closed folders are open to him: it takes none.
      for (const set of ['CapEff', 'CapPrm', ...(isRoot ? ['CapBnd'] : [])])
        expect(statusOf(pid, set)).toBe(isRoot ? CAP_DAC_READ_SEARCH : NO_CAPABILITY)
      if (isRoot) expect(statusOf(pid, 'NoNewPrivs')).toBe('1')
      await database.pool.query('CREATE TABLE written (value text); CHECKPOINT')
    })

    it('is created by binaries that lie in a closed folder', async () => {
      const closed = mkdtempSync(join(tmpdir(), 'earwitness-closed-'))
      chmodSync(closed, 0o700)
      cleanups.push(() => rmSync(closed, { recursive: true, force: true }))
      const installed = findEmbeddedBinaries()
      const native = join(closed, 'native')
      cpSync(dirname(dirname(installed.postgres)), native, { recursive: true, verbatimSymlinks: true })
      const dataDir = join(closed, 'data')
      mkdirSync(dataDir)
      const cluster = await prepareCluster(dataDir, {
        initdb: join(native, 'bin', 'initdb'),
        postgres: join(native, 'bin', 'postgres'),
        shareDir: join(native, 'share', 'postgresql'),
      })
      expect(cluster.launcher.prefix[0]).toBe(isRoot ? 'setpriv' : undefined)
      expect(readFileSync(join(cluster.directory, 'PG_VERSION'), 'utf8')).toMatch(/^\d+\n$/)
    })

    it('says what to do when not even that helps', async () => {
      const { dataDir } = newDataDir()
      mkdirSync(dataDir)
      const unusable = { ...findEmbeddedBinaries(), shareDir: join(dataDir, 'absent') }
      await expect(prepareCluster(dataDir, unusable)).rejects.toMatchObject({
        code: isRoot ? 'embedded-postgres-unprivileged' : 'embedded-postgres-initdb',
        hint: expect.stringContaining(isRoot ? 'chmod o+x' : ''),
      })
    })
  })

  /** Another process that holds the data folder as a daemon does, until SIGTERM. */
  async function startHolder(dataDir: string, purpose: 'serve'): Promise<ChildProcess> {
    const source = new URL('../../src/server/', import.meta.url)
    const script = `
      const { acquireDataLock } = await import(${JSON.stringify(new URL('data-lock.ts', source).href)})
      const { openDatabase } = await import(${JSON.stringify(new URL('database/open-database.ts', source).href)})
      const quiet = () => {}
      const log = { debug: quiet, info: quiet, warn: quiet, error: console.error }
      const dataDir = ${JSON.stringify(dataDir)}
      const lock = await acquireDataLock({ dataDir, purpose: ${JSON.stringify(purpose)} })
      const database = await openDatabase({ dataDir, log, lock })
      await database.pool.query("CREATE TABLE held AS SELECT 'committed'::text AS value")
      process.on('SIGTERM', async () => {
        await database.stop()
        lock.release()
        process.exit(0)
      })
      console.log('ready')`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    cleanups.push(() => void child.kill('SIGKILL'))
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('exit', () => reject(new Error('the process that should hold the folder ended')))
    })
    return child
  }
})
