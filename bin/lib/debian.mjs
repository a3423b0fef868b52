import { readdirSync } from 'node:fs'
import { runQuietly } from './child.mjs'
import { findOnPath } from './paths.mjs'
import { say, SetUpError } from './talk.mjs'

/** Programs the tests run for real, and the Debian package each comes in. */
export const TEST_PROGRAMS = new Map([
  ['sipp', 'sip-tester'],
  ['ffmpeg', 'ffmpeg'],
  ['ffprobe', 'ffmpeg'],
  ['age', 'age'],
  ['openssl', 'openssl'],
  // the compiler with the headers of the C library
  ['cc', 'build-essential'],
])

const APT_OPTIONS = ['-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300']
const APT_LISTS = '/var/lib/apt/lists'

/** Makes sure that every program of `programs` is there: installs it when root on Debian, else names what to type. */
export async function ensurePrograms(programs = TEST_PROGRAMS) {
  const missing = missingPrograms(programs)
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((program) => programs.get(program)))]
  const canInstall = process.getuid?.() === 0 && findOnPath('apt-get') !== undefined
  if (canInstall) await installPackages(packages)
  const stillMissing = canInstall ? missingPrograms(programs) : missing
  if (stillMissing.length === 0) return
  throw new SetUpError(
    'set-up-programs-missing',
    `The tests need ${stillMissing.join(', ')}, which this machine does not have.`,
    `On Debian or Ubuntu type: sudo apt-get install ${packages.join(' ')}`,
  )
}

function missingPrograms(programs) {
  return [...programs.keys()].filter((program) => findOnPath(program) === undefined)
}

async function installPackages(packages) {
  say(`installing Debian packages for the tests: ${packages.join(' ')} …`)
  let updated = false
  if (!hasPackageLists()) {
    await apt(['update', '-qq'])
    updated = true
  }
  let result = await apt(['install', ...APT_OPTIONS, ...packages])
  if (result.exitCode !== 0 && !updated) {
    // old lists name versions that the mirror no longer has
    await apt(['update', '-qq'])
    result = await apt(['install', ...APT_OPTIONS, ...packages])
  }
  if (result.exitCode !== 0) process.stderr.write(result.output)
}

function hasPackageLists() {
  try {
    return readdirSync(APT_LISTS).some((name) => name.includes('_Packages'))
  } catch {
    return false
  }
}

function apt(args) {
  return runQuietly('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' } })
}
