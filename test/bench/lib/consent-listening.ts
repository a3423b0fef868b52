import { AnnouncementMatcher } from '../../../src/consent/matcher/announcement-matcher.ts'
import type { Finding } from '../../../src/consent/matcher/finding.ts'
import type { Prompt } from '../../../src/consent/matcher/prompt.ts'
import { atSpeechRate, SPEECH_RATE } from '../../support/speech.ts'
import { type ChangedPair, joined } from './consent-material.ts'
import type { Trial } from './consent-trials.ts'
import { type Random, withLoss } from './impairments.ts'
import type { TelephoneChain } from './telephone-chains.ts'

/** A trial, and what the matcher said. */
export interface Heard {
  readonly trial: Omit<Trial, 'samples'>
  /** Samples of the findings at 8 kHz. */
  readonly findings: readonly Finding[]
  /** Of a changed prompt: what is found when both are listened for. */
  readonly withBoth: readonly Finding[]
}

/** Trials that go through a codec in one go. */
const BATCH = 40
const PAUSE_SAMPLES = SPEECH_RATE / 2
/** Blocks in which the matcher gets its audio: odd on purpose. */
const PUSH_SAMPLES = 733
const WINDOW_MS = 600_000

interface Ways {
  readonly chains: readonly TelephoneChain[]
  readonly random: Random
  readonly pairs: readonly ChangedPair[]
}

/** Makes the trials, sends them through their codecs, loses packets, and listens. */
export async function listen(indexes: readonly number[], make: (index: number) => Trial, ways: Ways): Promise<Heard[]> {
  const all: Heard[] = []
  for (let from = 0; from < indexes.length; from += BATCH * ways.chains.length) {
    const trials = indexes.slice(from, from + BATCH * ways.chains.length).map(make)
    // the codecs side by side; what draws random numbers in its order
    const sent = await Promise.all(
      ways.chains.map((way, chain) =>
        send(
          way,
          trials.filter((trial) => trial.chain === chain),
        ),
      ),
    )
    for (const channels of sent) all.push(...listenTo(channels, ways))
  }
  return all
}

interface Sent {
  readonly way: TelephoneChain
  readonly trials: readonly Trial[]
  readonly heard: Int16Array
}

async function send(way: TelephoneChain, trials: readonly Trial[]): Promise<Sent> {
  const pause = new Int16Array(PAUSE_SAMPLES)
  const samples = joined(trials.flatMap((trial) => [trial.samples, pause]))
  return { way, trials, heard: samples.length === 0 ? samples : await way.send(samples) }
}

function listenTo({ way, trials, heard: sent }: Sent, { random, pairs }: Ways): Heard[] {
  const factor = way.sampleRate / SPEECH_RATE
  let at = 0
  return trials.map(({ samples, ...trial }) => {
    const heard = sent.subarray(at * factor, (at + samples.length) * factor)
    at += samples.length + PAUSE_SAMPLES
    const audio = atSpeechRate(withLoss(heard, way.sampleRate, { share: trial.lossShare, random }), way.sampleRate)
    const pair = pairs.find(({ changed }) => changed.prompt === trial.played)
    const both = pair === undefined ? [] : [pair.registered.prompt, pair.changed.prompt]
    return { trial, findings: findIn(audio, trial.prompts), withBoth: findIn(audio, both) }
  })
}

function findIn(audio: Int16Array, prompts: readonly Prompt[]): readonly Finding[] {
  const matcher = new AnnouncementMatcher({ prompts, windowMs: WINDOW_MS })
  for (let at = 0; at < audio.length; at += PUSH_SAMPLES) matcher.push(audio.subarray(at, at + PUSH_SAMPLES))
  matcher.finish()
  return matcher.takeFindings()
}
