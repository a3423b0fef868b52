import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { sealToRecipients } from '../../../../src/evidence/age-seal.ts'
import { uuidV7 } from '../../../../src/ids.ts'
import type { RotationPlace } from '../../../../src/server/vault/rotation-places.ts'
import { PAGE_RECORDINGS, rotateKeys } from '../../../../src/server/vault/rotation-run.ts'
import { sampleRecording, vectorRandom } from '../../../vectors/evidence/sample-recording.ts'
import {
  ESCROW,
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

const BOTH = (names: readonly string[]) => [names, names]

async function outcomes(rig: RotationRig, ...options: Parameters<RotationRig['rotate']>): Promise<readonly string[]> {
  const { counts, left } = await rig.rotate(...options)
  const codes = left.flatMap(({ code }) => (code === undefined ? [] : [code]))
  return [...Object.entries(counts).flatMap(([outcome, count]) => (count > 0 ? [outcome] : [])), ...codes]
}

describe('a rotation', () => {
  it('leaves the new vault the only one that opens a recording, in the store and its replica', async () => {
    const rig = await rotationRig()
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await opens(rig, OLD.identity)).toEqual([false, false])
    expect(await opens(rig, NEW.identity)).toEqual([true, true])
    expect(rig.said).toMatchObject([{ name: 'key-001.age', replacesSha256: rig.recording.body.wrappedKey.sha256 }])
    expect(await findings(rig)).toEqual([])
  })

  it('done again changes nothing, with and without a key of the new vault', async () => {
    const rig = await rotationRig()
    await rig.rotate()
    expect(await outcomes(rig)).toEqual(['already'])
    expect(await outcomes(rig, { vaults: vaults({ newIdentities: [NEW.identity] }) })).toEqual(['already'])
    expect(rig.said).toHaveLength(1)
  })

  it('can be followed by another, and by one that adds a recipient', async () => {
    const rig = await rotationRig()
    await rig.rotate()
    const next = vaults({ oldIdentities: [NEW.identity], newRecipients: [THIRD.recipient] })
    expect(await outcomes(rig, { vaults: next })).toEqual(['rotated'])
    const more = vaults({ oldIdentities: [THIRD.identity], newRecipients: [THIRD.recipient, ESCROW.recipient] })
    expect(await outcomes(rig, { vaults: more })).toEqual(['rotated'])
    expect(await outcomes(rig, { vaults: more })).toEqual(['already'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-003.age']))
    for (const { identity } of [THIRD, ESCROW]) expect(await opens(rig, identity)).toEqual([true, true])
    expect(await opens(rig, OLD.identity, NEW.identity)).toEqual([false, false])
    expect(await findings(rig)).toEqual([])
  })

  it('that is only tried stores nothing and says nothing', async () => {
    const rig = await rotationRig()
    expect(await outcomes(rig, { isDryRun: true })).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key.age']))
    expect(rig.said).toEqual([])
  })

  it('destroys nothing before the recorder has said so', async () => {
    const rig = await rotationRig()
    rig.isSilent = true
    expect(await outcomes(rig)).toEqual(['unsaid'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age', 'key.age']))
    rig.isSilent = false
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await findings(rig)).toEqual([])
  })
})

describe('a recording is left as it is', () => {
  it('that is still being made', async () => {
    const rig = await rotationRig()
    for (const store of rig.stores) await store.delete(`${PREFIX}/manifest.jws`)
    expect(await outcomes(rig)).toEqual(['running'])
    expect(await keysIn(rig)).toEqual(BOTH(['key.age']))
  })

  it('that was shredded', async () => {
    const rig = await rotationRig()
    for (const store of rig.stores) await store.delete(`${PREFIX}/key.age`)
    expect(await outcomes(rig)).toEqual(['noKey'])
    expect(await keysIn(rig)).toEqual(BOTH([]))
  })

  it('that is shredded in the same moment, and does not come back', async () => {
    const rig = await rotationRig()
    const [store, replica] = rig.stores
    if (store === undefined || replica === undefined) throw new Error('no stores')
    const shredding: RotationPlace = {
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      delete: (key) => store.delete(key),
      async put(key, bytes) {
        for (const each of rig.stores) await each.delete(`${PREFIX}/key.age`)
        await store.put(key, bytes)
      },
    }
    expect(await outcomes(rig, { places: [shredding, replica] })).toEqual(['noKey'])
    expect(await keysIn(rig)).toEqual(BOTH([]))
    expect(rig.said).toEqual([])
  })

  it('that another vault opens', async () => {
    const rig = await rotationRig()
    const wrong = vaults({ oldIdentities: [THIRD.identity] })
    expect(await outcomes(rig, { vaults: wrong })).toEqual(['notOpened'])
    await rig.rotate()
    expect(await outcomes(rig, { vaults: { ...wrong, newIdentities: [ESCROW.identity] } })).toEqual(['notOpened'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
  })

  it('with the key of another recording', async () => {
    const rig = await rotationRig()
    const other = await sampleRecording({ chunks: [], snapshots: [], seed: 'another' })
    for (const store of rig.stores) {
      await store.delete(`${PREFIX}/key.age`)
      await store.put(`${PREFIX}/key.age`, other.objects.get('key.age') ?? new Uint8Array())
    }
    expect(await outcomes(rig)).toEqual(['keyWrong'])
    expect(await keysIn(rig)).toEqual(BOTH(['key.age']))
  })

  it('of which what was stored is not what is read back, or does not open', async () => {
    const rig = await rotationRig({ placeCount: 1 })
    const [store] = rig.stores
    if (store === undefined) throw new Error('no store')
    const lying = (change: (bytes: Uint8Array) => Uint8Array | undefined): RotationPlace => ({
      list: (prefix) => store.list(prefix),
      delete: (key) => store.delete(key),
      put: async () => {},
      async get(key) {
        const bytes = await store.get(key)
        return key.endsWith('key-001.age') ? change(new Uint8Array(10)) : bytes
      },
    })
    expect(await outcomes(rig, { places: [lying(() => undefined)] })).toEqual(['notProven'])
    expect(await outcomes(rig, { places: [lying((bytes) => bytes)] })).toEqual(['notProven'])
    const check = vaults({ newRecipients: [NEW.recipient], newIdentities: [THIRD.identity] })
    expect(await outcomes(rig, { vaults: check })).toEqual(['notProven'])
    expect(await keysIn(rig)).toEqual([['key-001.age', 'key.age']])
    expect(rig.said).toEqual([])
  })
})

describe('what somebody put there', () => {
  it('does not pass for a key that was sealed anew, and destroys nothing', async () => {
    const rig = await rotationRig()
    const planted = sealToRecipients(Buffer.from('AGE-SECRET-KEY-1\n'), [NEW.recipient], vectorRandom('planted'))
    for (const store of rig.stores) await store.put(`${PREFIX}/key-001.age`, planted)
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age', 'key-002.age']))
    expect(await opens(rig, NEW.identity)).toEqual([true, true])
    expect(await findings(rig)).toEqual(['key-unexplained key-001.age'])
  })

  it('under the last name does not end rotation for ever', async () => {
    const rig = await rotationRig()
    for (const store of rig.stores) await store.put(`${PREFIX}/key-999.age`, Buffer.from('x'))
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age', 'key-999.age']))
    expect(await findings(rig)).toEqual(['key-unexplained key-999.age'])
    expect(await outcomes(rig)).toEqual(['already'])
  })
})

describe('a store', () => {
  const denied = new EarwitnessError('storage-denied', 'locked', '')

  it('that keeps the old key, as Object Lock does, is named; another run finishes when it lets go', async () => {
    const rig = await rotationRig()
    const [store, replica] = rig.stores
    if (store === undefined || replica === undefined) throw new Error('no stores')
    const locked: RotationPlace = {
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      put: (key, bytes) => store.put(key, bytes),
      delete: () => Promise.reject(denied),
    }
    expect(await outcomes(rig, { places: [locked, replica] })).toEqual(['oldKept', 'storage-denied'])
    expect(await keysIn(rig)).toEqual([['key-001.age', 'key.age'], ['key-001.age']])
    expect(await findings(rig)).toEqual([])
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await findings(rig)).toEqual([])
  })

  it('that is kept through a second rotation lets the first be finished later', async () => {
    const rig = await rotationRig({ placeCount: 1 })
    const [store] = rig.stores
    const first = await store?.get(`${PREFIX}/key.age`)
    await rig.rotate()
    const next = vaults({ oldIdentities: [NEW.identity], newRecipients: [THIRD.recipient] })
    await rig.rotate({ vaults: next })
    await store?.put(`${PREFIX}/key.age`, first ?? new Uint8Array())
    expect(await outcomes(rig, { vaults: vaults({ newRecipients: [THIRD.recipient] }) })).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual([['key-002.age']])
    expect(await findings(rig)).toEqual([])
  })

  it('that is down leaves both keys, and the rest goes on', async () => {
    const rig = await rotationRig()
    const [store, replica] = rig.stores
    if (store === undefined || replica === undefined) throw new Error('no stores')
    const down = new EarwitnessError('storage-unreachable', 'down', '')
    const broken: RotationPlace = {
      get: (key) => replica.get(key),
      list: (prefix) => replica.list(prefix),
      put: () => Promise.reject(down),
      delete: () => Promise.reject(down),
    }
    expect(await outcomes(rig, { places: [store, broken] })).toEqual(['failed', 'storage-unreachable'])
    expect(await keysIn(rig)).toEqual([['key-001.age', 'key.age'], ['key.age']])
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await findings(rig)).toEqual([])
  })
})

it('pages are as long as what waits for the ledger, and all recordings are taken', async () => {
  const total = 2 * PAGE_RECORDINGS + 7
  const waiting: number[] = []
  let progress = 0
  const nothing: RotationPlace = {
    get: () => Promise.resolve(undefined),
    list: () => Promise.resolve([]),
    put: () => Promise.resolve(),
    delete: () => Promise.resolve(),
  }
  function* recordings() {
    for (let index = 0; index < total; index += 1) {
      const recordingId = uuidV7(index, vectorRandom(String(index))(16))
      yield { recordingId, objectPrefix: `default/2026/11/29/${recordingId}` }
    }
  }
  const summary = await rotateKeys(recordings(), {
    ...{ places: [nothing], vaults: vaults(), isDryRun: false, signal: new AbortController().signal },
    ledger: {
      leave: () => Promise.resolve(),
      said: (requestIds) => {
        waiting.push(requestIds.length)
        return Promise.resolve(new Set(requestIds))
      },
    },
    asked: () => ({ requestId: '', by: '', at: '' }),
    onProgress: (lookedAt) => (progress = lookedAt),
  })
  expect(summary).toMatchObject({ counts: { noKey: total }, isCut: false, left: [] })
  expect([waiting.length, progress]).toEqual([3, total])
})

it('told to stop, it ends between two recordings and says so', async () => {
  const rig = await rotationRig()
  const summary = await rotateKeys([{ recordingId: 'x', objectPrefix: PREFIX }], {
    ...{ places: rig.stores, ledger: rig.ledger, vaults: vaults(), isDryRun: false, signal: AbortSignal.abort() },
    ...{ asked: () => ({ requestId: '', by: '', at: '' }), onProgress: () => {} },
  })
  expect(summary.isCut).toBe(true)
  expect(await keysIn(rig)).toEqual(BOTH(['key.age']))
})
