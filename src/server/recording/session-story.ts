import type { StatementBody } from '../../evidence/ledger/statement.ts'
import type { NegotiatedStreamEntry } from '../../evidence/manifest.ts'
import { TEXT_LENGTH_MAX } from '../../evidence/shape-checks.ts'
import type { PauseEntry } from '../../evidence/stream-facts.ts'
import { STREAMS_MAX } from '../../recorder/recording-request.ts'
import type { Layout, MediaStreamPlan } from '../../recorder/recording-types.ts'

/** Kept of one recording session; of what comes after, incidents alone tell. */
const STORY_EVENTS_MAX = 4_000
/** So many holds at most that they leave room for every pause that a manifest lists. */
const HOLD_EVENTS_MAX = 1_000
/** As many as a recorder lists that ends the recording itself. */
const PAUSES_MAX = 1_000
const SAMPLES_PER_MS = 48

/** A line of the journal: what the manifest says should nobody live to ask the media worker. Times RFC 3339. */
export type StoryEvent =
  /** Media streams that SDP has agreed on and that are new, in the order of their channels. */
  | { readonly kind: 'streams'; readonly streams: readonly Pick<NegotiatedStreamEntry, 'streamId' | 'streamLabel'>[] }
  /** A request for a pause, or to go on. */
  | ({ readonly kind: 'pause'; readonly isPaused: boolean; readonly at: string } & Pick<
      PauseEntry,
      'by' | 'via' | 'streamId'
    >)
  /** SDP agreed that nothing is sent on a media stream, or that something is again. */
  | { readonly kind: 'hold'; readonly isHeld: boolean; readonly at: string; readonly streamId: string }
  /** Wall clock at sample 0. */
  | { readonly kind: 'origin'; readonly originAt: string }

/** What a manifest can say by these events alone. */
export interface ToldStory {
  readonly originAt?: string
  readonly negotiatedStreams?: readonly NegotiatedStreamEntry[]
  readonly pauses?: readonly PauseEntry[]
  readonly unlistedPauses?: number
}

/** Whether the story still has room for it. */
export function hasRoomFor(story: readonly StoryEvent[], event: StoryEvent): boolean {
  if (story.length >= STORY_EVENTS_MAX) return false
  return event.kind !== 'hold' || story.filter(({ kind }) => kind === 'hold').length < HOLD_EVENTS_MAX
}

/** What the ledger is told of it; undefined where it is told otherwise, or not at all. */
export function statementOf(recordingId: string, event: StoryEvent): StatementBody | undefined {
  if (event.kind !== 'hold' && event.kind !== 'pause') return undefined
  const { streamId } = event
  if (streamId === undefined) return undefined
  const [cause, isSilent] =
    event.kind === 'hold' ? (['held', event.isHeld] as const) : (['paused', event.isPaused] as const)
  return { kind: isSilent ? 'streamPaused' : 'streamResumed', recordingId, streamId, cause }
}

/** What these plans have that the story has not: new media streams, and what the SDP pauses or holds, or does not any more. */
export function eventsOfPlans(
  story: readonly StoryEvent[],
  plans: readonly MediaStreamPlan[],
  at: string,
): readonly StoryEvent[] {
  const known = new Set(streamsOf(story).map(({ streamId }) => streamId))
  const streams = plans
    .filter(({ streamId }) => !known.has(streamId))
    .map(({ streamId, streamLabel }) => ({
      streamId,
      streamLabel: streamLabel.slice(0, TEXT_LENGTH_MAX).toWellFormed(),
    }))
  const paused = silentStreams(story, 'pause')
  const held = silentStreams(story, 'hold')
  const changed = plans.filter((plan) => plan.paused !== paused.has(plan.streamId))
  const turned = plans.filter((plan) => plan.held !== held.has(plan.streamId))
  return [
    ...(streams.length === 0 ? [] : [{ kind: 'streams', streams } as const]),
    ...changed.map(({ streamId, paused: isPaused }) => {
      return { kind: 'pause', isPaused, at, by: 'src', via: 'SDP', streamId } as const
    }),
    ...turned.map(({ streamId, held: isHeld }) => ({ kind: 'hold', isHeld, at, streamId }) as const),
  ]
}

/** @param durationSamples of the audio there is: nothing of a pause lies behind it */
export function tellStory(
  story: readonly StoryEvent[],
  { layout, durationSamples }: { readonly layout: Layout; readonly durationSamples: number },
): ToldStory {
  const origin = story.find((event) => event.kind === 'origin')
  const streams = streamsOf(story).map((stream, place) => ({ ...stream, channel: layout === 'mixed' ? 0 : place }))
  return {
    ...(origin === undefined
      ? {}
      : { originAt: origin.originAt, ...pausesOf(story, origin.originAt, durationSamples) }),
    ...(streams.length === 0 ? {} : { negotiatedStreams: streams }),
  }
}

function streamsOf(story: readonly StoryEvent[]): readonly Pick<NegotiatedStreamEntry, 'streamId' | 'streamLabel'>[] {
  // A line of the journal may be there twice.
  const streams = story.flatMap((event) => (event.kind === 'streams' ? event.streams : []))
  return [...new Map(streams.map((stream) => [stream.streamId, stream])).values()].slice(0, STREAMS_MAX)
}

function silentStreams(story: readonly StoryEvent[], wanted: 'pause' | 'hold'): ReadonlySet<string> {
  const silent = new Set<string>()
  for (const event of story) {
    if ((event.kind !== 'pause' && event.kind !== 'hold') || event.kind !== wanted) continue
    if (event.streamId === undefined) continue
    if (event.kind === 'pause' ? event.isPaused : event.isHeld) silent.add(event.streamId)
    else silent.delete(event.streamId)
  }
  return silent
}

/** Each request from when it came to when it was taken back; without where sample 0 stands they would have no place. */
function pausesOf(
  story: readonly StoryEvent[],
  originAt: string,
  durationSamples: number,
): Pick<ToldStory, 'pauses' | 'unlistedPauses'> {
  const place = (at: string): number => {
    const samples = (Date.parse(at) - Date.parse(originAt)) * SAMPLES_PER_MS
    return Math.min(durationSamples, Math.max(0, samples))
  }
  const pauses: PauseEntry[] = []
  const present = new Map<string, number>()
  for (const event of story) {
    if (event.kind !== 'pause') continue
    const { isPaused, at, by, via, streamId } = event
    const asked = streamId ?? by
    const index = present.get(asked)
    if (isPaused === (index !== undefined)) continue
    if (index === undefined) {
      present.set(asked, pauses.length)
      const how = { by, ...(via === undefined ? {} : { via }), ...(streamId === undefined ? {} : { streamId }) }
      pauses.push({ ...how, from: at, fromSample: place(at) })
      continue
    }
    present.delete(asked)
    const pause = pauses[index]
    // Requests may overtake each other: a pause never ends before it began.
    const to = pause !== undefined && Date.parse(at) < Date.parse(pause.from) ? pause.from : at
    if (pause !== undefined) pauses[index] = { ...pause, to, toSample: place(to) }
  }
  const inOrder = pauses.toSorted((one, other) => Date.parse(one.from) - Date.parse(other.from))
  const unlisted = inOrder.length - PAUSES_MAX
  return { pauses: inOrder.slice(0, PAUSES_MAX), ...(unlisted > 0 ? { unlistedPauses: unlisted } : {}) }
}
