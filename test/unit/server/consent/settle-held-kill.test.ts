import { expect, it } from 'vitest'

import type { HeldEntry } from '../../../../src/evidence/held-entry.ts'
import { heldKeyName } from '../../../../src/evidence/object-names.ts'
import { settleHeld } from '../../../../src/server/consent/settle-held.ts'
import { shred } from '../../../../src/server/custody/shred.ts'
import { HeldKeys } from '../../../../src/server/recording/held-keys.ts'
import { finishLeftKeys, handOverIntents } from '../../../../src/server/vault/left-keys.ts'
import { rotationPlace } from '../../../../src/server/vault/rotation-place.ts'
import { sampleRecording, sha256, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { custodyRig, Mortality, type CustodyRig } from '../custody/custody-rig.ts'

const { verifyKey } = await vectorSigner()
const NAME = heldKeyName(0)

/** As `consent decide ID agreed`, with an end to it as `life` has it; `destroys`: the recording is shredded just before the key is stored. */
async function handOver(rig: CustodyRig, life: Mortality, destroys: boolean): Promise<boolean> {
  const { body } = await sampleRecording({ chunks: [Buffer.from('OggS one')], snapshots: [] })
  const wrappedKey = { name: NAME, sha256: sha256(rig.wrappedKey), sizeBytes: rig.wrappedKey.length }
  const held = { ...{ heldSeq: 0, recipient: 'age1held', wrappedKey }, ...{ fromSample: 0, toSample: 0 } }
  const custody = rig.custody(life)
  const put = custody.put.bind(custody)
  let isPut = false
  custody.put = async (name, bytes) => {
    if (destroys) await shred(rig.options())
    isPut = true
    await put(name, bytes)
  }
  const heldKeys = new HeldKeys(rig)
  const intents = handOverIntents(rig.dataDir)
  await settleHeld(
    {
      ...{ custody, manifest: { ...body, held: [{ ...held, outcome: 'pending' } satisfies HeldEntry] } },
      heldKeys: {
        read: (key) => life.look(() => heldKeys.read(key)),
        destroy: (key) => life.change(() => heldKeys.destroy(key)),
      },
      knownHolds: () => Promise.resolve([]),
      stateNow: () => Promise.resolve('agreed'),
      alone: (work) => work(),
      intents: {
        write: (id, prefix) => life.change(() => intents.write(id, prefix)),
        remove: (id) => life.change(() => intents.remove(id)),
      },
    },
    'agreed',
  )
  return isPut
}

/** As the recorder does when it starts. */
async function start(rig: CustodyRig): Promise<readonly string[]> {
  const destroyed: string[] = []
  await finishLeftKeys({
    ...{ places: rig.custody().places.map(rotationPlace), intents: handOverIntents(rig.dataDir), trusted: [verifyKey] },
    onDestroyed: (_recordingId, names) => destroyed.push(...names),
    onError: (_recordingId, error) => {
      throw error
    },
  })
  return destroyed
}

it('killed at any step while the recording is destroyed, it leaves no key that the next start does not find', async () => {
  let left = 0
  for (let at = 0, reached = true; reached; at += 1) {
    const [rig, life] = [await custodyRig(), new Mortality(at)]
    const isPut = await handOver(rig, life, true)
    reached = life.count > at
    if (!isPut) continue
    left += rig.keysLeft().length > 0 ? 1 : 0
    const destroyed = await start(rig)
    expect(rig.keysLeft(), `killed at change ${at}`).toEqual([])
    expect(await handOverIntents(rig.dataDir).list()).toEqual([])
    expect(destroyed.every((name) => name === NAME)).toBe(true)
  }
  expect(left).toBeGreaterThan(1)
})

it('killed at any step, it has lost nothing, and once more finishes', async () => {
  for (let at = 0, reached = true; reached; at += 1) {
    const [rig, life] = [await custodyRig(), new Mortality(at)]
    await handOver(rig, life, false)
    reached = life.count > at
    const isHere = (await new HeldKeys(rig).undecided()).length > 0
    expect(isHere || rig.objects('store').includes(NAME), `killed at change ${at}`).toBe(true)
    expect(await start(rig)).toEqual([])
    await handOver(rig, new Mortality(Number.POSITIVE_INFINITY), false)
    expect([rig.objects('store').includes(NAME), rig.objects('replica').includes(NAME)]).toEqual([true, true])
    expect([await new HeldKeys(rig).undecided(), await handOverIntents(rig.dataDir).list()]).toEqual([[], []])
  }
})
