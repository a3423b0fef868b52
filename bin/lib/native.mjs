import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runQuietly } from './child.mjs'
import { findOnPath, MODULES, PINNED_NODE, ROOT } from './paths.mjs'
import { say } from './talk.mjs'

const SOURCE = join(ROOT, 'src', 'native', 'batch-receive.c')
const HEADERS = join(MODULES, 'node-api-headers', 'include')
/** Beside the packages: whoever installs anew builds anew. The daemon looks for the module here (`src/server/media/native-addon.ts`). */
export const NATIVE_MODULE = join(MODULES, '.earwitness', 'batch-receive.node')
/** What was built, or could not be: `built HASH` or `failed HASH`. */
const STAMP_FILE = join(MODULES, '.earwitness', 'batch-receive.stamp')
const COMPILERS = ['cc', 'gcc', 'clang']
export const COMPILE_FLAGS = [
  ...['-std=c11', '-fPIC', '-shared', '-fvisibility=hidden', '-Wall', '-Wextra'],
  ...['-O2', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2'],
]

/**
 * Builds the receiver in C where the system has a compiler for it; a millisecond when that has been done. It never fails: without the
 * module the recorder receives through Node's own sockets, and `earwitness doctor` says so. What a compiler refused is tried again only
 * when something has changed.
 *
 * @returns {Promise<'built' | 'present' | 'failed' | 'noCompiler' | 'otherSystem'>}
 */
export async function ensureNative({ isLoud = false } = {}) {
  try {
    if (process.platform !== 'linux' || !existsSync(HEADERS) || !existsSync(SOURCE)) return 'otherSystem'
    const hash = hashOfInputs()
    const stamp = readText(STAMP_FILE)
    if (stamp === `built ${hash}` && existsSync(NATIVE_MODULE)) return 'present'
    if (stamp === `failed ${hash}` && !isLoud) return 'failed'
    const compiler = findCompiler()
    if (compiler === undefined) return 'noCompiler'
    const { exitCode, output } = await compile(compiler, COMPILE_FLAGS, NATIVE_MODULE)
    writeFileSync(STAMP_FILE, exitCode === 0 ? `built ${hash}` : `failed ${hash}`)
    if (isLoud) process.stderr.write(output)
    if (exitCode !== 0) say('the receiver in C could not be built; media is received through Node instead')
    return exitCode === 0 ? 'built' : 'failed'
  } catch {
    // a read-only image, a full disk: the recorder works without
    return 'failed'
  }
}

export function findCompiler() {
  return COMPILERS.map((name) => findOnPath(name)).find((path) => path !== undefined)
}

/** Puts the module in place in one step: a recorder that runs keeps the one it has loaded. */
export async function compile(compiler, flags, target) {
  mkdirSync(dirname(target), { recursive: true })
  const unfinished = `${target}.${randomBytes(6).toString('hex')}`
  try {
    const result = await runQuietly(compiler, [...flags, `-I${HEADERS}`, SOURCE, '-o', unfinished])
    if (result.exitCode === 0) renameSync(unfinished, target)
    return result
  } finally {
    rmSync(unfinished, { force: true })
  }
}

/** Everything the module depends on; the version of Node is the one it is loaded by. */
function hashOfInputs() {
  const hash = createHash('sha256')
  for (const name of ['node_api.h', 'node_api_types.h', 'js_native_api.h', 'js_native_api_types.h']) {
    hash.update(readFileSync(join(HEADERS, name)))
  }
  hash.update(readFileSync(SOURCE))
  hash.update(readFileSync(join(dirname(dirname(PINNED_NODE)), 'package.json')))
  hash.update(`${COMPILE_FLAGS.join(' ')} ${process.platform}-${process.arch}`)
  return hash.digest('hex')
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
