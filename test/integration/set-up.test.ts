import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NODE_FLAGS } from '../../bin/lib/paths.mjs'
import { eventually } from '../support/daemon.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

/** A checkout with nothing but the scripts, the lock and a `main.ts` that tells what it was started with. */
let checkout: string

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'earwitness-set-up-'))
  cpSync(join(ROOT, 'bin'), join(checkout, 'bin'), { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(ROOT, file), join(checkout, file))
  mkdirSync(join(checkout, 'src'))
  writeMain(
    'const { version, execArgv: flags, argv } = process; process.stdout.write(JSON.stringify({ version, flags, args: argv.slice(2) }))',
  )
})

afterEach(() => {
  rmSync(checkout, { recursive: true })
})

function writeMain(body: string): void {
  writeFileSync(join(checkout, 'src', 'main.ts'), `const nothing: undefined = undefined\nvoid nothing\n${body}\n`)
}

/** As npm leaves it: its note of what is installed, and the pinned Node. */
function installPackages(): void {
  const modules = join(checkout, 'node_modules')
  mkdirSync(join(modules, 'node', 'bin'), { recursive: true })
  cpSync(join(ROOT, 'package-lock.json'), join(modules, '.package-lock.json'))
  symlinkSync(join(ROOT, 'node_modules', 'node', 'bin', 'node'), join(modules, 'node', 'bin', 'node'))
}

/** Runs a script of bin/ with no npm, no apt and no other program in reach. */
async function runWithoutPrograms(script: string, ...args: string[]) {
  const file = join(checkout, 'bin', script)
  try {
    const { stdout, stderr } = await run(process.execPath, [file, ...args], { env: { PATH: '' }, cwd: checkout })
    return { exitCode: 0, stdout, stderr }
  } catch (error) {
    const failed = error as { readonly code: number; readonly stdout: string; readonly stderr: string }
    return { exitCode: failed.code, stdout: failed.stdout, stderr: failed.stderr }
  }
}

const PINNED = `v${pinnedVersion()}`

function pinnedVersion(): string {
  const text = readFileSync(join(ROOT, 'package.json'), 'utf8')
  return (JSON.parse(text) as { readonly dependencies: { readonly node: string } }).dependencies.node
}

describe('with packages installed as locked', () => {
  beforeEach(installPackages)

  test('npx earwitness runs TypeScript under the pinned Node, without npm and without a word of its own', async () => {
    const { exitCode, stdout, stderr } = await runWithoutPrograms('earwitness.mjs', 'verify', '--json')
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ version: PINNED, flags: NODE_FLAGS, args: ['verify', '--json'] })
  })

  test('npm start serves, and passes further arguments on', async () => {
    const { stdout } = await runWithoutPrograms('start.mjs', '--config', 'x.yaml')
    expect(JSON.parse(stdout)).toEqual({ version: PINNED, flags: NODE_FLAGS, args: ['serve', '--config', 'x.yaml'] })
  })

  test('the exit code is that of the command', async () => {
    writeMain('process.exitCode = 3')
    expect(await runWithoutPrograms('earwitness.mjs')).toMatchObject({ exitCode: 3 })
  })

  test('the next start trusts the stamp of the first', async () => {
    await runWithoutPrograms('start.mjs')
    rmSync(join(checkout, 'node_modules', '.package-lock.json'))
    expect(await runWithoutPrograms('start.mjs')).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('a changed lock is noticed', async () => {
    await runWithoutPrograms('start.mjs')
    const lock = join(checkout, 'package-lock.json')
    writeFileSync(lock, readFileSync(lock, 'utf8').replaceAll(/"version": "\d+\./g, '"version": "999.'))
    expect(await runWithoutPrograms('start.mjs')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('set-up-no-npm') as string,
    })
  })

  test('npm test names the programs that are missing and what to type, and runs nothing', async () => {
    const { exitCode, stdout, stderr } = await runWithoutPrograms('test.mjs')
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toContain('sipp, ffmpeg, ffprobe, age, openssl')
    expect(stderr).toContain('hint: On Debian or Ubuntu type: sudo apt-get install sip-tester ffmpeg age openssl')
  })
})

describe('the receiver in C', () => {
  /** What stands for a compiler: it notes that it was run and writes what it was asked for, or refuses. */
  function installCompiler(body: string): string {
    const folder = join(checkout, 'programs')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'cc'), `#!/bin/sh\necho run >> '${join(checkout, 'runs')}'\n${body}\n`, { mode: 0o755 })
    return folder
  }

  async function start(path: string): Promise<string> {
    const file = join(checkout, 'bin', 'start.mjs')
    const { stderr } = await run(process.execPath, [file], { env: { PATH: path }, cwd: checkout })
    return stderr
  }

  const source = (): string => join(checkout, 'src', 'native', 'batch-receive.c')
  const runs = (): number => readFileSync(join(checkout, 'runs'), 'utf8').split('run').length - 1
  const isBuilt = (): boolean => existsSync(join(checkout, 'node_modules', '.earwitness', 'batch-receive.node'))

  beforeEach(() => {
    installPackages()
    const copied = ['node_modules/node/package.json', 'node_modules/node-api-headers/include', 'src/native']
    for (const path of copied) cpSync(join(ROOT, path), join(checkout, path), { recursive: true })
  })

  test('is built once where there is a compiler, and again when its source has changed', async () => {
    const path = installCompiler('while [ $# -gt 0 ]; do [ "$1" = -o ] && echo module > "$2"; shift; done; exit 0')
    expect(await start(path)).toBe('')
    expect({ built: isBuilt(), runs: runs() }).toEqual({ built: true, runs: 1 })
    await start(path)
    expect(runs()).toBe(1)
    writeFileSync(source(), '/* changed */')
    await start(path)
    expect(runs()).toBe(2)
  })

  test('that a compiler refuses is said once and tried once, and everything starts without it', async () => {
    const path = installCompiler('exit 1')
    expect(await start(path)).toContain('could not be built')
    expect(await start(path)).toBe('')
    expect({ built: isBuilt(), runs: runs() }).toEqual({ built: false, runs: 1 })
  })

  test('is left out in silence where there is no compiler', async () => {
    expect(await start('')).toBe('')
    expect(isBuilt()).toBe(false)
  })
})

describe('with nothing installed', () => {
  test('and no npm, it says what is needed and leaves nothing behind', async () => {
    const { exitCode, stderr } = await runWithoutPrograms('start.mjs')
    expect(exitCode).toBe(1)
    expect(stderr).toContain('npm is needed to install the packages')
    expect(stderr).toContain('hint: ')
    expect(existsSync(join(checkout, '.installing'))).toBe(false)
  })

  test('an installation that another process left half-done does not block this one', async () => {
    const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
    await once(gone, 'exit')
    writeFileSync(join(checkout, '.installing'), String(gone.pid))
    expect(await runWithoutPrograms('start.mjs')).toMatchObject({
      stderr: expect.stringContaining('set-up-no-npm') as string,
    })
  })
})

describe('signals', () => {
  beforeEach(installPackages)

  const DAEMON = `
    import { appendFileSync } from 'node:fs'
    const seen = []
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {
      seen.push(signal)
      appendFileSync('stopped', signal + ' ')
      setTimeout(() => { console.log('stopped by ' + seen.join()); process.exit(5) }, 200)
    })
    setTimeout(() => process.exit(9), 60_000)
    console.log('ready')`

  async function startDaemon(
    command: string,
    args: readonly string[],
  ): Promise<{ child: ChildProcess; lines: string[] }> {
    writeMain(DAEMON)
    const child = spawn(command, args, { cwd: checkout, stdio: ['ignore', 'pipe', 'inherit'] })
    const lines: string[] = []
    const reader = createInterface({ input: child.stdout })
    await new Promise<void>((resolve) => {
      reader.on('line', (raw) => {
        const line = raw.trim()
        lines.push(line)
        if (line === 'ready') resolve()
      })
    })
    return { child, lines }
  }

  test.each([
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGINT'],
    ['SIGHUP', 'SIGHUP'],
  ] as const)('%s reaches the daemon as %s, whose exit code is kept', async (sent, received) => {
    const { child, lines } = await startDaemon(process.execPath, ['bin/start.mjs'])
    child.kill(sent)
    const [exitCode] = await once(child, 'close')
    expect({ exitCode, lines }).toEqual({ exitCode: 5, lines: ['ready', `stopped by ${received}`] })
  })

  test.each([
    ['serve', 'SIGHUP'],
    ['simulate', 'SIGTERM'],
  ])('SIGHUP to npx earwitness %s is passed on as %s', async (command, received) => {
    const { child, lines } = await startDaemon(process.execPath, ['bin/earwitness.mjs', command])
    child.kill('SIGHUP')
    await once(child, 'close')
    expect(lines).toEqual(['ready', `stopped by ${received}`])
  })

  test('a terminal that is closed asks the daemon to stop', async () => {
    const command = `${process.execPath} bin/start.mjs`
    // The program script gives its command a terminal, which is gone when script is killed.
    const { child } = await startDaemon('script', ['--quiet', '--flush', '--command', command, '/dev/null'])
    child.kill('SIGKILL')
    const stopped = join(checkout, 'stopped')
    const told = await eventually('the daemon to be asked', async () =>
      existsSync(stopped) && readFileSync(stopped, 'utf8').includes('SIGTERM')
        ? readFileSync(stopped, 'utf8')
        : undefined,
    )
    expect(told).toContain('SIGTERM')
  })

  test('the same signal by two ways at once reaches the daemon once', async () => {
    const { child, lines } = await startDaemon(process.execPath, ['bin/start.mjs'])
    child.kill('SIGTERM')
    child.kill('SIGTERM')
    await once(child, 'close')
    expect(lines).toEqual(['ready', 'stopped by SIGTERM'])
  })

  test('SIGTERM to npm start reaches the daemon, and npm waits for it', async () => {
    const { child, lines } = await startDaemon('npm', ['--silent', 'start'])
    child.kill('SIGTERM')
    const [exitCode] = await once(child, 'close')
    expect({ exitCode, lines }).toEqual({ exitCode: 5, lines: ['ready', 'stopped by SIGTERM'] })
  })
})

describe('the count of tests that ends .ci/run', () => {
  async function count(report: object | undefined, exitCode: number): Promise<string> {
    const file = join(checkout, 'report.json')
    if (report !== undefined) writeFileSync(file, JSON.stringify(report))
    const { stdout } = await run(process.execPath, [join(ROOT, 'bin/lib/count-tests.mjs'), file, String(exitCode)])
    return stdout.trim()
  }

  const passedRun = { numPassedTests: 7, numFailedTests: 0, numPendingTests: 2, numTodoTests: 0, testResults: [] }
  const failedTest = { status: 'failed', assertionResults: [{ status: 'failed' }] }
  const brokenFile = { status: 'failed', assertionResults: [] }

  test('takes passed, failed and skipped from the report', async () => {
    expect(await count(passedRun, 0)).toBe('7 0 2')
    expect(await count({ ...passedRun, numFailedTests: 1, testResults: [failedTest] }, 1)).toBe('7 1 2')
  })

  test('counts a file that could not be loaded as a failure', async () => {
    expect(await count({ ...passedRun, numFailedTests: 1, testResults: [failedTest, brokenFile] }, 1)).toBe('7 2 2')
  })

  test('counts a crash, an unhandled error, no report and no test at all as a failure', async () => {
    expect(await count(undefined, 139)).toBe('0 1 0')
    expect(await count(passedRun, 1)).toBe('7 1 2')
    expect(await count({ ...passedRun, numPassedTests: 0 }, 0)).toBe('0 1 2')
  })
})
