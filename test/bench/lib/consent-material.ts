import { type Prompt, registerPrompt } from '../../../src/consent/matcher/prompt.ts'
import { espeakSpeech, fliteSpeech, type FliteVoice, type SpokenPrompt, spokenPrompts } from '../../support/speech.ts'
import { pick, type Random } from './impairments.ts'

/** What the trials of the announcement matcher are made of. */

export interface Announcement {
  readonly prompt: Prompt
  readonly voice: string
  readonly samples: Int16Array
}

/** Two announcements of which the second has one word in the place of another. */
export interface ChangedPair {
  readonly voice: string
  readonly registered: Announcement
  readonly changed: Announcement
}

export interface Material {
  readonly announcements: readonly Announcement[]
  /** Ordinary speech: nothing of it is registered. */
  readonly speech: readonly { readonly voice: string; readonly samples: Int16Array }[]
  /** The same announcement in other voices, none of them registered. */
  readonly otherVoices: readonly { readonly announcement: Announcement; readonly samples: Int16Array }[]
  readonly pairs: readonly ChangedPair[]
}

const PER_VOICE = 8
const SPOKEN_AT_A_TIME = 6
/** Of espeak-ng, whose voices are one but for accent, unless a variant is asked for. */
const OTHER_VOICE = 'en-us+f3'
/** Other prompts of each voice, for ordinary speech. */
const SPEECH_PER_VOICE = 60
const SPLICED_PER_VOICE = 30
const SECONDS_MIN = 3
const SECONDS_MAX = 16
const FLITE_VOICES: readonly FliteVoice[] = ['awb', 'kal', 'rms', 'slt']

const SENTENCES = [
  'This call may be recorded for training and quality purposes.',
  'Please note that this conversation is being recorded. If you do not agree, please tell us now.',
  'Thank you for calling. Your call will be recorded and kept for ninety days.',
] as const

const ORDINARY = [
  'The weather was fine yesterday, and so we walked to the old harbour and looked at the boats.',
  'I would like to change the date of my appointment, if that is possible, to the week after next.',
  'The invoice says forty two, but the order was for thirty seven boxes of the small kind.',
  'He told me that the train leaves at a quarter past nine from the platform on the other side.',
  'We have looked at the drawings again, and the door on the left has to be a little wider.',
] as const

/** Sentences with a place for a word, and words for it. */
const CHANGES: readonly (readonly [string, readonly [string, string]])[] = [
  ['This call # be recorded for training and quality purposes.', ['may', 'will']],
  ['This call may be recorded for # and quality purposes.', ['training', 'billing']],
  ['This call may be recorded for training and quality #.', ['purposes', 'reasons']],
  ['Please note that this conversation is # being recorded by us today.', ['now', 'not']],
  ['Your call will be kept for # days after which it is deleted.', ['ninety', 'sixty']],
  ['Press # if you agree to the recording of this call.', ['one', 'nine']],
  ['By staying on the line you # to the recording of this call.', ['agree', 'object']],
  ['Thank you for calling. # agents may listen to this call.', ['Our', 'Their']],
]
const ESPEAK_CHANGES: readonly (readonly [string, string, readonly [string, string]])[] = [
  ['de', 'Dieses Gespräch wird # aufgezeichnet, um unseren Dienst zu verbessern.', ['heute', 'nicht']],
  ['de', 'Wenn Sie # einverstanden sind, drücken Sie bitte die Eins.', ['damit', 'nicht']],
  ['fr', 'Cet appel peut être enregistré pour # la qualité de notre service.', ['garantir', 'mesurer']],
  ['es', 'Esta llamada # ser grabada para mejorar nuestro servicio.', ['puede', 'debe']],
  ['en-us', 'This call # be recorded for training and quality purposes.', ['may', 'will']],
  ['en-gb', 'You may ask us to # the recording at any time during the call.', ['stop', 'keep']],
]

export function announcementOf(promptId: string, voice: string, samples: Int16Array): Announcement | undefined {
  const prompt = registerPrompt(samples, { promptId, version: '1' })
  return prompt.ok ? { prompt: prompt.value, voice, samples } : undefined
}

function mustAnnounce(promptId: string, voice: string, samples: Int16Array): Announcement {
  const announcement = announcementOf(promptId, voice, samples)
  if (announcement === undefined) throw new Error(`${promptId} cannot be registered`)
  return announcement
}

/** @param random seeded: the same numbers give the same material */
export async function gatherMaterial(random: Random): Promise<Material> {
  const spoken = spokenPrompts()
  if (spoken.length === 0) throw new Error('the prompts of Debian are missing')
  const voices = [...new Set(spoken.map(({ voice }) => voice))]
  const taken = new Set<SpokenPrompt>()
  const announcements: Announcement[] = []
  for (const voice of voices) {
    const fit = spoken.filter((prompt) => prompt.voice === voice && isBetween(prompt, SECONDS_MIN, SECONDS_MAX))
    for (let count = 0; count < PER_VOICE;) {
      const prompt = pick(fit, random)
      const announcement = taken.has(prompt)
        ? undefined
        : announcementOf(`${voice}/${prompt.name}`, voice, prompt.read())
      if (announcement === undefined) continue
      taken.add(prompt)
      announcements.push(announcement)
      count += 1
    }
  }
  const speech = voices.flatMap((voice) => {
    const others = spoken.filter((prompt) => prompt.voice === voice && !taken.has(prompt) && isBetween(prompt, 1.5, 30))
    const step = Math.max(1, Math.floor(others.length / SPEECH_PER_VOICE))
    return others.filter((_, index) => index % step === 0).map((prompt) => ({ voice, samples: prompt.read() }))
  })
  const otherVoices: { announcement: Announcement; samples: Int16Array }[] = []
  for (const { voice, text, ofVoice, samples } of await synthesise(sentencesToSay())) {
    if (ofVoice === undefined) speech.push({ voice, samples })
    else if (ofVoice === voice) announcements.push(mustAnnounce(`${voice}/${text}`, voice, samples))
    else {
      const announcement = announcements.find(({ prompt }) => prompt.promptId === `${ofVoice}/${text}`)
      if (announcement !== undefined) otherVoices.push({ announcement, samples })
    }
  }
  const pairs = [...splicedPairs(spoken, voices, random), ...(await synthesisedPairs())]
  return { announcements, speech, otherVoices, pairs }
}

function isBetween({ seconds }: SpokenPrompt, least: number, most: number): boolean {
  return seconds >= least && seconds <= most
}

/** People's voices: two prompts with a spoken number or letter between, before or behind them, and the same with another one. */
function splicedPairs(spoken: readonly SpokenPrompt[], voices: readonly string[], random: Random): ChangedPair[] {
  return voices.flatMap((voice) => {
    const own = spoken.filter((prompt) => prompt.voice === voice)
    const words = own.filter(
      (prompt) => /^(digits|letters|phonetic)\//.test(prompt.name) && isBetween(prompt, 0.3, 0.9),
    )
    const parts = own.filter((prompt) => !prompt.name.includes('/') && isBetween(prompt, 1.5, 4))
    return Array.from({ length: SPLICED_PER_VOICE }, (_, index): ChangedPair => {
      const [before, behind, word] = [pick(parts, random), pick(parts, random), pick(words, random)]
      let other = pick(words, random)
      while (other === word) other = pick(words, random)
      const order = (middle: SpokenPrompt): Int16Array[] =>
        (
          [
            [before, middle, behind],
            [middle, before, behind],
            [before, behind, middle],
          ][index % 3] ?? []
        ).map((part) => part.read())
      const promptId = `${voice}/spliced-${index}`
      return {
        voice,
        registered: mustAnnounce(promptId, voice, joined(order(word))),
        changed: mustAnnounce(`${promptId}-changed`, voice, joined(order(other))),
      }
    })
  })
}

/** Announcements first, then the same in other voices, then ordinary sentences. */
function sentencesToSay(): Sentence[] {
  const announced = SENTENCES.flatMap((text, index) => [
    { voice: FLITE_VOICES[index] ?? 'slt', text },
    { voice: 'en-gb', text },
  ])
  const others = announced.flatMap(({ voice: ofVoice, text }) =>
    [...FLITE_VOICES, OTHER_VOICE]
      .filter((voice) => !announced.some((one) => one.voice === voice && one.text === text))
      .map((voice) => ({ voice, text, ofVoice })),
  )
  const ordinary = ORDINARY.flatMap((text) => [...FLITE_VOICES, 'en-gb'].map((voice) => ({ voice, text })))
  return [...announced.map((sentence) => ({ ...sentence, ofVoice: sentence.voice })), ...others, ...ordinary]
}

async function synthesisedPairs(): Promise<ChangedPair[]> {
  const changes = [
    ...CHANGES.flatMap(([sentence, words]) => FLITE_VOICES.map((voice) => ({ voice, sentence, words }))),
    ...ESPEAK_CHANGES.map(([voice, sentence, words]) => ({ voice, sentence, words })),
  ]
  const said = await synthesise(
    changes.flatMap(({ voice, sentence, words }) =>
      words.map((word) => ({ voice, text: sentence.replace('#', word) })),
    ),
  )
  return changes.flatMap(({ voice }, index) => {
    const [one, other] = [said[2 * index], said[2 * index + 1]]
    if (one === undefined || other === undefined) return []
    return [
      [one, other],
      [other, one],
    ].map(([registered, changed], turn) => {
      const promptId = `${voice}/${index}-${turn}`
      return {
        voice,
        registered: mustAnnounce(promptId, voice, registered?.samples ?? new Int16Array(0)),
        changed: mustAnnounce(`${promptId}-changed`, voice, changed?.samples ?? new Int16Array(0)),
      }
    })
  })
}

interface Sentence {
  readonly voice: string
  readonly text: string
  /** Of an announcement: the voice that is registered. */
  readonly ofVoice?: string
}

/** A few at a time; in the order given. */
async function synthesise(sentences: readonly Sentence[]): Promise<(Sentence & { readonly samples: Int16Array })[]> {
  const all: (Sentence & { readonly samples: Int16Array })[] = []
  for (let at = 0; at < sentences.length; at += SPOKEN_AT_A_TIME) {
    const some = sentences.slice(at, at + SPOKEN_AT_A_TIME).map(async (sentence) => {
      const flite = FLITE_VOICES.find((voice) => voice === sentence.voice)
      const { text } = sentence
      const samples = flite === undefined ? espeakSpeech(sentence.voice, text) : fliteSpeech(flite, text)
      return { ...sentence, samples: await samples }
    })
    all.push(...(await Promise.all(some)))
  }
  return all
}

export function joined(parts: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
