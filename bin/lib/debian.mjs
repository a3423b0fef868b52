import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runQuietly } from './child.mjs'
import {
  findOnPath,
  pathWithTools,
  UNPACKED_CEPH,
  UNPACKED_KAMAILIO,
  UNPACKED_PROGRAMS,
  UNPACKED_RTPENGINE,
  UNPACKED_SPEECH,
} from './paths.mjs'
import { say, SetUpError } from './talk.mjs'

/** Programs the tests run for real, and the Debian package, or packages, each comes in. */
export const TEST_PROGRAMS = new Map([
  ['sipp', 'sip-tester'],
  ['ffmpeg', 'ffmpeg'],
  ['ffprobe', 'ffmpeg'],
  ['age', 'age'],
  ['openssl', 'openssl'],
  ['jq', 'jq'],
  ['unzip', 'unzip'],
  // speech recognition, with its model
  ['pocketsphinx_continuous', ['pocketsphinx', 'pocketsphinx-en-us']],
  // the compiler with the headers of the C library
  ['cc', 'build-essential'],
])

/** Programs the tests run whose package would start a server on this machine: unpacked beside the packages of npm instead of installed. */
export const UNPACKED_TEST_PROGRAMS = new Map([['promtool', 'prometheus']])

/** Servers the tests run that stand on libraries of their own; installed, they would start services. `needs`: of what the packages ask for, all that they run with. */
const SERVERS = [
  {
    name: 'Ceph (an S3 server, 60 MB)',
    folder: UNPACKED_CEPH,
    programs: ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd'],
    packages: ['radosgw', 'ceph-mon', 'ceph-osd'],
    // no Python, no disk tools
    needs: /^(?:lib.*|ceph-(?:base|common|mon|osd)|radosgw)$/u,
  },
  {
    name: 'Kamailio (a SIP proxy, 7 MB)',
    folder: UNPACKED_KAMAILIO,
    programs: ['kamailio'],
    packages: ['kamailio'],
    needs: /^(?:lib.*|kamailio)$/u,
  },
  {
    name: 'rtpengine (a media proxy, 3 MB)',
    folder: UNPACKED_RTPENGINE,
    programs: ['rtpengine'],
    packages: ['rtpengine-daemon'],
    needs: /^(?:lib.*|rtpengine-daemon)$/u,
  },
]

/** What `bench:consent` listens to: prompts spoken by people, a synthesiser, and codecs that FFmpeg cannot encode. */
const SPEECH = {
  name: 'human and synthetic speech (100 MB)',
  folder: UNPACKED_SPEECH,
  programs: ['espeak-ng'],
  packages: [
    ...['en', 'es', 'fr', 'it', 'ru'].map((language) => `asterisk-core-sounds-${language}-wav`),
    ...['espeak-ng', 'libbcg729-0', 'libopencore-amrnb0'],
  ],
  needs: /^(?:lib.*|espeak-ng.*|asterisk-core-sounds-.*-wav)$/u,
}

const APT_OPTIONS = ['-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300']
const APT_LISTS = '/var/lib/apt/lists'

/** Makes sure that every program of `programs` is there: installs it when root on Debian, else names what to type. */
export async function ensurePrograms(programs = TEST_PROGRAMS) {
  const missing = missingPrograms(programs)
  if (missing.length === 0) return
  const packages = [...new Set(missing.flatMap((program) => programs.get(program)))]
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

/** Each of {@link SERVERS} that is not on PATH, with every library that is missing here; needs no root. */
export async function ensureUnpackedServers() {
  for (const server of SERVERS) {
    const isThere = server.programs.every((program) => findOnPath(program) !== undefined)
    if (!isThere && !existsSync(server.folder)) await unpackServer(server)
  }
}

/** The speech that benchmarks listen to; needs no root. */
export async function ensureUnpackedSpeech() {
  if (!existsSync(SPEECH.folder)) await unpackServer(SPEECH)
}

async function unpackServer(server) {
  say(`unpacking the Debian packages of ${server.name} for the tests …`)
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-unpack-'))
  try {
    let result = await downloadServer(server, folder)
    if (result.exitCode !== 0 && process.getuid?.() === 0) {
      await apt(['update', '-qq'])
      result = await downloadServer(server, folder)
    }
    const root = join(folder, 'root')
    // stays empty where all of them are installed
    mkdirSync(root)
    for (const archive of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      if (result.exitCode === 0) result = await runQuietly('dpkg-deb', ['-x', join(folder, archive), root])
    }
    if (result.exitCode !== 0) throw serverMissing(server, result.output)
    moveIntoPlace(root, server.folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function downloadServer({ packages, needs }, folder) {
  if (!hasPackageLists() && process.getuid?.() === 0) await apt(['update', '-qq'])
  const plan = await apt(['install', '--simulate', '--no-install-recommends', ...packages])
  if (plan.exitCode !== 0) return plan
  const missing = Array.from(plan.output.matchAll(/^Inst (\S+)/gmu), (match) => match[1].replace(/:.*/u, ''))
  const wanted = missing.filter((name) => needs.test(name))
  return wanted.length === 0 ? plan : apt(['download', '-qq', ...wanted], folder)
}

function moveIntoPlace(root, place) {
  mkdirSync(UNPACKED_PROGRAMS, { recursive: true })
  // beside its place, which may lie on another disk than the temporary folder; then in one step
  const beside = `${place}.${process.pid}`
  cpSync(root, beside, { recursive: true, verbatimSymlinks: true })
  try {
    renameSync(beside, place)
  } catch (error) {
    // another run of the tests was quicker
    rmSync(beside, { recursive: true })
    if (!existsSync(place)) throw error
  }
}

function serverMissing({ programs }, output) {
  process.stderr.write(output)
  return new SetUpError(
    'set-up-programs-missing',
    `The tests need ${programs.join(', ')}, which this machine does not have.`,
    'On Debian or Ubuntu type: sudo apt-get update; elsewhere any on PATH will do.',
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
