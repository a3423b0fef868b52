import { expect, it } from 'vitest'

import { storeAfterEnd } from '../../../src/server/store-after-end.ts'

/** A recorder that stops: what it waits for comes when the test says so. */
function stopping() {
  const [ended, stored] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()]
  const [endPatience, storePatience] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const begun: string[] = []
  const outcome = storeAfterEnd({
    ended: ended.promise,
    store: () => (begun.push('store'), stored.promise),
    endPatience: endPatience.promise,
    storePatience: () => (begun.push('patience'), storePatience.promise),
  })
  return { ended, stored, endPatience, storePatience, begun, outcome }
}
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

it('the time of the store begins when the recordings have ended', async () => {
  const { ended, stored, begun, outcome } = stopping()
  await turn()
  expect(begun).toEqual([])
  ended.resolve()
  await turn()
  expect(begun).toEqual(['patience', 'store'])
  stored.resolve(true)
  expect(await outcome).toBe(true)
})

it('recordings that do not end have so much time, and what is stored after it still counts', async () => {
  const { ended, stored, endPatience, begun, outcome } = stopping()
  endPatience.resolve()
  await turn()
  expect(begun).toEqual(['patience'])
  ended.resolve()
  stored.resolve(true)
  expect(await outcome).toBe(true)
})

it.each(['ends', 'does not end'])('a store that is too slow is given up, when what is recorded %s', async (what) => {
  const { ended, endPatience, storePatience, outcome } = stopping()
  if (what === 'ends') ended.resolve()
  else endPatience.resolve()
  storePatience.resolve()
  expect(await outcome).toBe(false)
})
