import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runQuietly } from './child.mjs'
import { findOnPath, pathWithTools, UNPACKED_CEPH, UNPACKED_PROGRAMS } from './paths.mjs'
import { say, SetUpError } from './talk.mjs'

/** Programs the tests run for real, and the Debian package each comes in. */
export const TEST_PROGRAMS = new Map([
  ['sipp', 'sip-tester'],
  ['ffmpeg', 'ffmpeg'],
  ['ffprobe', 'ffmpeg'],
  ['age', 'age'],
  ['openssl', 'openssl'],
  ['jq', 'jq'],
  ['unzip', 'unzip'],
  // the compiler with the headers of the C library
  ['cc', 'build-essential'],
])

/** Programs the tests run whose package would start a server on this machine: unpacked beside the packages of npm instead of installed. */
export const UNPACKED_TEST_PROGRAMS = new Map([['promtool', 'prometheus']])

/** Ceph's S3 server and what it stands on; installed, they would start services. */
const CEPH_PACKAGES = ['radosgw', 'ceph-mon', 'ceph-osd']
/** Of what these packages ask for, all that they run with: no Python, no disk tools. */
const CEPH_NEEDS = /^(?:lib.*|ceph-(?:base|common|mon|osd)|radosgw)$/u

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

/** As {@link ensurePrograms}, for {@link UNPACKED_TEST_PROGRAMS}; needs no root. */
export async function ensureUnpackedPrograms(programs = UNPACKED_TEST_PROGRAMS) {
  for (const [program, debianPackage] of programs) {
    if (findOnPath(program, pathWithTools()) !== undefined) continue
    const folder = mkdtempSync(join(tmpdir(), 'earwitness-unpack-'))
    try {
      await unpack(program, debianPackage, folder)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
}

async function unpack(program, debianPackage, folder) {
  say(`unpacking ${program} of the Debian package ${debianPackage} for the tests …`)
  if (!hasPackageLists() && process.getuid?.() === 0) await apt(['update', '-qq'])
  let result = await apt(['download', '-qq', debianPackage], folder)
  if (result.exitCode !== 0 && process.getuid?.() === 0) {
    // old lists name versions that the mirror no longer has
    await apt(['update', '-qq'])
    result = await apt(['download', '-qq', debianPackage], folder)
  }
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'))
  if (archive !== undefined) result = await runQuietly('dpkg-deb', ['-x', join(folder, archive), folder])
  if (archive === undefined || result.exitCode !== 0) {
    process.stderr.write(result.output)
    throw new SetUpError(
      'set-up-programs-missing',
      `The tests need ${program}, which this machine does not have.`,
      `It is in the Debian package ${debianPackage}; any ${program} on PATH will do.`,
    )
  }
  mkdirSync(UNPACKED_PROGRAMS, { recursive: true })
  const target = join(UNPACKED_PROGRAMS, program)
  // in one step: another run of the tests may look for it now
  copyFileSync(join(folder, 'usr', 'bin', program), `${target}.${process.pid}`)
  renameSync(`${target}.${process.pid}`, target)
}

/** Ceph with every library that is missing here, in {@link UNPACKED_CEPH}, unless it is on PATH; needs no root. */
export async function ensureUnpackedCeph() {
  const programs = ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd']
  if (existsSync(UNPACKED_CEPH) || programs.every((program) => findOnPath(program) !== undefined)) return
  say('unpacking the Debian packages of Ceph (an S3 server, 60 MB) for the tests …')
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-unpack-'))
  try {
    let result = await downloadCeph(folder)
    if (result.exitCode !== 0 && process.getuid?.() === 0) {
      await apt(['update', '-qq'])
      result = await downloadCeph(folder)
    }
    const root = join(folder, 'root')
    for (const archive of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      if (result.exitCode === 0) result = await runQuietly('dpkg-deb', ['-x', join(folder, archive), root])
    }
    if (result.exitCode !== 0) throw cephMissing(result.output)
    moveIntoPlace(root)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function downloadCeph(folder) {
  if (!hasPackageLists() && process.getuid?.() === 0) await apt(['update', '-qq'])
  const plan = await apt(['install', '--simulate', '--no-install-recommends', ...CEPH_PACKAGES])
  if (plan.exitCode !== 0) return plan
  const missing = Array.from(plan.output.matchAll(/^Inst (\S+)/gmu), (match) => match[1].replace(/:.*/u, ''))
  return apt(['download', '-qq', ...missing.filter((name) => CEPH_NEEDS.test(name))], folder)
}

function moveIntoPlace(root) {
  mkdirSync(UNPACKED_PROGRAMS, { recursive: true })
  // beside its place, which may lie on another disk than the temporary folder; then in one step
  const beside = `${UNPACKED_CEPH}.${process.pid}`
  cpSync(root, beside, { recursive: true, verbatimSymlinks: true })
  try {
    renameSync(beside, UNPACKED_CEPH)
  } catch (error) {
    // another run of the tests was quicker
    rmSync(beside, { recursive: true })
    if (!existsSync(UNPACKED_CEPH)) throw error
  }
}

function cephMissing(output) {
  process.stderr.write(output)
  return new SetUpError(
    'set-up-programs-missing',
    'The tests need radosgw with ceph-mon and ceph-osd, which this machine does not have.',
    'On Debian or Ubuntu type: sudo apt-get update; elsewhere any Ceph on PATH will do.',
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

function apt(args, cwd) {
  return runQuietly('apt-get', args, { cwd, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' } })
}
