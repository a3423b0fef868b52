import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, describe, expect, it, vi } from 'vitest'

import {
  CommandTranscriber,
  NO_TRANSCRIPTIONS,
  OUTPUT_BYTES_MAX,
  WAITING_MAX,
} from '../../../../src/server/media/command-transcriber.ts'

const SAMPLES = Int16Array.from({ length: 8_000 }, (_, index) => index - 4_000)
let transcriber: CommandTranscriber

/** A program of Node that runs this. */
function program(source: string, timeoutMs = 60_000): CommandTranscriber {
  transcriber = new CommandTranscriber({ command: [process.execPath, '-e', source], timeoutMs })
  return transcriber
}

const words = (samples = SAMPLES.slice()): Promise<string | undefined> =>
  new Promise((resolve) => void transcriber.transcribe(samples, resolve))

afterEach(() => {
  transcriber.stop()
  vi.unstubAllEnvs()
})

/** Seconds that nothing else sleeps. */
const markOf = (): string => `3600.${randomInt(1_000_000_000)}`

async function expectGone(mark: string): Promise<void> {
  await expect.poll(() => running(mark), { timeout: 60_000, interval: 100 }).toEqual([])
}

function running(mark: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(`sleep\0${mark}`))
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

describe('a program that makes words of speech', () => {
  it('gets a WAV file, says the words, and is not told the secrets of the recorder', async () => {
    vi.stubEnv('EARWITNESS_DATABASE_URL', 'postgres://secret')
    program(`
      const bytes = require('node:fs').readFileSync(0)
      console.log(bytes.subarray(0, 4) + ' ' + bytes.length + ' ' + bytes.readUInt32LE(24) + ' ' + bytes.readInt16LE(44))
      console.log(Object.keys(process.env).filter((name) => name.startsWith('EARWITNESS')).length)`)
    expect(await words()).toBe('RIFF 16044 8000 -4000\n0\n')
    expect(transcriber.counts).toEqual({ ...NO_TRANSCRIPTIONS, told: 1 })
  })

  it('that fails, or is not there, tells nothing', async () => {
    program('console.log("yes"); process.exitCode = 3')
    expect([await words(), transcriber.counts.failed]).toEqual([undefined, 1])
    transcriber = new CommandTranscriber({ command: ['/nowhere/transcribe'], timeoutMs: 60_000 })
    expect([await words(), transcriber.counts.failed]).toEqual([undefined, 1])
  })

  it('that does not end is ended', async () => {
    program('setInterval(() => {}, 1000)', 300)
    expect([await words(), transcriber.counts]).toMatchObject([undefined, { tooLate: 1 }])
  })

  it.each([['/etc/passwd/x'], [''], ['x\0y']])(
    'that cannot be started (%j) fails, and those behind it as well',
    async (command) => {
      transcriber = new CommandTranscriber({ command: [command], timeoutMs: 60_000 })
      expect(await Promise.all([words(), words(), words(), words()])).toEqual(Array(4).fill(undefined))
      expect(transcriber.counts.failed).toBe(4)
    },
  )

  it('that hangs is ended with its children, and gives its place to the next', async () => {
    const mark = markOf()
    transcriber = new CommandTranscriber({ command: ['sh', '-c', `sleep ${mark} | cat`], timeoutMs: 300 })
    expect(await Promise.all([words(), words(), words()])).toEqual(Array(3).fill(undefined))
    expect(transcriber.counts.tooLate).toBe(3)
    await expectGone(mark)
  })

  // The recorder's own patience is longer than a kill may take: whatever ends the program, that did not.
  it(
    'that hangs ends by itself, with its children, when the recorder is killed',
    { timeout: 120_000 },
    async ({ onTestFinished }) => {
      const mark = markOf()
      const module = join(import.meta.dirname, '../../../../src/server/media/command-transcriber.ts')
      const recorder = spawn(process.execPath, [
        '-e',
        `import(${JSON.stringify(module)}).then(({ CommandTranscriber }) =>
        new CommandTranscriber({ command: ['sh', '-c', 'sleep ${mark} | cat'], timeoutMs: 10_000 }).transcribe(new Int16Array(800), () => {}))
      setInterval(() => {}, 1000)`,
      ])
      onTestFinished(() => void recorder.kill('SIGKILL'))
      await expect.poll(() => running(mark).length, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0)
      recorder.kill('SIGKILL')
      await once(recorder, 'exit')
      await expectGone(mark)
    },
  )

  it('that ends leaves no children behind', async () => {
    const mark = markOf()
    const command = ['sh', '-c', `sleep ${mark} >/dev/null 2>&1 & echo yes`]
    transcriber = new CommandTranscriber({ command, timeoutMs: 60_000 })
    expect(await words()).toBe('yes\n')
    await expectGone(mark)
  })

  it('is taken back, at work or waiting, and nothing is told then', async () => {
    program('setInterval(() => {}, 1000)')
    const told: unknown[] = []
    const orders = Array.from({ length: 4 }, () => SAMPLES.slice())
    const takeBack = orders.map((samples) => transcriber.transcribe(samples, (said) => told.push(said)))
    await Promise.resolve()
    for (const each of takeBack) each()
    transcriber = new CommandTranscriber({ command: ['echo', 'yes'], timeoutMs: 60_000 })
    expect(await words()).toBe('yes\n')
    expect([told, orders.every((samples) => samples.every((sample) => sample === 0))]).toEqual([[], true])
  })

  it('that reads nothing is heard all the same, and one that says too much has failed', async () => {
    program('console.log("no")')
    expect(await words(new Int16Array(2_000_000))).toBe('no\n')
    program(`process.stdout.write("y".repeat(${OUTPUT_BYTES_MAX}))`)
    expect((await words())?.length).toBe(OUTPUT_BYTES_MAX)
    // At once: it would write for ever.
    transcriber = new CommandTranscriber({ command: ['yes'], timeoutMs: 3_600_000 })
    expect([await words(), transcriber.counts.failed]).toEqual([undefined, 1])
  })

  it('has two at work and a bounded number waiting; those beyond are counted', async () => {
    program('require("node:fs").readFileSync(0); console.log("yes")')
    const all = Array.from({ length: 2 + WAITING_MAX + 3 }, () => words())
    expect((await Promise.all(all)).filter((said) => said === undefined)).toHaveLength(3)
    expect(transcriber.counts).toEqual({ ...NO_TRANSCRIPTIONS, told: 2 + WAITING_MAX, tooMany: 3 })
  })

  it('is ended with the recorder, and whoever waits for it is told', async () => {
    program('setInterval(() => {}, 1000)')
    const all = [words(), words(), words(), words()]
    transcriber.stop()
    expect(await Promise.all(all)).toEqual([undefined, undefined, undefined, undefined])
  })
})
