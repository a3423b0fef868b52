import type { Prompt } from '../../../src/consent/matcher/prompt.ts'
import { SPEECH_RATE } from '../../support/speech.ts'
import type { Announcement, ChangedPair, Material } from './consent-material.ts'
import { joined } from './consent-material.ts'
import {
  atSpeed,
  decibels,
  gaussian,
  levelOf,
  mixInto,
  noiseOf,
  type NoiseKind,
  pick,
  type Random,
  scaled,
  speechLevel,
  toSamples,
} from './impairments.ts'

/** One channel to be listened to, before it goes through its codec. */
export interface Trial {
  readonly group: 'positive' | 'negative' | 'changed'
  /** What kind of negative, or whose voice. */
  readonly kind: string
  readonly samples: Int16Array
  readonly chain: number
  readonly lossShare: number
  readonly prompts: readonly Prompt[]
  /** What is played, whole or in part, and from which sample on its whole would begin. */
  readonly played: Prompt | undefined
  readonly startSample: number
  readonly sharePlayed: number
  readonly snrDb: number | undefined
  readonly noise: NoiseKind | 'none'
  readonly levelDb: number
  readonly speed: number
  readonly isDoubleTalk: boolean
}

export const SNRS_DB = [0, 5, 10, 15, 20, undefined] as const
const NOISES: readonly NoiseKind[] = ['white', 'pink', 'babble']
/** Root mean square of speech at level 0 dB: -26 dB below full scale, as in ITU-T P.56. */
const SPEECH_LEVEL = 32_768 * 10 ** (-26 / 20)
const PROMPTS_LISTENED_FOR = 10
/** The prompt is found in the middle of this. */
const SECONDS_BEFORE_MAX = 5
const SECONDS_BEHIND_MAX = 3

export interface Course {
  readonly material: Material
  readonly random: Random
  readonly chains: number
}

/** What is played: parts of speech at the level of speech, with places. */
interface Scene {
  readonly body: Float64Array
  readonly before: Float64Array
  readonly behind: Float64Array
}

export function positiveTrial(course: Course, index: number): Trial {
  const { material, random } = course
  const announcement = pick(material.announcements, random)
  const sharePlayed = random() < 0.5 ? 1 : 0.6 + 0.39 * random()
  return playedTrial(course, index, {
    group: 'positive',
    announcement,
    sharePlayed,
    snrDb: SNRS_DB[index % SNRS_DB.length],
  })
}

/** A word is changed: the prompt listened for is the other of the pair; with both, they have to be told apart. */
export function changedTrial(course: Course, index: number): Trial {
  const pair = course.material.pairs[index % course.material.pairs.length] as ChangedPair
  const snrDb = SNRS_DB[Math.floor(index / course.material.pairs.length + index) % SNRS_DB.length]
  const trial = playedTrial(course, index, { group: 'changed', announcement: pair.changed, sharePlayed: 1, snrDb })
  return { ...trial, kind: pair.voice, prompts: [pair.registered.prompt] }
}

function playedTrial(
  course: Course,
  index: number,
  options: {
    readonly group: 'positive' | 'changed'
    readonly announcement: Announcement
    readonly sharePlayed: number
    readonly snrDb: number | undefined
  },
): Trial {
  const { material, random, chains } = course
  const { announcement, sharePlayed, snrDb } = options
  const speed = random() < 0.5 ? 1 : 0.99 + 0.02 * random()
  const whole = scaled(announcement.samples, SPEECH_LEVEL / speechLevel(announcement.samples))
  const length = Math.round(whole.length * sharePlayed)
  const isEndCut = random() < 0.5
  const cut = isEndCut ? 0 : whole.length - length
  const body = atSpeed(whole.subarray(cut, cut + length), speed)
  const isDoubleTalk = options.group === 'positive' && random() < 0.15
  if (isDoubleTalk) {
    const other = pick(material.speech, random)
    const talk = scaled(other.samples, (SPEECH_LEVEL / speechLevel(other.samples)) * decibels(-6 * random()))
    mixInto(body, talk.subarray(0, Math.round(body.length * 0.4)), Math.round(random() * body.length * 0.6))
  }
  const before = surroundings(course, SECONDS_BEFORE_MAX * random())
  const scene = { before, body, behind: surroundings(course, 0.5 + SECONDS_BEHIND_MAX * random()) }
  const levelDb = -12 + 24 * random()
  const noise = snrDb === undefined ? 'none' : pick(NOISES, random)
  return {
    group: options.group,
    kind: announcement.voice,
    samples: played(course, scene, { levelDb, noise, snrDb }),
    chain: index % chains,
    lossShare: random() < 0.5 ? 0 : 0.1 * random(),
    prompts: listenedFor(course, announcement.prompt),
    played: announcement.prompt,
    startSample: before.length - cut / speed,
    sharePlayed,
    snrDb,
    noise,
    levelDb,
    speed,
    isDoubleTalk,
  }
}

function listenedFor({ material, random }: Course, prompt: Prompt): readonly Prompt[] {
  const prompts = new Set([prompt])
  while (prompts.size < PROMPTS_LISTENED_FOR) prompts.add(pick(material.announcements, random).prompt)
  return [...prompts]
}

/** Silence, somebody talking, or a telephone ringing. */
function surroundings({ material, random }: Course, seconds: number): Float64Array {
  const audio = new Float64Array(Math.round(seconds * SPEECH_RATE))
  const which = random()
  if (which < 0.4) {
    const { samples } = pick(material.speech, random)
    mixInto(audio, samples, 0, SPEECH_LEVEL / speechLevel(samples))
  } else if (which < 0.6) {
    for (let i = 0; i < audio.length; i++)
      audio[i] = i % 32_000 < 8_000 ? 2_000 * Math.sin((2 * Math.PI * 425 * i) / SPEECH_RATE) : 0
  }
  return audio
}

function played(
  { material, random }: Course,
  { before, body, behind }: Scene,
  how: { readonly levelDb: number; readonly noise: NoiseKind | 'none'; readonly snrDb: number | undefined },
): Int16Array {
  const audio = new Float64Array(before.length + body.length + behind.length)
  audio.set(before)
  audio.set(body, before.length)
  audio.set(behind, before.length + body.length)
  // a step of 16 bits of noise, as any line has
  for (let i = 0; i < audio.length; i++) audio[i] = (audio[i] ?? 0) + gaussian(random)
  if (how.noise !== 'none' && how.snrDb !== undefined) {
    const voices = material.speech.map(({ samples }) => samples)
    const noise = noiseOf(how.noise, audio.length, { voices, random })
    mixInto(audio, noise, 0, SPEECH_LEVEL / decibels(how.snrDb) / levelOf(noise))
  }
  return toSamples(scaled(audio, decibels(how.levelDb)))
}

type NegativeKind = (course: Course) => { readonly audio: Float64Array; readonly near?: Prompt }

const ANNOUNCED_SECONDS = 12

function speechOf(course: Course, voice?: string): Float64Array {
  const { material, random } = course
  const own = voice === undefined ? material.speech : material.speech.filter((clip) => clip.voice === voice)
  const audio = new Float64Array(ANNOUNCED_SECONDS * SPEECH_RATE)
  for (let at = 0; at < audio.length;) {
    const { samples } = pick(own, random)
    mixInto(audio, samples, at, SPEECH_LEVEL / speechLevel(samples))
    at += samples.length + Math.round(random() * 0.6 * SPEECH_RATE)
  }
  return audio
}

function leveled(samples: ArrayLike<number>): Float64Array {
  return scaled(samples, SPEECH_LEVEL / Math.max(1, speechLevel(samples)))
}

/** Kinds of negatives, and how many of twenty each is. */
const NEGATIVES: Readonly<Record<string, readonly [number, NegativeKind]>> = {
  'other prompts, same voice': [
    7,
    (course) => {
      const near = pick(course.material.announcements, course.random)
      const hasOthers = course.material.speech.some(({ voice }) => voice === near.voice)
      return { audio: speechOf(course, hasOthers ? near.voice : undefined), near: near.prompt }
    },
  ],
  'ordinary speech': [4, (course) => ({ audio: speechOf(course) })],
  'same words, other voice': [
    2,
    ({ material, random }) => {
      const { announcement, samples } = pick(material.otherVoices, random)
      return { audio: leveled(samples), near: announcement.prompt }
    },
  ],
  'begins or ends alike': [
    3,
    ({ material, random }) => {
      const near = pick(material.announcements, random)
      const common = Math.round(near.samples.length * (0.1 + 0.25 * random()))
      const others = material.speech.filter(({ voice }) => voice === near.voice)
      const rest = pick(others.length === 0 ? material.speech : others, random).samples
      const parts =
        random() < 0.5
          ? [near.samples.subarray(0, common), rest]
          : [rest, near.samples.subarray(near.samples.length - common)]
      return { audio: leveled(joined(parts)), near: near.prompt }
    },
  ],
  'played backwards': [
    2,
    ({ material, random }) => {
      const near = pick(material.announcements, random)
      return { audio: leveled(near.samples.toReversed()), near: near.prompt }
    },
  ],
  'tones, silence, noise': [2, ({ random }) => ({ audio: tones(random) })],
}

function tones(random: Random): Float64Array {
  const audio = new Float64Array(ANNOUNCED_SECONDS * SPEECH_RATE)
  const which = Math.floor(random() * 4)
  const low = 350 + 600 * random()
  const high = 1_200 + 500 * random()
  const beat = 400 + 4_000 * random()
  for (let i = 0; i < audio.length; i++) {
    const t = (2 * Math.PI * i) / SPEECH_RATE
    const isOn = Math.floor(i / beat) % 2 === 0
    // keys or rings; a melody with overtones; noise that comes and goes; nothing
    if (which === 0) audio[i] = isOn ? 2_000 * (Math.sin(low * t) + Math.sin(high * t)) : 0
    if (which === 1) {
      const note = low * 2 ** (((Math.floor(i / beat) * 7) % 12) / 12)
      audio[i] = 1_500 * (Math.sin(note * t) + Math.sin(2 * note * t) / 2 + Math.sin(3 * note * t) / 3)
    }
    if (which === 2) audio[i] = isOn ? 1_600 * gaussian(random) : 0
  }
  return audio
}

export function negativeTrial(course: Course, index: number): Trial {
  const { random, chains } = course
  const kinds = Object.entries(NEGATIVES).flatMap(([kind, [weight, make]]) =>
    Array.from({ length: weight }, () => ({ kind, make })),
  )
  const { kind, make } = kinds[index % kinds.length] as (typeof kinds)[number]
  const { audio, near } = make(course)
  const snrDb = pick(SNRS_DB, random)
  const noise = snrDb === undefined ? 'none' : pick(NOISES, random)
  const levelDb = -12 + 24 * random()
  const scene = { before: new Float64Array(0), body: audio, behind: new Float64Array(SPEECH_RATE / 2) }
  return {
    group: 'negative',
    kind,
    samples: played(course, scene, { levelDb, noise, snrDb }),
    chain: Math.floor(random() * chains),
    lossShare: random() < 0.5 ? 0 : 0.1 * random(),
    prompts: listenedFor(course, near ?? pick(course.material.announcements, random).prompt),
    played: undefined,
    startSample: 0,
    sharePlayed: 0,
    snrDb,
    noise,
    levelDb,
    speed: 1,
    isDoubleTalk: false,
  }
}
