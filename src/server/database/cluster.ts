import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chownSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import type { EmbeddedBinaries } from './embedded-binaries.ts'
import { chooseLauncher, chooseOwner, launchArguments, programEnv, type Launcher } from './unprivileged.ts'

/** Names the socket file only: the server does not listen on TCP. */
export const EMBEDDED_PORT = 5432
export const EMBEDDED_ROLE = 'earwitness'
export const EMBEDDED_DATABASE = 'earwitness'
/** unix(7): a socket's path has 108 bytes, the last one zero; some systems have 104. */
export const SOCKET_PATH_BYTES_MAX = 100
const STDERR_KEPT = 4_000

/** Where an embedded server keeps its data, and how its programs are started. */
export interface Cluster {
  readonly directory: string
  readonly socketDir: string
  readonly launcher: Launcher
}

export function clusterDirectory(dataDir: string): string {
  return join(dataDir, 'postgres')
}

/**
 * Makes the folders of the embedded server and, the first time, its cluster: UTF-8, sorted by byte, data checksums on, and
 * nobody but the owner of the socket's folder gets in. The caller holds the data lock.
 */
export async function prepareCluster(dataDir: string, binaries: EmbeddedBinaries): Promise<Cluster> {
  const directory = clusterDirectory(dataDir)
  // First, because whether there is a cluster in a folder of somebody else cannot be seen.
  if (existsSync(directory)) checkOwner(directory)
  const isNew = !existsSync(join(directory, 'PG_VERSION'))
  const owner = chooseOwner(isNew ? undefined : directory)
  const socketDir = chooseSocketDir(realpathSync(dataDir), tmpdir())
  makeOwnedDir(socketDir, owner)
  const workDir = isNew ? `${directory}.new` : directory
  if (isNew) {
    rmSync(workDir, { recursive: true, force: true })
    makeOwnedDir(workDir, owner)
  }
  const launcher = chooseLauncher(owner, { ...binaries, ownedDirs: [workDir, socketDir] })
  if (isNew) {
    await runInitdb(launcher, binaries, workDir)
    adoptCluster(workDir, directory)
  }
  return { directory, socketDir, launcher }
}

/**
 * The folder of the socket: in `dataDir`, or, where its path would be too long, in the folder for temporary files under a
 * name made from `dataDir`.
 */
export function chooseSocketDir(dataDir: string, temporaryDir: string): string {
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  const candidates = [join(dataDir, 'postgres-socket'), join(temporaryDir, `earwitness-${hash}`)]
  return candidates.find(fitsSocket) ?? join('/tmp', `earwitness-${hash}`)
}

function fitsSocket(directory: string): boolean {
  return Buffer.byteLength(join(directory, `.s.PGSQL.${EMBEDDED_PORT}.lock`)) <= SOCKET_PATH_BYTES_MAX
}

/** An interrupted initdb leaves nothing that looks like a cluster: the folder gets its name when it is whole. */
function adoptCluster(workDir: string, directory: string): void {
  try {
    renameSync(workDir, directory)
  } catch (cause) {
    throw new EarwitnessError(
      'embedded-postgres-folder',
      `${directory} holds something that is not a Postgres cluster.`,
      'Move it away, or choose another dataDir.',
      { cause },
    )
  }
}

function checkOwner(directory: string): void {
  const { uid } = statSync(directory)
  const own = process.getuid?.() ?? uid
  if (own === 0 || own === uid) return
  throw new EarwitnessError(
    'embedded-postgres-owner',
    `The embedded database in ${directory} belongs to user ${uid}, and Earwitness runs as user ${own}.`,
    'Start Earwitness as the user (or root) who ran it first, or give this user a dataDir of its own.',
  )
}

/** Others must not even see the folder's names. One in /tmp that somebody else made first is refused. */
function makeOwnedDir(directory: string, owner: Launcher['owner']): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const stat = lstatSync(directory)
  const own = process.getuid?.() ?? stat.uid
  const isOurs = stat.isDirectory() && (stat.uid === own || stat.uid === owner?.uid)
  if (!isOurs) {
    throw new EarwitnessError(
      'embedded-postgres-folder',
      `${directory} exists and belongs to another user.`,
      'Remove it, or choose another dataDir.',
    )
  }
  chmodSync(directory, 0o700)
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid)
}

async function runInitdb(launcher: Launcher, binaries: EmbeddedBinaries, directory: string): Promise<void> {
  const { file, args, identity } = launchArguments(launcher, binaries.initdb, [
    `--pgdata=${directory}`,
    `--username=${EMBEDDED_ROLE}`,
    '--encoding=UTF8',
    '--locale=C',
    '--auth-local=trust',
    '--auth-host=reject',
    '--no-instructions',
    '-L',
    binaries.shareDir,
  ])
  const child = spawn(file, args, { ...identity, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'], env: programEnv() })
  let talk = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    talk = (talk + text).slice(-STDERR_KEPT)
  })
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'unknown'))
  })
  if (code === 0) return
  throw new EarwitnessError(
    'embedded-postgres-initdb',
    `The embedded database could not be created in ${directory} (${code}): ${lastLine(talk)}`,
    'Check the free space and the rights of dataDir, or set database.url to a Postgres server of your own.',
  )
}

export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
