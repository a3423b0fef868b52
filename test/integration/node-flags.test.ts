import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { expect, onTestFinished, test } from 'vitest'

import { NODE_FLAGS } from '../../bin/lib/paths.mjs'
import { makeDataDir, removeDataDir, startDaemon } from '../support/daemon.ts'

const run = promisify(execFile)
const KEEPS_CODE = '--no-wasm-code-gc'
const OTHER_FLAGS = NODE_FLAGS.filter((flag) => flag !== KEEPS_CODE)
const HOST = new URL('../../src/server/media/recording-host.ts', import.meta.url).href
/** Threads that load what a media worker loads, one behind the other, as where one is replaced. */
const PROGRAM = `
  const { Worker } = require('node:worker_threads')
  const { once } = require('node:events')
  const load = async () => { for (let thread = 0; thread < 6; thread++) await once(new Worker("import('${HOST}')", { eval: true }), 'exit') }
  load().then(() => console.log('loaded'))`

async function told(flags: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [...flags, '--trace-wasm-code-gc', '-e', PROGRAM])
  expect(stdout).toContain('loaded')
  return stdout
}

// Freeing it ended the process in one of some hundred starts of a thread: that cannot be waited for. That V8 frees none can be seen.
test('code of WebAssembly is never freed while the recorder runs, and would be without its flag', async () => {
  expect(NODE_FLAGS).toContain(KEEPS_CODE)
  expect(await told(NODE_FLAGS)).not.toContain('wasm-gc')
  expect(await told(OTHER_FLAGS)).toContain('wasm-gc')
})

test.each([
  ['says so', OTHER_FLAGS, true],
  ['has nothing to say', NODE_FLAGS, false],
] as const)('a recorder whose Node was started with or without it %s', async (_, flags, says) => {
  const dataDir = await makeDataDir()
  onTestFinished(() => removeDataDir(dataDir))
  const daemon = await startDaemon(dataDir, {}, flags)
  await daemon.stop()
  expect(daemon.log().includes('"code":"node-flag-missing"')).toBe(says)
})
