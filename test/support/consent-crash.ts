import { watch } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Random } from '../../src/cli/simulate/random.ts'
import { readWav, writeWav } from '../../src/media/wav.ts'
import { KeysSeen } from './consent-crash-keys.ts'
import { BEHAVIOURS, lookAtDisk, lookAtRecordings, type Answered, type Behaviour } from './consent-crash-look.ts'
import { killAndRestart, placed } from './crash.ts'
import { startDaemon, type DaemonEnvironment, type RunningDaemon } from './daemon.ts'
import { pressedKeys } from './dtmf.ts'
import { liveRecordingSessions } from './probes.ts'
import { RawSrc, type RawRecordingSession } from './raw-src.ts'
import { shippedSpeech } from './recorded.ts'

const RATE = 8_000
const PROMPT_SAMPLES = 2.5 * RATE
const KEYS_AT_SAMPLE = PROMPT_SAMPLES + 0.6 * RATE
const SPEECH_AT_SAMPLE = KEYS_AT_SAMPLE + 0.4 * RATE
/** Of one recording: longer than any that is killed. */
const SPOKEN_SAMPLES = 14 * RATE
/** The first to the last call, so that they are killed at different moments of their own. */
const SPREAD_MS = 3_000
const FIRST_MS = 800
const LAST_MS = 9_500
const SHIPPED = join(import.meta.dirname, '..', '..', 'config', 'prompts', 'recording-consent.en.wav')

/** What the recorder is killed at, or soon after. */
const MOMENTS = ['anyTime', 'withdrawalAnswered', 'heldKeyGone', 'shredWanted'] as const
/** At most, behind the moment; at `anyTime` there is none. */
const BEHIND_MS_MAX = 25
/** Of the recorder that takes over, after it is ready: then what was left open is closed. */
const AGAIN_MS_MAX = 500

/** What became of the calls under one kill. */
export interface ConsentCrash {
  readonly moment: (typeof MOMENTS)[number]
  readonly killedAfterMs: number
  /** The recorder that took over was killed as well. */
  readonly isKilledTwice: boolean
  /** How many recordings there are of each consent state and what became of what they held, as `agreed/kept`. */
  readonly ended: Readonly<Record<string, number>>
  readonly faults: readonly string[]
}

interface Call {
  readonly behaviour: Behaviour
  readonly afterMs: number
  readonly withdrawsAfterMs: number
}

/**
 * Kills a recorder at random moments under calls whose parties agree, are silent, refuse and withdraw, under the strictest policy there is: what is said before consent is held, and is
 * destroyed without it; after a no or a withdrawal nothing is kept at all. Then it asks every recording what has become of it.
 */
export class ConsentCrashes {
  readonly #environment: DaemonEnvironment
  readonly #prompt: Int16Array
  readonly #keys = new KeysSeen()
  #daemon: RunningDaemon

  private constructor(daemon: RunningDaemon, environment: DaemonEnvironment, prompt: Int16Array) {
    this.#daemon = daemon
    this.#environment = environment
    this.#prompt = prompt
  }

  static async start(dataDir: string): Promise<ConsentCrashes> {
    const folder = join(dataDir, 'test-prompts')
    const prompt = await shortPrompt(folder)
    const environment = consentEnvironment(folder)
    // They are watched from the beginning.
    for (const name of ['held', 'shred-wanted']) await mkdir(join(dataDir, name), { recursive: true })
    return new ConsentCrashes(await startDaemon(dataDir, environment), environment, prompt)
  }

  async stop(): Promise<void> {
    await this.#daemon.stop()
  }

  /** The same numbers from `random` make the same calls, moment and second kill. */
  async crash(random: Random, callCount: number): Promise<ConsentCrash> {
    const calls = plannedCalls(random, callCount)
    const moment = MOMENTS[Math.floor(random() * MOMENTS.length)] ?? 'anyTime'
    const anyTimeMs = FIRST_MS + random() * (LAST_MS - FIRST_MS)
    const behindMs = random() * BEHIND_MS_MAX
    const againAfterMs = random() < 0.5 ? random() * AGAIN_MS_MAX : undefined
    const first = this.#daemon
    const under = new CallsUnderWay(first, this.#prompt, this.#keys)
    const startedMs = performance.now()
    const begun = under.begin(calls)
    // It is awaited when the recorder is gone.
    begun.catch(() => {})
    await Promise.race([sleep(moment === 'anyTime' ? anyTimeMs : LAST_MS), under.reached(moment)])
    if (moment !== 'anyTime') await sleep(behindMs)
    const killedAfterMs = performance.now() - startedMs
    let left: Awaited<ReturnType<typeof lookAtDisk>> = new Map()
    const { daemon } = await killAndRestart(first, {
      environment: this.#environment,
      againAfterMs,
      killed: async () => {
        await Promise.all([first.ended, under.end(), begun])
        left = await lookAtDisk(first, under.answered)
      },
    })
    this.#daemon = daemon
    const { ended, faults } = await lookAtRecordings(daemon, left, { answered: under.answered, keys: this.#keys })
    return { moment, killedAfterMs, isKilledTwice: againAfterMs !== undefined, ended, faults }
  }
}

/** Calls of one run, until the recorder is gone. */
class CallsUnderWay {
  readonly answered: Answered[] = []
  readonly #daemon: RunningDaemon
  readonly #prompt: Int16Array
  readonly #keys: KeysSeen
  readonly #over = new AbortController()
  readonly #isOver: Promise<void>
  readonly #sessions: RawRecordingSession[] = []
  readonly #spoken: Promise<unknown>[] = []
  readonly #withdrawalAnswered = Promise.withResolvers<void>()
  readonly #rsIds = new Set<string>()

  constructor(daemon: RunningDaemon, prompt: Int16Array, keys: KeysSeen) {
    this.#daemon = daemon
    this.#prompt = prompt
    this.#keys = keys
    this.#isOver = new Promise((resolve) => this.#over.signal.addEventListener('abort', () => resolve()))
    this.#keys.watchHeld(daemon.dataDir, this.#over.signal)
  }

  /** Resolves when the last of them is placed, or they are over. */
  async begin(calls: readonly Call[]): Promise<void> {
    const src = await RawSrc.open(this.#daemon.sipUdpPort)
    const startedMs = performance.now()
    const rest: Promise<unknown>[] = []
    for (const call of calls) {
      await this.#wait(call.afterMs - (performance.now() - startedMs))
      if (this.#over.signal.aborted) break
      const begun = await this.#whileThere(this.#place(src, call))
      if (begun !== undefined) rest.push(this.#whileThere(this.#behave(begun, call)))
    }
    await Promise.all(rest)
    src.close()
  }

  /** Resolves at the moment; perhaps never. */
  reached(moment: (typeof MOMENTS)[number]): Promise<void> {
    if (moment === 'withdrawalAnswered') return this.#withdrawalAnswered.promise
    const folder = moment === 'heldKeyGone' ? 'held' : 'shred-wanted'
    return new Promise((resolve) => {
      if (moment === 'anyTime') return
      const root = join(this.#daemon.dataDir, folder)
      watch(root, { recursive: true, signal: this.#over.signal }, (_event, name) => {
        if (name === null || name.includes('.new')) return
        if (moment === 'shredWanted') resolve()
        else readFile(join(root, name)).catch(() => resolve())
      })
    })
  }

  /** The recorder is gone. */
  async end(): Promise<void> {
    this.#over.abort()
    for (const session of this.#sessions) session.fallSilent()
    await Promise.all(this.#spoken)
  }

  async #place(src: RawSrc, { behaviour }: Call): Promise<{ session: RawRecordingSession; answered: Answered }> {
    const session = await placed(src)
    this.#sessions.push(session)
    const sides = await this.#sides(behaviour)
    this.#spoken.push(...sides.map((samples, stream) => session.speak(stream, samples)))
    const live = (await liveRecordingSessions(this.#daemon)).find(({ rsId }) => !this.#rsIds.has(rsId))
    if (live === undefined) throw new Error('a call that was answered is not under way')
    this.#rsIds.add(live.rsId)
    const { recordingId, rsId } = live
    const answered: Answered = { recordingId, rsId, behaviour, isWithdrawn: false }
    if (await this.#keys.note(this.#daemon.dataDir, recordingId, this.#over.signal)) this.answered.push(answered)
    return { session, answered }
  }

  async #behave(
    { session, answered }: { readonly session: RawRecordingSession; readonly answered: Answered },
    { behaviour, withdrawsAfterMs }: Call,
  ): Promise<void> {
    if (behaviour !== 'hungUp' && behaviour !== 'withdrawn') return
    await this.#wait(withdrawsAfterMs)
    if (behaviour === 'hungUp') {
      await session.hangUp()
      return
    }
    const { status } = await fetch(`${this.#daemon.http}/api/v1/recording-sessions/${answered.rsId}/consent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"answer":"withdrawn"}',
    })
    answered.isWithdrawn = status === 200
    if (answered.isWithdrawn) this.#withdrawalAnswered.resolve()
  }

  /** The announcement on the first stream, keys after it, and speech behind. */
  async #sides(behaviour: Behaviour): Promise<readonly [Int16Array, Int16Array]> {
    const [caller, callee] = await shippedSpeech()
    const [one, other] = [side(caller), side(callee)]
    if (behaviour !== 'silent') one.set(this.#prompt)
    const key = behaviour === 'refused' ? '2' : behaviour === 'silent' || behaviour === 'announced' ? undefined : '1'
    if (key === undefined) return [one, other]
    const { samples } = pressedKeys({ digits: key, onMs: 120, offMs: 80, leadMs: 0 })
    one.set(samples, KEYS_AT_SAMPLE)
    if (behaviour !== 'half') other.set(samples, KEYS_AT_SAMPLE)
    return [one, other]
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => {})
  }

  /** Undefined when the recorder was gone first: what was asked of it has no answer. */
  async #whileThere<Value>(asked: Promise<Value>): Promise<Value | undefined> {
    return Promise.race([
      this.#isOver.then(() => undefined),
      asked.catch((error: unknown) => {
        if (!this.#over.signal.aborted) throw error
        return undefined
      }),
    ])
  }
}

function side(speech: Int16Array): Int16Array {
  const samples = new Int16Array(SPOKEN_SAMPLES)
  samples.set(speech.subarray(0, SPOKEN_SAMPLES - SPEECH_AT_SAMPLE), SPEECH_AT_SAMPLE)
  return samples
}

function plannedCalls(random: Random, count: number): readonly Call[] {
  const offset = Math.floor(random() * BEHAVIOURS.length)
  const calls = Array.from({ length: count }, (_, index) => ({
    behaviour: BEHAVIOURS[(index + offset) % BEHAVIOURS.length] ?? 'silent',
    afterMs: random() * SPREAD_MS,
    withdrawsAfterMs: 2_000 + random() * 4_500,
  }))
  return calls.toSorted((left, right) => left.afterMs - right.afterMs)
}

function consentEnvironment(prompts: string): DaemonEnvironment {
  return {
    EARWITNESS_RECORDING_CHUNK_SECONDS: '2',
    EARWITNESS_ANNOUNCEMENTS_FOLDER: prompts,
    EARWITNESS_ANNOUNCEMENTS_PROMPTS: 'ask',
    EARWITNESS_CONSENT_REQUIRE: 'agreement',
    EARWITNESS_CONSENT_DEADLINE: '5s',
    EARWITNESS_CONSENT_ON_MISSING: 'discard',
    EARWITNESS_CONSENT_ON_REFUSED: 'shred',
    EARWITNESS_CONSENT_ON_WITHDRAWN: 'shred',
    EARWITNESS_CONSENT_HOLD_UNTIL_CONSENT: 'true',
    EARWITNESS_CONSENT_KEYS_YES: '1',
    EARWITNESS_CONSENT_KEYS_NO: '2',
  }
}

/** The question as it is shipped, but short, alone in a folder. */
async function shortPrompt(folder: string): Promise<Int16Array> {
  const wav = readWav(await readFile(SHIPPED))
  if (!wav.ok || wav.value.sampleRate !== RATE) throw new Error('the shipped prompt is not of 8 kHz')
  const samples = (wav.value.channels[0] ?? new Int16Array(0)).subarray(0, PROMPT_SAMPLES)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'ask.en.wav'), writeWav({ sampleRate: RATE, channels: [samples] }))
  const prompts = [{ id: 'ask', version: '1', language: 'en', file: 'ask.en.wav', text: 'A question.', asks: true }]
  // JSON is YAML.
  await writeFile(join(folder, 'index.yaml'), JSON.stringify({ prompts }))
  return samples
}
