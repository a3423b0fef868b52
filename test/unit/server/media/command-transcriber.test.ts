import { afterEach, describe, expect, it } from 'vitest'

import { CommandTranscriber, WAITING_MAX } from '../../../../src/server/media/command-transcriber.ts'

const SAMPLES = Int16Array.from({ length: 8_000 }, (_, index) => index - 4_000)
let transcriber: CommandTranscriber

/** A program of Node that runs this. */
function program(source: string, timeoutMs = 60_000): CommandTranscriber {
  transcriber = new CommandTranscriber({ command: [process.execPath, '-e', source], timeoutMs })
  return transcriber
}

const words = (samples = SAMPLES): Promise<string | undefined> =>
  new Promise((resolve) => transcriber.transcribe(samples, resolve))

afterEach(() => transcriber.stop())

describe('a program that makes words of speech', () => {
  it('gets a WAV file, says the words, and is not told the secrets of the recorder', async () => {
    process.env.EARWITNESS_DATABASE_URL = 'postgres://secret'
    program(`
      const bytes = require('node:fs').readFileSync(0)
      console.log(bytes.subarray(0, 4) + ' ' + bytes.length + ' ' + bytes.readUInt32LE(24) + ' ' + bytes.readInt16LE(44))
      console.log(Object.keys(process.env).filter((name) => name.startsWith('EARWITNESS')).length)`)
    expect(await words()).toBe('RIFF 16044 8000 -4000\n0\n')
    delete process.env.EARWITNESS_DATABASE_URL
    expect(transcriber.counts).toEqual({ told: 1, failed: 0, tooLate: 0, tooMany: 0 })
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

  it('that reads nothing is heard all the same, and one that says much is cut off', async () => {
    program('console.log("no")')
    expect(await words(new Int16Array(2_000_000))).toBe('no\n')
    program('process.stdout.write("yes ".repeat(100000))')
    expect((await words())?.length).toBe(4_096)
  })

  it('has two at work and a bounded number waiting; those beyond are counted', async () => {
    program('require("node:fs").readFileSync(0); console.log("yes")')
    const all = Array.from({ length: 2 + WAITING_MAX + 3 }, () => words())
    expect((await Promise.all(all)).filter((said) => said === undefined)).toHaveLength(3)
    expect(transcriber.counts).toEqual({ told: 2 + WAITING_MAX, failed: 0, tooLate: 0, tooMany: 3 })
  })

  it('is ended with the recorder, and whoever waits for it is told', async () => {
    program('setInterval(() => {}, 1000)')
    const all = [words(), words(), words(), words()]
    transcriber.stop()
    expect(await Promise.all(all)).toEqual([undefined, undefined, undefined, undefined])
  })
})
