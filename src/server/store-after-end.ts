/**
 * Ends recordings, then brings what is sealed to the store: to whether all of it is there.
 *
 * What an end waits for (a transcriber that is still at work) is no time of the store: `storePatience` begins when the recordings have ended, or `endPatience` is over.
 */
export async function storeAfterEnd(parts: {
  readonly ended: Promise<void>
  readonly store: () => Promise<boolean>
  readonly endPatience: Promise<void>
  readonly storePatience: () => Promise<void>
}): Promise<boolean> {
  await Promise.race([parts.ended, parts.endPatience])
  return Promise.race([parts.ended.then(parts.store), parts.storePatience().then(() => false)])
}
