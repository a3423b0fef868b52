import { type ChildProcess, spawn } from 'node:child_process'

import { writeWav } from '../../media/wav.ts'
import { HEARING_RATE, type Transcriber } from '../../recorder/spoken-answers.ts'

/** A program that makes words of speech. */
export interface TranscriberCommand {
  /** The program, found by `PATH` or by its absolute path, and its arguments. */
  readonly command: readonly string[]
  readonly timeoutMs: number
}

/** `told`: it said something, or that nothing was said. `tooMany`: there were {@link WAITING_MAX} waiting. */
export type TranscriptionOutcome = 'told' | 'failed' | 'tooLate' | 'tooMany'

/** Of one media worker, at a time. */
const RUNNING_MAX = 2
/** Of one media worker. */
export const WAITING_MAX = 16
/** Of what the program says; more is not read. */
const OUTPUT_BYTES_MAX = 4_096
/** The environment holds secrets of the recorder. */
const ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR'] as const

interface Order {
  readonly samples: Int16Array
  readonly done: (words: string | undefined) => void
}

/**
 * Runs a program of the operator's for each answer: it gets a WAV file (8 kHz, 16 bit, mono) on its standard input and writes the words, UTF-8, to its standard output. The one way in which
 * clear audio leaves a media worker besides live listening: by a pipe, never by a disk.
 */
export class CommandTranscriber implements Transcriber {
  readonly #options: TranscriberCommand
  readonly #running = new Set<ChildProcess>()
  readonly #waiting: Order[] = []
  readonly #counts: Record<TranscriptionOutcome, number> = { told: 0, failed: 0, tooLate: 0, tooMany: 0 }

  constructor(options: TranscriberCommand) {
    this.#options = options
  }

  /** Since the start; they only grow. */
  get counts(): Readonly<Record<TranscriptionOutcome, number>> {
    return this.#counts
  }

  transcribe(samples: Int16Array, done: (words: string | undefined) => void): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#counts.tooMany += 1
      done(undefined)
      return
    }
    this.#waiting.push({ samples, done })
    this.#startNext()
  }

  /** Ends what runs; whoever waits is told that it failed. */
  stop(): void {
    for (const { done } of this.#waiting.splice(0)) done(undefined)
    for (const child of this.#running) child.kill('SIGKILL')
  }

  #startNext(): void {
    while (this.#running.size < RUNNING_MAX) {
      const order = this.#waiting.shift()
      if (order === undefined) return
      this.#run(order)
    }
  }

  #run({ samples, done }: Order): void {
    const [program = '', ...args] = this.#options.command
    const env = Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]]))
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'], env })
    this.#running.add(child)
    const said: Buffer[] = []
    let saidBytes = 0
    let isTooLate = false
    const timer = setTimeout(() => {
      isTooLate = true
      child.kill('SIGKILL')
    }, this.#options.timeoutMs)
    const end = (isWell: boolean): void => {
      // After an error `close` comes too, or not.
      if (!this.#running.delete(child)) return
      clearTimeout(timer)
      this.#counts[isWell ? 'told' : isTooLate ? 'tooLate' : 'failed'] += 1
      done(isWell ? Buffer.concat(said).toString('utf8').slice(0, OUTPUT_BYTES_MAX) : undefined)
      this.#startNext()
    }
    child.on('error', () => end(false))
    child.on('close', (code) => end(code === 0))
    child.stdout.on('data', (bytes: Buffer) => {
      if (saidBytes < OUTPUT_BYTES_MAX) said.push(bytes)
      saidBytes += bytes.length
    })
    // One that does not read to the end may still say something.
    child.stdin.on('error', () => {})
    child.stdin.end(writeWav({ sampleRate: HEARING_RATE, channels: [samples] }))
  }
}
