// npm run native: builds the receiver in C and says how that went. npm run native:asan: runs its fuzz with AddressSanitizer and UBSan.
import { join } from 'node:path'
import { runQuietly, runToEnd } from './lib/child.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { compile, COMPILE_FLAGS, ensureNative, findCompiler, NATIVE_MODULE } from './lib/native.mjs'
import { PINNED_NODE, ROOT } from './lib/paths.mjs'
import { finish, say, SetUpError } from './lib/talk.mjs'

const WORDS = {
  built: 'built',
  present: 'up to date',
  failed: "could not be built; the compiler's words are above",
  noCompiler: 'not built: there is no C compiler (Debian: apt-get install gcc libc6-dev)',
  otherSystem: 'not built: it is for Linux, and needs the installed packages',
}
const SANITIZE_FLAGS = [
  '-O1',
  '-g',
  '-U_FORTIFY_SOURCE',
  '-fno-omit-frame-pointer',
  '-Werror',
  '-Wconversion',
  '-Wshadow',
]
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']

await finish(async () => {
  await ensureInstalled({ dev: true })
  if (process.argv.includes('--asan')) return runSanitized(process.argv.slice(2).filter((word) => word !== '--asan'))
  const outcome = await ensureNative({ isLoud: true })
  say(`the receiver in C is ${WORDS[outcome]}`)
  return outcome === 'built' || outcome === 'present' ? 0 : 1
})

/** Node itself is not built with the sanitizer, so its library has to be there before everything else. */
async function runSanitized(args) {
  const compiler = findCompiler()
  if (compiler === undefined) throw new SetUpError('native-no-compiler', WORDS.noCompiler, 'Install it and try again.')
  const file = join(NATIVE_MODULE, '..', 'batch-receive-asan.node')
  const { exitCode, output } = await compile(compiler, [...COMPILE_FLAGS, ...SANITIZE_FLAGS, ...SANITIZERS], file)
  process.stderr.write(output)
  if (exitCode !== 0)
    throw new SetUpError('native-not-sanitized', 'The compiler has no sanitizers.', 'Try gcc or clang.')
  const libraries = await Promise.all(
    ['libasan.so', 'libubsan.so'].map((name) => runQuietly(compiler, [`-print-file-name=${name}`])),
  )
  const env = {
    ...process.env,
    LD_PRELOAD: libraries.map((library) => library.output.trim()).join(' '),
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  }
  return runToEnd(PINNED_NODE, ['--expose-gc', join(ROOT, 'test', 'fuzz', 'native.ts'), file, ...args], { env })
}
