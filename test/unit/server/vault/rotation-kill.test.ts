import { expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { finishLeftKeys } from '../../../../src/server/vault/left-keys.ts'
import type { RotationLedger } from '../../../../src/server/vault/rotation-ledger.ts'
import type { RotationPlace } from '../../../../src/server/vault/rotation-place.ts'
import { RECORDING_ID, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import {
  decideIn,
  findings,
  keysIn,
  NEW,
  OLD,
  opens,
  PREFIX,
  rotationRig,
  THIRD,
  vaults,
  type RotationRig,
} from './rotation-rig.ts'

/** Of the process: nothing catches it, and nothing is done after it. */
class Killed extends Error {}

/** Some sixty rotations, each of which opens and seals a few times. */
const MATRIX_TIMEOUT_MS = 240_000

/** Everything that the command does outside itself, with an end to it just before or just after step `at`. */
function killedAt(rig: RotationRig, at: number, when: 'before' | 'after') {
  let steps = 0
  let isDead = false
  const step = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    if (isDead) throw new Killed()
    steps += 1
    if (steps === at) isDead = true
    if (steps === at && when === 'before') throw new Killed()
    const value = await work()
    if (steps >= at) throw new Killed()
    return value
  }
  const places = rig.stores.map((store): RotationPlace => ({
    place: store.place,
    get: (key) => step(() => store.get(key)),
    list: (prefix) => step(() => store.list(prefix)),
    put: (key, bytes) => step(() => store.put(key, bytes)),
    delete: (key) => step(() => store.delete(key)),
    hold: (key) => step(() => store.hold(key)),
    destroyUnnamed: (hashes) => step(() => store.destroyUnnamed(hashes)),
  }))
  const ledger: RotationLedger = {
    leave: (request) => step(() => rig.ledger.leave(request)),
    said: (requestIds, signal) => step(() => rig.ledger.said(requestIds, signal)),
  }
  const marks = { write: (id: string, lowest: number) => step(() => rig.marks.write(id, lowest)) }
  const intents = {
    write: (id: string, prefix: string) => step(() => rig.intents.write(id, prefix)),
    remove: (id: string) => step(() => rig.intents.remove(id)),
  }
  return { places, ledger, marks, intents }
}

async function wasKilled(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return false
  } catch (error) {
    if (error instanceof Killed) return true
    throw error
  }
}

it.each(['before', 'after'] as const)(
  'killed %s any of its steps, it leaves a recording that opens, and running again finishes',
  async (when) => {
    const step = { at: 1, reached: true }
    for (; step.reached; step.at += 1) {
      const rig = await rotationRig()
      step.reached = await wasKilled(rig.rotate(killedAt(rig, step.at, when)))
      expect(await opens(rig, OLD.identity, NEW.identity)).toEqual([true, true])
      // Killed a second time, wherever the first left it.
      await wasKilled(rig.rotate(killedAt(rig, 1 + ((step.at * 7) % 20), when)))
      expect(await opens(rig, OLD.identity, NEW.identity)).toEqual([true, true])
      const { counts, isCut } = await rig.rotate()
      expect([counts.rotated + counts.already, isCut]).toEqual([1, false])
      expect(await keysIn(rig)).toEqual([['key-001.age'], ['key-001.age']])
      expect(rig.intended).toEqual(new Map())
      expect(await opens(rig, NEW.identity)).toEqual([true, true])
      expect([...(await findings(rig)), ...(await findings(rig, 1))]).toEqual([])
    }
    expect(step.at).toBeGreaterThan(13)
  },
  MATRIX_TIMEOUT_MS,
)

it('killed anywhere, and then rotated to yet another vault, it ends there', async () => {
  const elsewhere = vaults({ oldIdentities: [OLD.identity, NEW.identity], newRecipients: [THIRD.recipient] })
  const step = { at: 1, reached: true }
  for (; step.reached; step.at += 1) {
    const rig = await rotationRig({ placeCount: 1 })
    step.reached = await wasKilled(rig.rotate(killedAt(rig, step.at, 'after')))
    expect((await rig.rotate({ vaults: elsewhere })).counts.rotated).toBe(1)
    expect(await opens(rig, OLD.identity, NEW.identity)).toEqual([false])
    expect(await opens(rig, THIRD.identity)).toEqual([true])
  }
})

it('killed at any step while the recording is destroyed, it leaves no key that the next start does not find', async () => {
  let [left, reached] = [0, true]
  for (let at = 1; reached; at += 1) {
    const rig = await rotationRig()
    const [first] = rig.stores
    if (first === undefined) throw new Error('no store')
    // Destroyed whole just before the first key is stored, and the command dies some steps behind that.
    let isDestroyed = false
    const killed = killedAt(rig, at, 'after')
    const places = killed.places.map((place): RotationPlace => ({
      ...place,
      put: async (key, bytes) => {
        if (!isDestroyed) await destroy(rig)
        isDestroyed = true
        await place.put(key, bytes)
      },
    }))
    reached = await wasKilled(rig.rotate({ ...killed, places }))
    left += isDestroyed && (await keysIn(rig)).flat().length > 0 ? 1 : 0
    const destroyed: string[] = []
    const { verifyKey } = await vectorSigner()
    await finishLeftKeys({
      ...{ places: rig.stores, intents: rig.intents, trusted: [verifyKey] },
      onDestroyed: (_recordingId, names) => destroyed.push(...names),
      onError: (_recordingId, error) => {
        throw error
      },
    })
    if (!isDestroyed) continue
    expect(await keysIn(rig), `killed after step ${at}`).toEqual([[], []])
    expect(rig.intended).toEqual(new Map())
    expect(new Set(destroyed).size).toBeLessThanOrEqual(1)
  }
  expect(left).toBeGreaterThan(2)
})

it('a start leaves alone what is not destroyed, and tells what it cannot look at', async () => {
  const rig = await rotationRig()
  await rig.intents.write(RECORDING_ID, PREFIX)
  const { verifyKey } = await vectorSigner()
  const errors: unknown[] = []
  const finish = (places = rig.stores) =>
    finishLeftKeys({
      ...{ places, intents: rig.intents, trusted: [verifyKey], onDestroyed: () => {} },
      onError: (_recordingId, error) => errors.push(error),
    })
  await finish()
  expect(await keysIn(rig)).toEqual([['key.age'], ['key.age']])
  await decideIn(rig, { kind: 'shredBegun', scope: 'key' })
  await finish()
  expect([await keysIn(rig), errors]).toEqual([[['key.age'], ['key.age']], []])
  await decideIn(rig, { kind: 'shredded', scope: 'key', destroyed: [] })
  const denied = new EarwitnessError('storage-denied', 'It is locked.', 'Wait.')
  await finish(rig.stores.map((store) => ({ ...store, delete: () => Promise.reject(denied) })))
  expect(errors).toMatchObject([{ code: 'storage-denied', hint: 'Wait.' }])
  expect([...rig.intended]).toEqual([[RECORDING_ID, PREFIX]])
  await finish()
  expect([await keysIn(rig), rig.intended.size, errors.length]).toEqual([[[], []], 0, 1])
})

/** As `shred` leaves it. */
async function destroy(rig: RotationRig): Promise<void> {
  await decideIn(rig, { kind: 'shredBegun', scope: 'key' }, { kind: 'shredded', scope: 'key', destroyed: [] })
  for (const store of rig.stores) await store.delete(`${PREFIX}/key.age`)
}
