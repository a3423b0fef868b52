import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { EarwitnessError } from '../../errors.ts'

/** What the running server of a cluster says about itself in postmaster.pid. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly socketDir: string
  readonly isReady: boolean
}

/** A fast shutdown writes a checkpoint; a slow disk may take its time. */
export const STOP_WAIT_MS = 30_000
/** After an immediate shutdown there is nothing left to write. */
const QUIT_WAIT_MS = 5_000
const POLL_MS = 10

/** Reads postmaster.pid (one fact a line, in a fixed order); undefined while it is being written, or is not one. */
export function parsePostmasterFile(text: string): Postmaster | undefined {
  const [pid, , , port, socketDir, , , status] = text.split('\n').map((line) => line.trim())
  if (pid === undefined || !/^\d+$/.test(pid)) return undefined
  return { pid: Number(pid), port: Number(port ?? 0), socketDir: socketDir ?? '', isReady: status === 'ready' }
}

/**
 * The running server of this cluster, or undefined. A file left by one that was killed does not count.
 *
 * Throws EACCES when the cluster belongs to another user.
 */
export function findPostmaster(clusterDir: string): Postmaster | undefined {
  const found = readPostmasterFile(clusterDir)
  return found !== undefined && servesCluster(found.pid, clusterDir) ? found : undefined
}

/** The file as it is, whether its server lives or not. */
export function readPostmasterFile(clusterDir: string): Postmaster | undefined {
  try {
    return parsePostmasterFile(readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Stops a server that nobody supervises any more: its daemon was killed. Resolves when it is gone.
 *
 * It is not joined but replaced, because only the parent of a process learns at once that it died.
 */
export async function stopOrphan(clusterDir: string): Promise<boolean> {
  const orphan = findPostmaster(clusterDir)
  if (orphan === undefined) {
    removeMisleadingFile(clusterDir)
    return false
  }
  for (const [signal, waitMs] of [
    ['SIGINT', STOP_WAIT_MS],
    ['SIGQUIT', QUIT_WAIT_MS],
  ] as const) {
    signalProcess(orphan.pid, signal)
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += POLL_MS) {
      if (!servesCluster(orphan.pid, clusterDir)) return true
      await sleep(POLL_MS)
    }
  }
  throw new EarwitnessError(
    'embedded-postgres-orphan',
    `A Postgres of an earlier run (process ${orphan.pid}) still uses ${clusterDir} and does not stop.`,
    `Stop it with kill -QUIT ${orphan.pid}, then start again.`,
  )
}

/**
 * After a reboot the pid in the file may belong to some other process of the same user, and Postgres would refuse to
 * start. The file may only go when no process at all works in the cluster: it also guards against the server processes
 * that outlive a killed postmaster.
 */
function removeMisleadingFile(clusterDir: string): void {
  const left = readPostmasterFile(clusterDir)
  if (left === undefined || !isRunning(left.pid)) return
  const directory = realpathSync(clusterDir)
  if (processIds().some((pid) => workingDirectory(pid) === directory)) return
  rmSync(join(clusterDir, 'postmaster.pid'), { force: true })
}

/** A server process changes into its cluster's folder and stays there. */
function servesCluster(pid: number, clusterDir: string): boolean {
  if (process.platform !== 'linux') return isRunning(pid)
  return workingDirectory(pid) === realpathSync(clusterDir)
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself meanwhile.
  }
}
