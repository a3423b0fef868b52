import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { loadNativeAddon, type NativeAddon } from '../../src/server/media/native-addon.ts'
import { fuzzAddon } from '../support/native-fuzz.ts'

/** The module in C from outside: bad arguments, threads that end, other builds of it. Needs a C compiler, which `npm test` installs. */
const ROOT = join(import.meta.dirname, '..', '..')
const HEADERS = join(ROOT, 'node_modules', 'node-api-headers', 'include')
const SOURCE = join(ROOT, 'src', 'native', 'batch-receive.c')
const run = promisify(execFile)

let folder: string
let addon: NativeAddon

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-native-'))
  const loaded = loadNativeAddon()
  if (!loaded.ok) throw new Error(`the module is ${loaded.reason}: npm run native`)
  addon = loaded.value
})

afterAll(() => rmSync(folder, { recursive: true }))

test('a thread that is ended leaves no descriptor open', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const addon = require(workerData)
    globalThis.kept = addon.createReceiver(16, 64)
    for (let opened = 0; opened < 50; opened += 1) {
      if (addon.openSocket(kept, '127.0.0.1', 0, 0) < 0) throw new Error('not opened')
    }
    parentPort.postMessage('open')
    setInterval(() => {}, 1000)`
  const file = join(ROOT, 'node_modules', '.earwitness', 'batch-receive.node')
  const open = (): number => readdirSync('/proc/self/fd').length
  const worker = new Worker(code, { eval: true, workerData: file })
  await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const during = open()
  await worker.terminate()
  expect(open()).toBeLessThanOrEqual(during - 50)
})

test('every call with arguments of any kind gives a number or a receiver, or says what is wrong', () => {
  const taken = fuzzAddon(addon, { seed: 20_261_129, calls: 2_000 })
  expect(taken).toBeGreaterThan(50)
})

test('a module that is missing, damaged or of another contract is not used, and it is said why', async () => {
  const flags = ['-std=c11', '-fPIC', '-shared', `-I${HEADERS}`, '-DABI=99']
  await run('cc', [...flags, SOURCE, '-o', join(folder, 'other.node')])
  writeFileSync(join(folder, 'damaged.node'), 'this is no module')
  const reasons = ['missing.node', 'damaged.node', 'other.node'].map((name) => {
    const loaded = loadNativeAddon(join(folder, name))
    return loaded.ok ? 'loaded' : loaded.reason
  })
  expect(reasons).toEqual(['absent', 'unloadable', 'otherVersion'])
})

test('setting the wall clock moves no arrival', async () => {
  const program = join(folder, 'clock-steps')
  const sanitize = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined']
  // Leaves out what calls Node, so that the program can be linked without it.
  const sections = ['-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections']
  const source = join(ROOT, 'test', 'support', 'native', 'clock-steps.c')
  await run('cc', ['-std=c11', ...sanitize, ...sections, `-I${HEADERS}`, source, '-o', program])
  const { stdout } = await run(program).catch((error: { readonly stdout: string }) => error)
  expect(stdout).toBe('')
})

test('it runs clean under AddressSanitizer and UBSan', async () => {
  const { stderr } = await run(
    'node',
    [join(ROOT, 'bin', 'native.mjs'), '--asan', '--calls', '500', '--rounds', '10'],
    { cwd: ROOT },
  )
  expect(stderr).toMatch(/500 calls .*\n\d+ datagrams received\n4 threads ended/u)
})
