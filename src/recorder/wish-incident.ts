import type { MediaStreamPlan } from './recording-types.ts'

/**
 * What the manifest says when a participant begins to wish not to be recorded. The wish is kept and not followed: the SRC has
 * weighed it already, and would have paused the stream itself. RFC 7866 7.1.3, 7.3.2
 *
 * @returns undefined when no stream of `now` has a wish that it did not have in `before`
 */
export function wishIncident(
  before: readonly MediaStreamPlan[],
  now: readonly MediaStreamPlan[],
): { readonly code: 'recording-unwished'; readonly detail: string } | undefined {
  const wishes = new Map(before.map(({ streamId, wish }) => [streamId, wish]))
  const isNew = now.some(({ streamId, wish }) => wish !== undefined && wishes.get(streamId) !== wish)
  if (!isNew) return undefined
  return {
    code: 'recording-unwished',
    detail: 'The SDP said that a participant wishes not to be recorded (a=recordpref); recording went on.',
  }
}
