/**
 * Works on items in lanes beside each other, on each item once, in their order. An error ends its lane; the others go on, and the first error is thrown when all are over: nothing is under way
 * behind whoever called, and what can be done is done.
 *
 * @param lanes how many items at once, at most
 */
export async function inParallel<Item>(
  items: Iterable<Item>,
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items].values()
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  const outcomes = await Promise.allSettled(Array.from({ length: lanes }, lane))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
