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

/** Finds the media streams that an m-line carries: those of its label, else the one in its place. */
export function matchStreams(streams: readonly MediaStream[], line: LabelledLine): StreamMatch {
  const labelled = streams.filter(({ label }) => label !== undefined && label === line.label)
  if (labelled.length > 0) return { basis: 'label', streams: labelled }
  const { labels } = line
  const unclaimed =
    labels === undefined ? streams : streams.filter(({ label }) => label === undefined || !labels.includes(label))
  const stream = unclaimed[labels === undefined ? line.index : placeAmongUnmatched(streams, labels, line.index)]
  return stream === undefined ? { basis: 'none', streams: [] } : { basis: 'order', streams: [stream] }
}

/** How many m-lines before this one found no stream by label either. */
function placeAmongUnmatched(
  streams: readonly MediaStream[],
  labels: readonly (string | undefined)[],
  index: number,
): number {
  const known = new Set(streams.map(({ label }) => label))
  return labels.slice(0, index).filter((label) => label === undefined || !known.has(label)).length
}
