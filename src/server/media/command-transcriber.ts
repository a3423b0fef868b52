import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { writeWav } from '../../media/wav.ts'
import { HEARING_RATE, type Transcriber } from '../../recorder/spoken-answers.ts'

/** A program that makes words of speech. */
export interface TranscriberCommand {
  /** The program, found by `PATH` or by its absolute path, and its arguments. */
  readonly command: readonly string[]
  readonly timeoutMs: number
}

/**
 * `told`: it said something, or that nothing was said. `tooMany`: there were {@link WAITING_MAX} waiting. `takenBack`: the recording ended, or the party answered in another way.
 */
export type TranscriptionOutcome = 'told' | 'failed' | 'tooLate' | 'tooMany' | 'takenBack'

export const NO_TRANSCRIPTIONS: Readonly<Record<TranscriptionOutcome, number>> = {
  ...{ told: 0, failed: 0, tooLate: 0, tooMany: 0, takenBack: 0 },
}
/** Of one media worker, at a time. */
const RUNNING_MAX = 2
/** Of one media worker. */
export const WAITING_MAX = 16
/** Of what the program says: the few words of an answer; one that says more has failed. */
export const OUTPUT_BYTES_MAX = 4_096
/** The environment holds secrets of the recorder. */
const ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR'] as const
/** So much longer than we wait for it, a program ends by itself when nobody is left who would end it. */
const ORPHAN_GRACE_S = 2

interface Order {
  readonly samples: Int16Array
  readonly done: (words: string | undefined) => void
  child: ChildProcess | undefined
  timer: NodeJS.Timeout | undefined
  isOver: boolean
}

/**
 * Runs a program of the operator's for each answer: it gets a WAV file (8 kHz, 16 bit, mono) on its standard input and writes the words, UTF-8, to its standard output. Clear audio
 * leaves the media worker for it: by a pipe, never by a disk. With the program end its children, as those of a shell.
 */
export class CommandTranscriber implements Transcriber {
  readonly #options: TranscriberCommand
  readonly #running = new Set<Order>()
  readonly #waiting: Order[] = []
  readonly #counts = { ...NO_TRANSCRIPTIONS }

  /** The command, under timeout(1) where the system has it: a recorder that is killed can end nothing any more. */
  readonly #command: readonly string[]

  constructor(options: TranscriberCommand) {
    this.#options = options
    const limit = ['timeout', '-s', 'KILL', String(Math.ceil(options.timeoutMs / 1_000) + ORPHAN_GRACE_S)]
    this.#command = isInPath('timeout') ? [...limit, ...options.command] : options.command
  }

  /** Since the start; they only grow. */
  get counts(): Readonly<Record<TranscriptionOutcome, number>> {
    return this.#counts
  }

  transcribe(samples: Int16Array, done: (words: string | undefined) => void): () => void {
    const order: Order = { samples, done, child: undefined, timer: undefined, isOver: false }
    const isRoom = this.#waiting.length + this.#running.size < WAITING_MAX + RUNNING_MAX
    if (isRoom) this.#waiting.push(order)
    // Not before the caller has what takes it back.
    queueMicrotask(() => (isRoom ? this.#startNext() : this.#end(order, 'tooMany')))
    return () => this.#end(order, 'takenBack')
  }

  /** Ends what runs; whoever waits is told that it failed. */
  stop(): void {
    for (const order of [...this.#waiting, ...this.#running]) this.#end(order, 'failed')
  }

  #startNext(): void {
    while (this.#running.size < RUNNING_MAX) {
      const order = this.#waiting.shift()
      if (order === undefined) return
      this.#running.add(order)
      this.#run(order)
    }
  }

  #run(order: Order): void {
    const [program = '', ...args] = this.#command
    const env = Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]]))
    const said: Buffer[] = []
    let saidBytes = 0
    try {
      // A group of its own, so that all of it can be ended.
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'], env, detached: true })
      order.child = child
      child.on('error', () => this.#end(order, 'failed'))
      child.on('exit', () => {
        // What it left behind. Its number is nobody else's while its group has anybody.
        endGroup(child)
        order.child = undefined
      })
      child.on('close', (code) => {
        this.#end(order, code === 0 ? 'told' : 'failed', Buffer.concat(said).toString('utf8'))
      })
      order.timer = setTimeout(() => this.#end(order, 'tooLate'), this.#options.timeoutMs)
      child.stdout.on('data', (bytes: Buffer) => {
        saidBytes += bytes.length
        if (saidBytes <= OUTPUT_BYTES_MAX) said.push(bytes)
        else this.#end(order, 'failed')
      })
      child.stdout.on('error', () => this.#end(order, 'failed'))
      // One that does not read to the end may still say something.
      child.stdin.on('error', () => {})
      child.stdin.end(writeWav({ sampleRate: HEARING_RATE, channels: [order.samples] }))
    } catch {
      // Not every error of a program that cannot be started comes as an event, and without descriptors there are no pipes.
      this.#end(order, 'failed')
    }
  }

  #end(order: Order, outcome: TranscriptionOutcome, words?: string): void {
    if (order.isOver) return
    order.isOver = true
    clearTimeout(order.timer)
    this.#running.delete(order)
    const place = this.#waiting.indexOf(order)
    if (place >= 0) this.#waiting.splice(place, 1)
    if (order.child !== undefined) {
      // Nothing waits for what its children hold of our pipes.
      order.child.stdin?.destroy()
      order.child.stdout?.destroy()
      endGroup(order.child)
    }
    order.samples.fill(0)
    this.#counts[outcome] += 1
    queueMicrotask(() => this.#startNext())
    if (outcome !== 'takenBack') order.done(outcome === 'told' ? words : undefined)
  }
}

function isInPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)))
}

/** The program and its children. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
