import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../errors.ts'

/** `serve`: the daemon, for its whole life. `command`: a command that runs the embedded database for its own duration. */
export type LockPurpose = 'serve' | 'command'

export interface LockHolder {
  readonly pid: number
  /** Field 22 of /proc/PID/stat, in clock ticks since boot; empty where there is no /proc. Tells a reused pid apart. */
  readonly startTicks: string
  /** Empty where it is unknown. */
  readonly bootId: string
  readonly purpose: LockPurpose
}

export interface DataLock {
  readonly path: string
  readonly dataDir: string
  release(): void
}

export const LOCK_FILE = 'earwitness.lock'
/** How long a daemon waits for a command that has the data open. */
export const COMMAND_WAIT_MS = 30_000
const POLL_MS = 100
/** How long after a takeover a second process that saw the same stale lock could still move it away. */
const TAKEOVER_SETTLE_MS = 50
const TAKEOVERS_MAX = 20

/**
 * Takes the lock of a data folder, or rejects with `data-in-use` when another live process has it.
 *
 * The lock is a file that names its holder; one whose holder is gone (or whose pid now belongs to another process) is taken
 * over. A command's lock is waited for up to `waitMs`; a daemon's is not. It guards the processes of one machine that see
 * each other's pids: two containers that share a volume do not.
 */
export async function acquireDataLock(options: {
  readonly dataDir: string
  readonly purpose: LockPurpose
  readonly waitMs?: number
}): Promise<DataLock> {
  const { dataDir, purpose, waitMs = COMMAND_WAIT_MS } = options
  mkdirSync(dataDir, { recursive: true, mode: 0o711 })
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const lock = await tryAcquire(dataDir, purpose)
    if (lock !== undefined) return lock
    const holder = readDataLock(dataDir)
    if (holder === undefined) continue
    if (holder.purpose === 'serve' || waitedMs >= waitMs) throw dataInUse(dataDir, holder)
    await sleep(POLL_MS)
  }
}

/** The live process that has the data folder, or undefined. */
export function readDataLock(dataDir: string): LockHolder | undefined {
  const holder = parseHolder(readText(join(dataDir, LOCK_FILE)))
  return holder !== undefined && isAlive(holder) ? holder : undefined
}

export function dataInUse(dataDir: string, holder: LockHolder): EarwitnessError {
  const who = holder.purpose === 'serve' ? 'Another daemon' : 'Another command'
  return new EarwitnessError(
    'data-in-use',
    `${who} (process ${holder.pid}) uses the data folder ${dataDir}.`,
    `Stop it first (kill ${holder.pid}), or give this one a dataDir of its own.`,
  )
}

async function tryAcquire(dataDir: string, purpose: LockPurpose): Promise<DataLock | undefined> {
  const path = join(dataDir, LOCK_FILE)
  const content = JSON.stringify({ ...describeSelf(), purpose, token: randomUUID() })
  for (let takeovers = 0; takeovers < TAKEOVERS_MAX; takeovers += 1) {
    const existing = readText(path)
    if (existing === undefined) {
      if (!createWhole(path, content)) continue
      if (takeovers > 0) {
        await sleep(TAKEOVER_SETTLE_MS)
        if (readText(path) !== content) continue
      }
      return { path, dataDir, release: () => releaseOwn(path, content) }
    }
    const holder = parseHolder(existing)
    if (holder !== undefined && isAlive(holder)) return undefined
    moveStaleAway(path, existing)
  }
  return undefined
}

/** Creates the file with all its content at once, so that nobody ever reads half a lock; false when there is one. */
function createWhole(path: string, content: string): boolean {
  const temporary = `${path}.${process.pid}.${randomUUID()}`
  writeFileSync(temporary, content, { flag: 'wx', mode: 0o644 })
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Moves a stale lock out of the way; puts it back when meanwhile it had become somebody's live lock. */
function moveStaleAway(path: string, stale: string): void {
  const aside = `${path}.stale.${process.pid}.${randomUUID()}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  try {
    if (readText(aside) !== stale) linkSync(aside, path)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function releaseOwn(path: string, content: string): void {
  if (readText(path) === content) rmSync(path, { force: true })
}

function describeSelf(): Omit<LockHolder, 'purpose'> {
  return { pid: process.pid, startTicks: startTicksOf(process.pid) ?? '', bootId: readBootId() }
}

function isAlive(holder: LockHolder): boolean {
  if (holder.bootId !== readBootId()) return false
  if (holder.startTicks !== '') return startTicksOf(holder.pid) === holder.startTicks
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

function readBootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
}

/**
 * Field 22 of proc(5); undefined when there is no such process any more, a zombie included. The fields are counted from the
 * last `)`, because the name of a process may hold blanks and brackets.
 */
function startTicksOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19]
}

function parseHolder(text: string | undefined): LockHolder | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isHolder(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isHolder(value: unknown): value is LockHolder {
  if (typeof value !== 'object' || value === null) return false
  const { pid, startTicks, bootId, purpose } = value as Partial<Record<keyof LockHolder, unknown>>
  return (
    Number.isInteger(pid) &&
    typeof startTicks === 'string' &&
    typeof bootId === 'string' &&
    (purpose === 'serve' || purpose === 'command')
  )
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH') return undefined
    throw error
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
