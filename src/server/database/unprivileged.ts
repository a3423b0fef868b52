import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'

import { EarwitnessError } from '../../errors.ts'

/** How a program of Postgres is started so that it does not run as root. */
export interface Launcher {
  /** Who owns the data folder; undefined when the daemon is not root and everything stays with its own user. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** Put in front of the program; empty when plain setuid is enough. */
  readonly prefix: readonly string[]
}

/** What must be within reach of the unprivileged user. */
export interface LauncherNeeds {
  readonly postgres: string
  readonly shareDir: string
  /** Existing folders that the user owns and must be able to write in. */
  readonly ownedDirs: readonly string[]
}

const PROBE =
  '"$0" --version >/dev/null && test -r "$1/postgres.bki" && shift && for d; do test -w "$d" || exit 1; done'
const PROBE_TIMEOUT_MS = 10_000

/**
 * The user that Postgres runs as when the daemon is root: whoever owns the data already, else `postgres` if the machine
 * has such a user, else `nobody`. Postgres refuses to run as root. undefined when the daemon is not root.
 */
export function chooseOwner(existingDataDir: string | undefined): Launcher['owner'] {
  if (process.getuid?.() !== 0) return undefined
  const stat = existingDataDir === undefined ? undefined : statSync(existingDataDir, { throwIfNoEntry: false })
  if (stat !== undefined && stat.uid !== 0) return { uid: stat.uid, gid: stat.gid }
  const accounts = readFileSync('/etc/passwd', 'utf8')
  const owner = findAccount(accounts, 'postgres') ?? findAccount(accounts, 'nobody')
  if (owner !== undefined) return owner
  throw new EarwitnessError(
    'embedded-postgres-unprivileged',
    'Postgres does not run as root, and this machine has neither a user postgres nor a user nobody.',
    'Create one (useradd --system postgres), start Earwitness as an ordinary user, or set database.url.',
  )
}

/** passwd(5). Exported for its test. */
export function findAccount(passwd: string, name: string): { readonly uid: number; readonly gid: number } | undefined {
  for (const line of passwd.split('\n')) {
    const [account, , uid, gid] = line.split(':')
    if (account === name && uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

/**
 * Finds out, by trying, how programs reach what they need as `owner`.
 *
 * A checkout in /root (mode 0700) is out of reach for everybody else. Then the one capability to read and traverse
 * folders is left to Postgres, and all others are taken away; it still cannot write outside its own folders.
 */
export function chooseLauncher(owner: Launcher['owner'], needs: LauncherNeeds): Launcher {
  if (owner === undefined) return { owner, prefix: [] }
  const plain = { owner, prefix: [] }
  if (probe(plain, needs)) return plain
  const traversing = { owner, prefix: traversingPrefix(owner) }
  if (probe(traversing, needs)) return traversing
  throw new EarwitnessError(
    'embedded-postgres-unprivileged',
    `Earwitness runs as root and Postgres must not, but user ${owner.uid} cannot reach ${needs.postgres} or ${needs.ownedDirs.join(', ')}.`,
    'Make the folders above them traversable (chmod o+x), move Earwitness and dataDir out of /root, start it as an ordinary user, or set database.url.',
  )
}

/** What to spawn, and how, for `program`. */
export function launchArguments(
  launcher: Launcher,
  program: string,
  args: readonly string[],
): { readonly file: string; readonly args: readonly string[]; readonly identity: { uid?: number; gid?: number } } {
  const [file = program, ...rest] = [...launcher.prefix, program, ...args]
  // setpriv changes the user itself, as the last thing it does with the rights of root.
  return { file, args: rest, identity: launcher.prefix.length > 0 ? {} : { ...launcher.owner } }
}

/**
 * `no_setuid_fixup` lets access(2) count the capability, which initdb and postgres use to find each other; access(2) looks
 * at the real user, and by default the kernel sets capabilities aside for that.
 */
function traversingPrefix(owner: { readonly uid: number; readonly gid: number }): readonly string[] {
  return [
    'setpriv',
    `--reuid=${owner.uid}`,
    `--regid=${owner.gid}`,
    '--clear-groups',
    '--bounding-set=-all,+dac_read_search',
    '--inh-caps=-all,+dac_read_search',
    '--ambient-caps=-all,+dac_read_search',
    '--securebits=+no_setuid_fixup',
    '--no-new-privs',
  ]
}

function probe(launcher: Launcher, needs: LauncherNeeds): boolean {
  const { file, args, identity } = launchArguments(launcher, '/bin/sh', [
    '-c',
    PROBE,
    needs.postgres,
    needs.shareDir,
    ...needs.ownedDirs,
  ])
  const result = spawnSync(file, args, {
    ...identity,
    cwd: '/',
    stdio: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
    env: programEnv(),
  })
  return result.status === 0
}

/** Secrets in the daemon's environment are none of Postgres' business, and PG* variables would change what it does. */
export function programEnv(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
}
