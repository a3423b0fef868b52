import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it, onTestFinished } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { sealToRecipients } from '../../../../src/evidence/age-seal.ts'
import { uuidV7 } from '../../../../src/ids.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { rotationPlace, type RotationPlace } from '../../../../src/server/vault/rotation-place.ts'
import { PAGE_RECORDINGS, rotateKeys } from '../../../../src/server/vault/rotation-run.ts'
import { rsaOpener } from '../../../support/rsa-opener.ts'
import { RECORDING_ID, rsaVault, sampleRecording, vectorRandom } from '../../../vectors/evidence/sample-recording.ts'
import { HOLD } from '../../evidence/custody/decide.ts'
import {
  decideIn,
  ESCROW,
  findings,
  keysIn,
  NEW,
  OLD,
  opens,
  outcomes,
  PREFIX,
  rotationRig,
  THIRD,
  vaults,
  type RotationRig,
} from './rotation-rig.ts'

/** Nothing is held, and nothing was decided. */
const NOTHING = {
  heldKeys: { undecided: () => Promise.resolve([]), read: () => Promise.resolve(undefined) },
  ...{
    trusted: [],
    marks: { write: () => Promise.resolve() },
    ...{ intents: { write: () => Promise.resolve(), remove: () => Promise.resolve() } },
    onTheirWay: new Set<string>(),
  },
}

const BOTH = (names: readonly string[]) => [names, names]

function storeOf(rig: RotationRig, place: number): RotationPlace {
  const store = rig.stores[place]
  if (store === undefined) throw new Error('no such store')
  return store
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

describe('a key that the vault that is left does not open', () => {
  const [kms, transit] = [rsaVault['aws-kms'], rsaVault['vault-transit']]
  const services = [rsaOpener('aws-kms'), rsaOpener('vault-transit')]

  it('is sealed to the new vault already only when it is sealed to every key of that', async () => {
    const rig = await rotationRig()
    await rig.rotate({ vaults: vaults({ newRecipients: [kms] }) })
    const both = vaults({ newRecipients: [kms, ESCROW.recipient] })
    expect(await outcomes(rig, { vaults: both })).toEqual(['notOpened'])
    expect(await outcomes(rig, { vaults: { ...both, newIdentities: services } })).toEqual(['notOpened'])
    expect(await outcomes(rig, { vaults: vaults({ newRecipients: [transit] }) })).toEqual(['notOpened'])
    expect(await outcomes(rig, { vaults: vaults({ newRecipients: [kms] }) })).toEqual(['already'])
    const more = { ...both, oldIdentities: services }
    expect(await outcomes(rig, { vaults: more })).toEqual(['rotated'])
    expect(await outcomes(rig, { vaults: both })).toEqual(['already'])
    expect(await opens(rig, ESCROW.identity)).toEqual([true, true])
  })

  it('is sealed to the new vault, whatever the order in which the configuration has its keys', async () => {
    const rig = await rotationRig()
    await rig.rotate({ vaults: vaults({ newRecipients: [kms, transit] }) })
    expect(await outcomes(rig, { vaults: vaults({ newRecipients: [transit, kms] }) })).toEqual(['already'])
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
      ...store,
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

describe('what was decided about a recording', () => {
  const BEGIN = { kind: 'shredBegun', scope: 'key' } as const
  const ADD = { kind: 'holdAdded', holdId: HOLD } as const

  /** Something happens as soon as the first store has the new key. */
  function onceStored(rig: RotationRig, work: () => Promise<void>): readonly RotationPlace[] {
    const store = storeOf(rig, 0)
    const first: RotationPlace = {
      ...store,
      async put(key, bytes) {
        await store.put(key, bytes)
        await work()
      },
    }
    return [first, ...rig.stores.slice(1)]
  }

  it('is that its key is to be destroyed: nothing is stored, or said', async () => {
    const rig = await rotationRig()
    await decideIn(rig, BEGIN)
    const places = onceStored(rig, () => Promise.reject(new Error('it was stored')))
    expect(await outcomes(rig, { places, isDryRun: true })).toEqual(['shredded'])
    expect(await outcomes(rig, { places })).toEqual(['shredded'])
    expect(await keysIn(rig)).toEqual(BOTH(['key.age']))
    expect(rig.said).toEqual([])
  })

  it('is that, in the same moment: the new key is not left behind', async () => {
    const rig = await rotationRig()
    const places = onceStored(rig, async () => {
      await decideIn(rig, BEGIN)
      for (const store of rig.stores) await store.delete(`${PREFIX}/key.age`)
    })
    expect(await outcomes(rig, { places })).toEqual(['shredded'])
    expect(await keysIn(rig)).toEqual(BOTH([]))
    expect(rig.said).toEqual([])
  })

  it('is that, and it is over: a key that a killed rotation left there is named and taken away, and then it is shredded', async () => {
    const rig = await rotationRig()
    await decideIn(rig, BEGIN, { kind: 'shredded', scope: 'key', destroyed: [] })
    for (const store of rig.stores) await store.delete(`${PREFIX}/key.age`)
    await storeOf(rig, 1).put(`${PREFIX}/key-001.age`, Buffer.from('left by a rotation that was killed'))
    const key = { recordingId: RECORDING_ID, outcome: 'shredded' }
    const seen = await rig.rotate({ isDryRun: true })
    expect(seen.left).toEqual([{ ...key, keysLeft: ['key-001.age'], keysDestroyed: [] }])
    expect(await keysIn(rig)).toEqual([[], ['key-001.age']])
    expect((await rig.rotate()).left).toEqual([{ ...key, keysLeft: [], keysDestroyed: ['key-001.age'] }])
    expect(await keysIn(rig)).toEqual(BOTH([]))
    expect(await outcomes(rig)).toEqual(['noKey'])
  })

  it('is that, and a place keeps such a key: it is named, with why', async () => {
    const rig = await rotationRig()
    await decideIn(rig, BEGIN, { kind: 'shredded', scope: 'key', destroyed: [] })
    for (const store of rig.stores) await store.delete(`${PREFIX}/key.age`)
    await storeOf(rig, 1).put(`${PREFIX}/key-001.age`, Buffer.from('left'))
    const denied = new EarwitnessError('storage-denied', 'It is locked.', 'Wait.')
    const locked: RotationPlace = { ...storeOf(rig, 1), delete: () => Promise.reject(denied) }
    const { left } = await rig.rotate({ places: [storeOf(rig, 0), locked] })
    const why = { code: 'storage-denied', sentence: 'It is locked.', hint: 'Wait.' }
    expect(left).toMatchObject([{ outcome: 'shredded', keysLeft: ['key-001.age'], keysDestroyed: [], ...why }])
  })

  it('is that it was begun: the keys that are there are named', async () => {
    const rig = await rotationRig()
    await decideIn(rig, BEGIN)
    await storeOf(rig, 1).put(`${PREFIX}/key-001.age`, Buffer.from('left'))
    expect((await rig.rotate()).left).toMatchObject([{ keysLeft: ['key-001.age', 'key.age'], keysDestroyed: [] }])
  })

  it('is nothing: a key that another rotation destroys meanwhile takes the new one with it in no case', async () => {
    const rig = await rotationRig()
    const places = onceStored(rig, async () => {
      await rig.rotate()
    })
    expect(await outcomes(rig, { places })).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await opens(rig, NEW.identity)).toEqual([true, true])
  })

  it('is a hold: the keys before stay until it is released, and the stores keep the new one too', async () => {
    const rig = await rotationRig()
    await decideIn(rig, ADD)
    expect(await outcomes(rig, { isDryRun: true })).toEqual(['held'])
    expect(rig.kept).toEqual([])
    expect(await outcomes(rig)).toEqual(['held'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age', 'key.age']))
    expect(rig.kept).toEqual(BOTH([`${PREFIX}/key-001.age`]).flat())
    expect(await opens(rig, NEW.identity)).toEqual([true, true])
    expect(await findings(rig)).toEqual([])
    expect(rig.marked.size).toBe(0)
    await decideIn(rig, { kind: 'holdReleased', holdId: HOLD })
    expect(await outcomes(rig)).toEqual(['rotated'])
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await findings(rig)).toEqual([])
  })

  it.each([
    ['a hold', ADD, 'held'],
    ['its destruction', BEGIN, 'shredded'],
  ] as const)(
    'is %s, while the recorder is waited for: no key before is destroyed',
    async (_what, decision, outcome) => {
      const rig = await rotationRig()
      const ledger = {
        ...rig.ledger,
        async said(requestIds: readonly string[]) {
          await decideIn(rig, decision)
          return new Set(requestIds)
        },
      }
      expect(await outcomes(rig, { ledger })).toEqual([outcome])
      expect(await keysIn(rig)).toEqual(BOTH(['key-001.age', 'key.age']))
    },
  )

  it('cannot be believed: it may be a hold, and all is left as it is', async () => {
    const rig = await rotationRig()
    await storeOf(rig, 1).put(`${PREFIX}/custody-000.jws`, Buffer.from('a.b.c'))
    expect(await outcomes(rig)).toEqual(['failed', 'custody-damaged'])
    expect(await keysIn(rig)).toEqual(BOTH(['key.age']))
  })
})

it('before a key is destroyed, the recorder is told not to store it again', async () => {
  const rig = await rotationRig()
  rig.isSilent = true
  await rig.rotate()
  expect(rig.marked.size).toBe(0)
  rig.isSilent = false
  const marks = { write: () => Promise.reject(new EarwitnessError('storage-failed', 'full', '')) }
  expect(await outcomes(rig, { marks })).toEqual(['failed', 'storage-failed'])
  expect(await keysIn(rig)).toEqual(BOTH(['key-001.age', 'key.age']))
  await rig.rotate()
  expect([...rig.marked]).toEqual([[RECORDING_ID, 1]])
})

it('a copy of the old key that a crash left under no name goes too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-rotation-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const adopt = (): Promise<void> => Promise.resolve()
  const place = rotationPlace({ place: 'store', store: new FolderStore(folder), description: folder, adopt })
  const rig = await rotationRig({ stores: [place] })
  writeFileSync(join(folder, '.incoming', 'left'), rig.recording.objects.get('key.age') ?? '')
  writeFileSync(join(folder, '.incoming', 'foreign'), 'of another recording')
  expect(await outcomes(rig)).toEqual(['rotated'])
  expect(readdirSync(join(folder, '.incoming'))).toEqual(['foreign'])
})

describe('a key of what is held until consent is not sealed anew, so the old vault key is still needed', () => {
  const name = `${PREFIX}/held-key-000.age`
  const sealed = (recipient: string) =>
    sealToRecipients(Buffer.from(`${THIRD.identity}\n`), [recipient], vectorRandom('held'))

  it.each(['the store', 'the replica', 'this machine, undecided'])('in %s', async (where) => {
    const rig = await rotationRig()
    const store = rig.stores[where === 'the store' ? 0 : 1]
    if (where.startsWith('this')) rig.undecided.set(name, sealed(OLD.recipient))
    else await store?.put(name, sealed(OLD.recipient))
    expect(await outcomes(rig, { isDryRun: true })).toEqual(['heldKey'])
    expect(await outcomes(rig)).toEqual(['heldKey'])
    // Its own key is.
    expect(await keysIn(rig)).toEqual(BOTH(['key-001.age']))
    expect(await opens(rig, NEW.identity)).toEqual([true, true])
    expect((await rig.rotate()).left).toEqual([{ recordingId: RECORDING_ID, outcome: 'heldKey' }])
  })

  it('unless it was sealed to the new vault when it was made', async () => {
    const rig = await rotationRig()
    await rig.stores[0]?.put(name, sealed(NEW.recipient))
    expect(await outcomes(rig)).toEqual(['rotated'])
  })

  it('unless it is of another recording, or no such key', async () => {
    const rig = await rotationRig()
    rig.undecided.set('default/2026/11/29/another/held-key-000.age', sealed(OLD.recipient))
    await rig.stores[0]?.put(`${PREFIX}/held-key-of-mine.age`, sealed(OLD.recipient))
    expect(await outcomes(rig)).toEqual(['rotated'])
  })

  it('which does not hide what keeps the own key from being sealed anew', async () => {
    const rig = await rotationRig()
    await storeOf(rig, 0).put(name, sealed(OLD.recipient))
    for (const store of rig.stores) await store.delete(`${PREFIX}/manifest.jws`)
    expect(await outcomes(rig)).toEqual(['running'])
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
      ...store,
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
      ...replica,
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

describe('what this machine has not stored yet', () => {
  const other = uuidV7(1_764_000_000_000, vectorRandom('open')(16))

  it('is left as running, after all that the stores have; of what is in both it counts once', async () => {
    const rig = await rotationRig()
    const onTheirWay = new Set([other, RECORDING_ID])
    const { counts, left } = await rig.rotate({ onTheirWay })
    expect([counts.rotated, counts.running]).toEqual([1, 1])
    expect(left).toEqual([{ recordingId: other, outcome: 'running' }])
  })

  it('is left as running where the store has something of it, and no key', async () => {
    const rig = await rotationRig()
    for (const store of rig.stores) await store.delete(`${PREFIX}/key.age`)
    expect(await outcomes(rig, { onTheirWay: new Set([RECORDING_ID]) })).toEqual(['running'])
    expect(await outcomes(rig)).toEqual(['noKey'])
  })
})

it('pages are as long as what waits for the ledger, and all recordings are taken', async () => {
  const total = PAGE_RECORDINGS + 7
  const waiting: number[] = []
  const rig = await rotationRig({ placeCount: 1 })
  const [store] = rig.stores
  if (store === undefined) throw new Error('no store')
  let [progress, taken, requests] = [0, 0, 0]
  // Each recording is the same one, which is never done.
  const undying: RotationPlace = { ...store, delete: () => Promise.resolve() }
  function* recordings() {
    for (; taken < total; taken += 1) {
      expect(waiting.length, `before recording ${taken}`).toBe(Math.floor(taken / PAGE_RECORDINGS))
      yield { recordingId: uuidV7(taken, vectorRandom(String(taken))(16)), objectPrefix: PREFIX }
    }
  }
  const summary = await rotateKeys(recordings(), {
    ...{ places: [undying], vaults: vaults(), isDryRun: false, signal: new AbortController().signal },
    ...NOTHING,
    ledger: {
      leave: () => Promise.resolve(),
      said: (requestIds) => {
        waiting.push(requestIds.length)
        return Promise.resolve(new Set(requestIds))
      },
    },
    asked: () => ({ requestId: String(taken) + String((requests += 1)), by: '', at: '' }),
    onProgress: (lookedAt) => (progress = lookedAt),
  })
  expect(summary).toMatchObject({ counts: { rotated: total }, isCut: false, left: [] })
  expect([waiting, progress]).toEqual([[PAGE_RECORDINGS, 7], total])
})

it('a recorder that says nothing ends it after the page, and that is told', async () => {
  const rig = await rotationRig({ placeCount: 1 })
  let taken = 0
  function* recordings() {
    for (; taken < PAGE_RECORDINGS + 1; taken += 1) yield { recordingId: RECORDING_ID, objectPrefix: PREFIX }
  }
  // Each of them is the same one.
  const summary = await rotateKeys(recordings(), {
    ...{ places: rig.stores, vaults: vaults(), isDryRun: false, signal: new AbortController().signal, ...NOTHING },
    ledger: { leave: () => Promise.resolve(), said: () => Promise.resolve(new Set()) },
    asked: () => ({ requestId: String(taken), by: '', at: '' }),
    onProgress: () => {},
  })
  expect(summary.isCut).toBe(true)
  expect(taken).toBe(PAGE_RECORDINGS - 1)
  expect(await keysIn(rig)).toEqual([['key-001.age', 'key.age']])
})

it('a thousand recordings that are left are named, and those beyond are counted', async () => {
  const place: RotationPlace = {
    place: 'store',
    list: (prefix) => Promise.resolve(prefix.endsWith('/key') ? [{ key: `${prefix}.age`, sizeBytes: 1 }] : []),
    get: () => Promise.resolve(undefined),
    ...{ put: () => Promise.resolve(), delete: () => Promise.resolve(), hold: () => Promise.resolve() },
    destroyUnnamed: () => Promise.resolve(0),
  }
  const recordings = Array.from({ length: 1_003 }, (_, index) => ({ recordingId: String(index), objectPrefix: 'x' }))
  const summary = await rotateKeys(recordings, {
    ...{ places: [place], vaults: vaults(), isDryRun: true, signal: new AbortController().signal, ...NOTHING },
    ...{ ledger: { leave: () => Promise.resolve(), said: () => Promise.resolve(new Set()) }, onProgress: () => {} },
    asked: () => ({ requestId: '', by: '', at: '' }),
  })
  expect(summary).toMatchObject({ counts: { running: 1_003 }, leftDropped: 3 })
  expect(summary.left).toHaveLength(1_000)
})

it('told to stop, it ends between two recordings and says so', async () => {
  const rig = await rotationRig()
  const prefixes = Array.from({ length: 12 }, (_, index) => `default/2026/11/29/recording-${index}`)
  for (const store of rig.stores)
    for (const prefix of prefixes)
      for (const [name, bytes] of rig.recording.objects) await store.put(`${prefix}/${name}`, bytes)
  const stop = new AbortController()
  // In the middle of a recording, of which neither store has the new key.
  const stopping: RotationPlace = {
    ...storeOf(rig, 0),
    put(key, bytes) {
      stop.abort()
      return storeOf(rig, 0).put(key, bytes)
    },
  }
  let requests = 0
  const summary = await rotateKeys(
    prefixes.map((objectPrefix) => ({ recordingId: objectPrefix, objectPrefix })),
    {
      ...{ places: [stopping, storeOf(rig, 1)], ledger: rig.ledger, vaults: vaults(), ...NOTHING },
      ...{ isDryRun: false, signal: stop.signal, onProgress: () => {} },
      asked: () => ({ requestId: String((requests += 1)), by: '', at: '' }),
    },
  )
  expect(summary).toMatchObject({ isCut: true, left: [] })
  // What was begun is finished, in both stores; what was not begun is as it was.
  const keys = await Promise.all(
    prefixes.flatMap((prefix) =>
      rig.stores.map(async (store) => (await store.list(`${prefix}/key`)).map(({ key }) => key)),
    ),
  )
  const rotated = keys.filter((names) => names.every((name) => name.endsWith('/key-001.age')))
  const untouched = keys.filter((names) => names.every((name) => name.endsWith('/key.age')))
  expect(rotated.length + untouched.length).toBe(2 * prefixes.length)
  expect([rotated.length, untouched.length > 0]).toEqual([2 * summary.counts.rotated, true])
  expect(summary.counts.rotated).toBeGreaterThan(0)
})
