import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { verifyRecording } from '../../../../src/evidence/verify.ts'
import { addHold, applyHolds, releaseHolds } from '../../../../src/server/custody/hold.ts'
import { shred } from '../../../../src/server/custody/shred.ts'
import { ShreddedMarks } from '../../../../src/server/custody/shredded-marks.ts'
import type { CopyLock, CustodyStore } from '../../../../src/server/storage/object-store.ts'
import { codeOf } from '../../../support/object-store-contract.ts'
import { RECORDING_ID, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { custodyRig, Mortality, type CustodyRig } from './custody-rig.ts'

async function verdictOf(rig: CustodyRig) {
  const custody = rig.custody()
  const objects = { list: () => custody.names(), get: (name: string) => custody.get(name) }
  return verifyRecording({ recordingId: RECORDING_ID, objects, keys: [(await vectorSigner()).verifyKey] })
}

const holdOptions = (rig: CustodyRig) => {
  const { custody, note, leave, knownHolds } = rig.options()
  let calls = 0
  const randomBytes = (length: number) => Uint8Array.from({ length }, () => (calls += 1))
  return { custody, note, leave, knownHolds, nowUnixMs: () => Date.parse('2026-11-29T11:00:00.000Z'), randomBytes }
}

describe('shredding', () => {
  test('destroys the key wherever it is, and says what', async () => {
    const rig = await custodyRig()
    expect(rig.keysLeft()).toHaveLength(8)
    const report = await shred(rig.options())
    expect(report).toMatchObject({ state: 'shredded', troubles: [], hasLedger: true })
    expect(report.destroyed).toMatchObject([
      { place: 'node', objects: 4, copies: 4 },
      { place: 'store', objects: 2, copies: 2, names: ['key.age', '.incoming'] },
      { place: 'replica', objects: 2, copies: 2 },
    ])
    expect(rig.keysLeft()).toEqual([])
    const left = ['chunk-000000.age', 'chunk-000001.age', 'custody-000.jws', 'custody-001.jws', 'manifest.jws']
    expect(rig.objects('store')).toEqual([...left, 'metadata-000.age'])
    expect(rig.objects('replica')).toEqual(rig.objects('store'))
    expect(await verdictOf(rig)).toMatchObject({ verified: true, custody: { state: 'shredded', scope: 'key' } })
    expect([...rig.requests.values()].map(({ kind }) => kind)).toEqual(['shredBegun', 'shredded'])
    // The rest of the journal is for its recorder.
    const journal = readFileSync(join(rig.dataDir, 'open', `${RECORDING_ID}.jsonl`), 'utf8')
    expect(journal).toBe('{"kind":"opened","wrappedKeyBase64":""}\n{"kind":"chunk"}\n')
  })

  test('is done once: again, it changes nothing and says so', async () => {
    const rig = await custodyRig()
    await shred(rig.options())
    const [before, said] = [rig.objects('store'), [...rig.requests.keys()]]
    expect(await shred(rig.options())).toMatchObject({ state: 'already', destroyed: [], decided: [] })
    expect(rig.objects('store')).toEqual(before)
    expect([...rig.requests.keys()]).toEqual(said)
  })

  test('with all objects, at once or afterwards, leaves the manifest and what was decided', async () => {
    const left = ['custody-000.jws', 'custody-001.jws', 'manifest.jws']
    const once = await custodyRig()
    expect(await shred({ ...once.options(), scope: 'objects' })).toMatchObject({ state: 'shredded', scope: 'objects' })
    expect(once.objects('store')).toEqual(left)
    const later = await custodyRig()
    await shred(later.options())
    expect(await shred({ ...later.options(), scope: 'objects' })).toMatchObject({ state: 'shredded' })
    expect(later.objects('replica')).toEqual([
      ...left.slice(0, 2),
      'custody-002.jws',
      'custody-003.jws',
      'manifest.jws',
    ])
    for (const rig of [once, later]) {
      expect(await verdictOf(rig)).toMatchObject({ verified: true, custody: { state: 'shredded', scope: 'objects' } })
    }
  })

  test('of a key that came back destroys it again', async () => {
    const rig = await custodyRig()
    await shred(rig.options())
    const custody = rig.custody()
    await custody.places[1]?.store.put(custody.key('key.age'), rig.wrappedKey)
    expect((await verdictOf(rig)).findings.map(({ code }) => code)).toEqual(['shred-undone'])
    expect(await shred(rig.options())).toMatchObject({ state: 'already', destroyed: [{ place: 'replica', copies: 1 }] })
    expect(await verdictOf(rig)).toMatchObject({ verified: true })
  })

  test('of a key that was sealed anew, and of one of what is held, destroys these too, under whatever name', async () => {
    const rig = await custodyRig({ moreKeys: true })
    expect(rig.keysLeft()).toHaveLength(16)
    await shred(rig.options())
    expect(rig.keysLeft()).toEqual([])
  })

  test.each([
    ['in the folder of what nobody has decided about', (name: string) => join('held', name)],
    ['in the spool', (name: string) => join('spool', 'objects', name)],
  ])('destroys what a crash left of a held key on its way to the store, when it is %s', async (_where, at) => {
    const rig = await custodyRig()
    const path = join(rig.dataDir, at(`${rig.custody().prefix.replaceAll('/', '~')}~held-key-001.age`))
    writeFileSync(path, 'of what was held later')
    writeFileSync(join(rig.stores.store, '.incoming', 'other'), 'of what was held later')
    writeFileSync(join(rig.stores.store, '.incoming', 'foreign'), 'of another recording')
    await shred(rig.options())
    expect(readdirSync(join(rig.stores.store, '.incoming'))).toEqual(['foreign'])
  })

  test('knows a copy by the key in a journal, when that is the last one that has a name', async () => {
    const rig = await custodyRig()
    for (const folder of ['spool', 'held']) rmSync(join(rig.dataDir, folder), { recursive: true })
    const custody = rig.custody()
    for (const { store } of custody.places) {
      for (const name of ['manifest.jws', 'key.age']) await store.delete(custody.key(name))
      await store.put(custody.key('manifest.jws'), Buffer.from('a.b.c'))
    }
    expect(await shred(rig.options())).toMatchObject({ state: 'shredded' })
    expect(rig.keysLeft()).toEqual([])
  })

  test('that was begun is finished whatever became of the manifest and of the key', async () => {
    for (const manifest of ['unreadable', 'gone']) {
      const rig = await custodyRig()
      const { replica } = rig.stores
      await rename(replica, `${replica}.away`)
      expect(await shred(rig.options())).toMatchObject({ state: 'partly' })
      await rename(`${replica}.away`, replica)
      const custody = rig.custody()
      for (const { store } of custody.places) {
        await store.delete(custody.key('manifest.jws'))
        await store.delete(custody.key('key.age'))
        if (manifest === 'unreadable') await store.put(custody.key('manifest.jws'), Buffer.from('a.b.c'))
      }
      expect(await shred(rig.options()), manifest).toMatchObject({ state: 'shredded', troubles: [] })
      const said = [...rig.requests.values()]
      expect(said.map(({ kind }) => kind)).toEqual(['shredBegun', 'shredded'])
      // Nobody can tell its hash any more.
      expect(said.map((request) => 'wrappedKeySha256' in request)).toEqual([true, false])
      expect(await shred(rig.options()), manifest).toMatchObject({ state: 'already' })
    }
  })

  test('is that of who decides, and not of who goes on', async () => {
    const rig = await custodyRig()
    const { replica } = rig.stores
    await rename(replica, `${replica}.away`)
    // The first could not hand anything to the ledger.
    await codeOf(shred({ ...rig.options(), leave: () => Promise.reject(new Error('EACCES')) }))
    await rename(`${replica}.away`, replica)
    await shred({ ...rig.options(), note: { by: 'Grace', reason: 'case 4712' } })
    expect([...rig.requests.values()].map(({ kind, by, reason }) => [kind, by, reason])).toEqual([
      ['shredBegun', '', ''],
      ['shredded', 'Grace', 'case 4712'],
    ])
  })
})

describe('shredding is refused, and nothing is destroyed or said', () => {
  async function refused(rig: CustodyRig, options = rig.options()): Promise<string> {
    const before = rig.keysLeft()
    const code = await codeOf(shred(options))
    expect(rig.keysLeft()).toEqual(before)
    expect(rig.objects('store').some((name) => name.startsWith('custody'))).toBe(rig.requests.size > 0)
    expect([...rig.requests.values()].some(({ kind }) => kind === 'shredBegun')).toBe(false)
    return code
  }

  test('while it is held', async () => {
    const rig = await custodyRig()
    await addHold(holdOptions(rig))
    expect(await refused(rig)).toBe('recording-held')
    await releaseHolds({ ...holdOptions(rig), which: 'only' })
    expect(await shred(rig.options())).toMatchObject({ state: 'shredded' })
  })

  test('while it is being made', async () => {
    expect(await refused(await custodyRig({ manifest: false }))).toBe('recording-open')
  })

  const until = new Date('2030-01-01T00:00:00.000Z')
  test.each<[string, CopyLock, boolean, string | undefined]>([
    ['a legal hold of the bucket', { reason: 'legalHold', until: undefined }, true, 'shred-locked'],
    ['compliance', { reason: 'compliance', until }, true, 'shred-locked'],
    ['governance', { reason: 'governance', until }, false, 'shred-locked'],
    ['governance that may be passed by', { reason: 'governance', until }, true, undefined],
  ])('by %s', async (_what, lock, bypassesGovernance, code) => {
    const rig = await custodyRig()
    const custody = rig.custody()
    for (const { store } of custody.places) Object.assign(store, { lockOf: () => Promise.resolve(lock) })
    const options = { ...rig.options(), custody, bypassesGovernance }
    if (code === undefined) expect(await shred(options)).toMatchObject({ state: 'shredded' })
    else expect(await refused(rig, options)).toBe(code)
  })

  test('when somebody tampered with what was decided: it may have been a hold', async () => {
    const rig = await custodyRig()
    await addHold(holdOptions(rig))
    const path = join(rig.stores.store, rig.custody().key('custody-000.jws'))
    writeFileSync(path, 'a.b.c')
    expect(await refused(rig)).toBe('custody-damaged')
  })

  test.each([
    ['which record was of the hold', { recordSha256: 'ab'.repeat(32), holdId: 'a hold' }],
    ['the hold', { holdId: 'a hold' }],
    ['that there was one', {}],
  ])('when the ledger knows %s, and there is no such record', async (_what, hold) => {
    const rig = await custodyRig()
    const knownHolds = () => Promise.resolve([{ ...hold, knownBy: 'ledger' as const }])
    expect(await refused(rig, { ...rig.options(), knownHolds })).toBe('hold-lost')
    // What was ordered before is finished.
    await codeOf(shred({ ...rig.options(), leave: () => Promise.reject(new Error('EACCES')) }))
    expect(await shred({ ...rig.options(), knownHolds })).toMatchObject({ state: 'shredded' })
  })

  test('says how a lost hold can be ended, or that it cannot, as no record could name it', async () => {
    const rig = await custodyRig()
    const recordSha256 = 'ab'.repeat(32)
    const hintOf = async (...holds: readonly object[]): Promise<string> => {
      const knownHolds = () => Promise.resolve(holds.map((hold) => ({ ...hold, knownBy: 'ledger' as const })))
      const error: unknown = await shred({ ...rig.options(), knownHolds }).catch((thrown: unknown) => thrown)
      return error instanceof EarwitnessError ? error.hint : ''
    }
    const named = await hintOf({ recordSha256, holdId: 'one' })
    expect(named).toContain('--lost one --reason')
    expect(named).not.toContain('no --lost can end')
    for (const unnamed of [{ recordSha256 }, { holdId: 'other' }, {}]) {
      const hint = await hintOf(unnamed)
      expect(hint).not.toContain('--lost  ')
      expect(hint).not.toContain('hold release')
      expect(hint).toContain('no --lost can end')
      expect(await hintOf(unnamed, { recordSha256: 'cd'.repeat(32), holdId: 'one' })).toMatch(
        /--lost one --reason TEXT\. .*no --lost can end/,
      )
    }
  })

  test('by no hold that the ledger knows and the records end', async () => {
    for (const what of ['record', 'hold', 'neither'] as const) {
      const rig = await custodyRig()
      const { holdIds } = await addHold(holdOptions(rig))
      await releaseHolds({ ...holdOptions(rig), which: 'only' })
      const [added] = (await rig.custody().read()).records
      const hold = { record: { recordSha256: added?.sha256 }, hold: { holdId: holdIds[0] }, neither: {} }[what]
      const knownHolds = () => Promise.resolve([{ ...hold, knownBy: 'index' as const }])
      expect(await shred({ ...rig.options(), knownHolds }), what).toMatchObject({ state: 'shredded' })
    }
  })

  test('when another recorder decided, whose key is not trusted', async () => {
    const rig = await custodyRig()
    await addHold(holdOptions(rig))
    const options = { ...rig.options(), custody: rig.custody(undefined, { keys: [] }) }
    expect(await refused(rig, options)).toBe('custody-damaged')
  })
})

test('when nothing can be left for the ledger, the order stands and nothing is destroyed', async () => {
  const rig = await custodyRig()
  const leave = () => Promise.reject(new Error('EACCES'))
  expect(await codeOf(shred({ ...rig.options(), leave }))).toBe('ledger-request-failed')
  expect(rig.keysLeft()).toHaveLength(8)
  expect((await verdictOf(rig)).findings.map(({ code }) => code)).toEqual(['shred-unfinished'])
  expect(await shred(rig.options())).toMatchObject({ state: 'shredded' })
  expect([...rig.requests.values()].map(({ kind }) => kind)).toEqual(['shredBegun', 'shredded'])
})

test('without a ledger on the machine it is done, and said', async () => {
  const rig = await custodyRig()
  const report = await shred({ ...rig.options(), leave: () => Promise.resolve(false) })
  expect(report).toMatchObject({ state: 'shredded', hasLedger: false })
})

test('a replica that is away: partly done, and done when it is back', async () => {
  const rig = await custodyRig()
  const { replica } = rig.stores
  await rename(replica, `${replica}.away`)
  const report = await shred(rig.options())
  expect(report).toMatchObject({ state: 'partly', destroyed: [{ place: 'node' }, { place: 'store' }] })
  expect(report.troubles.map(({ place, code }) => `${place} ${code}`)).toEqual(['replica storage-missing'])
  expect((await verdictOf(rig)).findings.map(({ code }) => code)).toEqual(['shred-unfinished'])
  // Nobody may hold it in this state.
  expect(await codeOf(addHold(holdOptions(rig)))).toBe('recording-shredded')
  await rename(`${replica}.away`, replica)
  expect(await shred(rig.options())).toMatchObject({ state: 'shredded', destroyed: [{ place: 'replica' }] })
  expect(rig.keysLeft()).toEqual([])
  expect(rig.objects('replica')).toEqual(rig.objects('store'))
  expect(await verdictOf(rig)).toMatchObject({ verified: true })
})

test('a store that refuses to let go of one: the order stands, and what it keeps is named', async () => {
  const rig = await custodyRig()
  const custody = rig.custody()
  const deny: CustodyStore['destroy'] = () =>
    Promise.reject(new EarwitnessError('storage-denied', 'It refuses.', 'Ask it.'))
  Object.assign(custody.places[0]?.store ?? {}, { destroy: deny })
  const report = await shred({ ...rig.options(), custody })
  expect(report.state).toBe('partly')
  expect(report.troubles.map(({ place, name, code }) => [place, name, code])).toEqual([
    ['store', 'key.age', 'storage-denied'],
    ['store', 'key.age', 'shred-left'],
  ])
  expect(await shred(rig.options())).toMatchObject({ state: 'shredded' })
})

/** The end state, but for ids and times. */
async function endState(rig: CustodyRig) {
  return {
    store: rig.objects('store'),
    replica: rig.objects('replica'),
    keys: rig.keysLeft(),
    said: [...rig.requests.values()].map(({ kind }) => kind),
    mark: (await new ShreddedMarks(rig.dataDir).read(RECORDING_ID))?.said.length,
    verdict: (await verdictOf(rig)).findings,
  }
}

describe('killed between any two steps, and run again', () => {
  test.each(['key', 'objects'] as const)('it ends in the same: %s', async (scope) => {
    const whole = await custodyRig({ moreKeys: true })
    const life = new Mortality(Number.POSITIVE_INFINITY)
    await shred({ ...whole.options(life), scope })
    const expected = await endState(whole)
    expect(expected).toMatchObject({ keys: [], said: ['shredBegun', 'shredded'], mark: 2, verdict: [] })
    expect(life.count).toBeGreaterThan(10)
    for (let at = 0; at < life.count; at += 1) {
      const rig = await custodyRig({ moreKeys: true })
      const outcome = await shred({ ...rig.options(new Mortality(at)), scope }).catch(() => undefined)
      // Nothing is destroyed of which the ledger will not say that it was ordered.
      if (rig.keysLeft().length < 16) expect([...rig.requests.values()][0]?.kind, `at ${at}`).toBe('shredBegun')
      // And nothing is said to be done that is not.
      const isSaid = [...rig.requests.values()].some(({ kind }) => kind === 'shredded')
      if (isSaid) expect(rig.keysLeft(), `at ${at}`).toEqual([])
      if (outcome?.state === 'shredded') expect(rig.keysLeft(), `at ${at}`).toEqual([])
      await shred({ ...rig.options(), scope })
      expect(await endState(rig), `at ${at}`).toEqual(expected)
    }
  })
})

test('two at once: one order, one outcome', async () => {
  const rig = await custodyRig()
  const outcomes = await Promise.allSettled([shred(rig.options()), shred(rig.options())])
  expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
  await shred(rig.options())
  expect(rig.keysLeft()).toEqual([])
  expect(rig.objects('store').filter((name) => name.startsWith('custody'))).toHaveLength(2)
  expect(await verdictOf(rig)).toMatchObject({ verified: true })
})

test('a hold and a destruction at once: one of them is refused', async () => {
  const rig = await custodyRig()
  const outcomes = await Promise.allSettled([addHold(holdOptions(rig)), shred(rig.options())])
  const verdict = await verdictOf(rig)
  expect(verdict.findings.map(({ code }) => code)).not.toContain('custody-wrong')
  expect(['held', 'shredded']).toContain(verdict.custody?.state)
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  if (verdict.custody?.state === 'held') expect(rig.keysLeft()).toHaveLength(8)
})

describe('holds', () => {
  test('are kept apart, and end one by one', async () => {
    const rig = await custodyRig()
    const options = holdOptions(rig)
    const first = await addHold(options)
    const second = await addHold(options)
    expect(second).toMatchObject({ troubles: [], isOpen: false, hasLedger: true, holds: [{}, {}] })
    expect(second.storeHolds).toEqual([
      { place: 'store', outcome: 'unsupported', copies: 0 },
      { place: 'replica', outcome: 'unsupported', copies: 0 },
    ])
    expect(await codeOf(releaseHolds({ ...options, which: 'only' }))).toBe('hold-several')
    const [holdId = ''] = first.holdIds
    expect(await releaseHolds({ ...options, which: holdId })).toMatchObject({ holds: [{ holdId: second.holdIds[0] }] })
    expect(await codeOf(releaseHolds({ ...options, which: holdId }))).toBe('hold-not-found')
    expect(await releaseHolds({ ...options, which: 'all' })).toMatchObject({ holds: [] })
    expect(await codeOf(releaseHolds({ ...options, which: 'all' }))).toBe('hold-not-found')
    expect([...rig.requests.values()].map(({ kind }) => kind)).toEqual([
      'holdAdded',
      'holdAdded',
      'holdReleased',
      'holdReleased',
    ])
    expect(rig.objects('replica')).toEqual(rig.objects('store'))
  })

  test('hold what is still being made', async () => {
    const rig = await custodyRig({ manifest: false })
    expect(await addHold(holdOptions(rig))).toMatchObject({ isOpen: true, holds: [{}] })
  })

  test('are said again by apply, as the same', async () => {
    const rig = await custodyRig()
    const leave = () => Promise.reject(new Error('EACCES'))
    const report = await addHold({ ...holdOptions(rig), leave })
    expect(report.troubles.map(({ code }) => code)).toEqual(['ledger-request-failed'])
    expect(rig.requests.size).toBe(0)
    for (let count = 0; count < 2; count += 1) {
      expect(await applyHolds(holdOptions(rig))).toMatchObject({ troubles: [], holds: [{}], decided: [] })
    }
    // Whoever applies it has not decided it.
    expect([...rig.requests.values()]).toMatchObject([{ kind: 'holdAdded', by: '', reason: '' }])
    expect(await codeOf(applyHolds(holdOptions(await custodyRig())))).toBe('hold-not-found')
  })

  test('are brought to the replica when it is back', async () => {
    const rig = await custodyRig()
    const { replica } = rig.stores
    await rename(replica, `${replica}.away`)
    expect((await addHold(holdOptions(rig))).troubles.length).toBeGreaterThan(0)
    await rename(`${replica}.away`, replica)
    expect(await applyHolds(holdOptions(rig))).toMatchObject({ troubles: [] })
    expect(rig.objects('replica')).toContain('custody-000.jws')
  })

  test('are found in the replica when the store lost them', async () => {
    const rig = await custodyRig()
    await addHold(holdOptions(rig))
    rmSync(join(rig.stores.store, rig.custody().key('custody-000.jws')))
    expect(await codeOf(shred(rig.options()))).toBe('recording-held')
    expect(existsSync(join(rig.stores.store, rig.custody().key('key.age')))).toBe(true)
  })
})
