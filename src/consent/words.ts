/**
 * The words of consent, shared by whoever finds facts (matcher, DTMF, announcer, API), whoever decides (the state
 * machine), and whoever signs and enforces. Every fact is small and holds no number, name or spoken word.
 */

/** What a recording says about consent, from the first packet to the end; always one of these. */
export const CONSENT_STATES = [
  'agreed',
  'notified',
  'notRequired',
  'missing',
  'refused',
  'withdrawn',
  'unknown',
] as const
export type ConsentState = (typeof CONSENT_STATES)[number]

/** Which prompt it was, by the bytes of its file. */
export interface PromptRef {
  readonly promptId: string
  readonly version?: string
  /** Hex, of the WAV file. */
  readonly sha256: string
  /** BCP 47 */
  readonly language?: string
}

/** A prompt was played to a party before the recorded call, or by an element in the media path. */
interface AnnouncementPlayed {
  readonly type: 'announcementPlayed'
  readonly prompt: PromptRef
  readonly mode: 'answer' | 'early' | 'refer' | 'adapter'
  /** Left out where nobody counted: by an element in the media path. */
  readonly playedMs?: number
  readonly totalMs: number
  /** Whether RTCP and the end of the dialog say that it arrived to its end. */
  readonly heardToEnd: 'yes' | 'no' | 'unknown'
  /** `unknown`: by an element in the media path, which does not tell. */
  readonly endCause: 'played' | 'hangUp' | 'cancelled' | 'noAck' | 'failed' | 'unknown'
  /** To whom; without it, to the calling party, who is the one an announcer talks to. */
  readonly participantId?: string
}

/** The matcher found a prompt in a media stream of the recording. Positions are 48 kHz samples of its timeline. */
interface AnnouncementHeard {
  readonly type: 'announcementHeard'
  readonly prompt: PromptRef
  readonly streamId: string
  readonly fromSample: number
  readonly heardSamples: number
  /** How much of the prompt, 0 to 1. */
  readonly share: number
  /** 0 to 1 */
  readonly confidence: number
  readonly verdict: 'heardInFull' | 'heardInPart' | 'uncertain'
}

/**
 * An answer to the question whether the call may be recorded. Of `streamId` when keys or voice were in the recording;
 * of `participantId` when somebody says who; with neither, `dtmf` is the calling party's answer to an announcer.
 */
interface Answered {
  readonly type: 'answered'
  readonly answer: 'yes' | 'no' | 'none'
  readonly by: 'dtmf' | 'speech' | 'api'
  readonly streamId?: string
  readonly participantId?: string
  readonly atSample?: number
}

/** A person listened to a spoken answer. */
interface Reviewed {
  readonly type: 'reviewed'
  readonly answer: 'yes' | 'no'
  readonly participantId?: string
}

interface Withdrawn {
  readonly type: 'withdrawn'
  readonly by: 'dtmf' | 'api' | 'reInvite'
  readonly streamId?: string
  readonly participantId?: string
  readonly atSample?: number
}

/** What an SRC asserts; by itself never consent. */
interface Declared {
  readonly type: 'declared'
  readonly by: 'metadata' | 'header'
  readonly value: string
}

/** Something that happened and that consent may rest on. */
export type ConsentFact = AnnouncementPlayed | AnnouncementHeard | Answered | Reviewed | Withdrawn | Declared

export const CONSENT_FACT_TYPES = [
  'announcementPlayed',
  'announcementHeard',
  'answered',
  'reviewed',
  'withdrawn',
  'declared',
] as const satisfies readonly ConsentFact['type'][]

/** A fact in its envelope. */
export interface ConsentFactAt {
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string
  readonly fact: ConsentFact
}

/** What is to be done with the recording; `keep` and `discard` concern the audio held while consent was awaited. */
export const CONSENT_ACTIONS = ['flag', 'pause', 'resume', 'discard', 'keep', 'stop', 'shred', 'notify'] as const
export type ConsentAction = (typeof CONSENT_ACTIONS)[number]

/** What the state machine says, in order. */
export type ConsentOutput =
  | { readonly kind: 'state'; readonly state: ConsentState; readonly explanation: string }
  | { readonly kind: 'act'; readonly action: ConsentAction }
