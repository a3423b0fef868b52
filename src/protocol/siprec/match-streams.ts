import type { MediaStream } from './metadata.ts'

/** One m-line, for which the media stream of the metadata is wanted. */
export interface LabelledLine {
  /** The label of the m-line, if it has one. */
  readonly label: string | undefined
  /** Position of the m-line in the SDP, from 0. */
  readonly index: number
  /**
   * The labels of all m-lines, in order. With them, a stream that another m-line claims by its label is not given to
   * this one by order.
   */
  readonly labels?: readonly (string | undefined)[]
}

export interface StreamMatch {
  readonly basis: 'label' | 'order' | 'none'
  readonly streams: readonly MediaStream[]
}

/** Media streams of the metadata, to be found for m-lines. */
export class StreamIndex {
  readonly #streams: readonly MediaStream[]
  readonly #byLabel: ReadonlyMap<string, readonly MediaStream[]>

  constructor(streams: Iterable<MediaStream>) {
    this.#streams = [...streams]
    this.#byLabel = indexByLabel(this.#streams)
  }

  /**
   * Finds the media streams that an m-line carries: those of its label, else the one in its place.
   *
   * Labels are compared as they are; only where none is equal, without case. Of several m-lines with one label each has the stream of
   * its turn, and those beyond go by place.
   */
  match(line: LabelledLine): StreamMatch {
    const labels = line.labels ?? []
    const places = placesByLabel(labels)
    const ofLine = (label: string | undefined, place: number): readonly MediaStream[] =>
      label === undefined ? [] : inTurn(this.#labelled(label), places.get(label), place)
    const labelled = ofLine(line.label, line.index)
    if (labelled.length > 0) return { basis: 'label', streams: labelled }
    if (line.labels === undefined) return byPlace(this.#streams, line.index)
    const claimed = new Set(labels.flatMap(ofLine))
    const unmatchedBefore = labels.slice(0, line.index).filter((label, place) => ofLine(label, place).length === 0)
    return byPlace(
      this.#streams.filter((stream) => !claimed.has(stream)),
      unmatchedBefore.length,
    )
  }

  #labelled(label: string): readonly MediaStream[] {
    return this.#byLabel.get(label) ?? this.#byLabel.get(foldedKey(label)) ?? []
  }
}

function byPlace(streams: readonly MediaStream[], place: number): StreamMatch {
  const stream = streams[place]
  return stream === undefined ? { basis: 'none', streams: [] } : { basis: 'order', streams: [stream] }
}

/** All streams of a label when one m-line has it; of several m-lines each has one. */
function inTurn(
  streams: readonly MediaStream[],
  places: readonly number[] | undefined,
  place: number,
): readonly MediaStream[] {
  if (places === undefined || places.length < 2) return streams
  const stream = streams[places.indexOf(place)]
  return stream === undefined ? [] : [stream]
}

/** A key that no label as written can have: SDP labels hold no line ends. */
function foldedKey(label: string): string {
  return `\n${label.toLowerCase()}`
}

function indexByLabel(streams: readonly MediaStream[]): ReadonlyMap<string, readonly MediaStream[]> {
  const index = new Map<string, MediaStream[]>()
  for (const stream of streams) {
    if (stream.label === undefined) continue
    for (const key of [stream.label, foldedKey(stream.label)]) {
      const known = index.get(key)
      if (known === undefined) index.set(key, [stream])
      else known.push(stream)
    }
  }
  return index
}

function placesByLabel(labels: readonly (string | undefined)[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>()
  for (const [place, label] of labels.entries()) {
    if (label === undefined) continue
    const known = places.get(label)
    if (known === undefined) places.set(label, [place])
    else known.push(place)
  }
  return places
}
