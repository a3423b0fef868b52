import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { releaseHolds } from '../../../../../src/server/custody/hold.ts'
import { RotatedMarks } from '../../../../../src/server/custody/rotated-marks.ts'
import { shred } from '../../../../../src/server/custody/shred.ts'
import { replicateIntents } from '../../../../../src/server/vault/left-keys.ts'
import { RECORDING_ID } from '../../../../vectors/evidence/sample-recording.ts'
import { custodyRig, Mortality, type CustodyRig } from '../../custody/custody-rig.ts'
import { hold, PREFIX, remove, run, start, type Holds, type Wish } from './replicate-rig.ts'

describe('what is decided while it is brought', () => {
  /** As a rotation ends: the new key is in both stores, then the mark on the disk, then the key before is destroyed. */
  async function rotate(rig: CustodyRig, { isMarked }: { readonly isMarked: boolean }): Promise<void> {
    const places = rig.custody().places
    for (const { store } of places) await store.put(`${PREFIX}/key-001.age`, Buffer.from('sealed anew'))
    if (isMarked) await new RotatedMarks(rig.dataDir).write(RECORDING_ID, 1)
    for (const { store } of places) await store.delete(`${PREFIX}/key.age`)
  }

  const once = (name: string, work: () => Promise<unknown>): Pick<Required<Wish>, 'beforePut'> => {
    let isDone = false
    return {
      async beforePut(key) {
        if (isDone || !key.endsWith(`/${name}`)) return
        isDone = true
        await work()
      },
    }
  }

  it.each([true, false])(
    'a key that is sealed anew in that moment does not stay (on this machine: %s)',
    async (isMarked) => {
      const rig = await custodyRig()
      remove(rig, 'replica')
      const problems = await run(
        rig,
        once('key.age', () => rotate(rig, { isMarked })),
      )
      const kept = rig.objects('replica').length - 1
      expect(problems).toMatchObject({ problems: [], copied: kept, withheld: 1 })
      expect(rig.objects('replica')).toContain('key-001.age')
      for (const place of ['store', 'replica'] as const) expect(rig.objects(place)).not.toContain('key.age')
      expect(await replicateIntents(rig.dataDir).list()).toEqual([])
    },
  )

  it('a rotation that has stored its key only, and not destroyed the one before, costs no key', async () => {
    const rig = await custodyRig()
    writeFileSync(join(rig.stores.store, PREFIX, 'key-001.age'), 'sealed anew')
    remove(rig, 'replica')
    expect(await run(rig)).toMatchObject({ problems: [], withheld: 0 })
    for (const place of ['store', 'replica'] as const) {
      expect(rig.objects(place)).toEqual(expect.arrayContaining(['key-001.age', 'key.age']))
    }
  })

  it('a key that a rotation destroys behind our look at the names is not brought back, though the new one was there before', async () => {
    const rig = await custodyRig()
    writeFileSync(join(rig.stores.store, PREFIX, 'key-001.age'), 'sealed anew')
    remove(rig, 'replica')
    const destroy = async (): Promise<void> => {
      for (const { store } of rig.custody().places) await store.delete(`${PREFIX}/key.age`)
    }
    await run(rig, once('key.age', destroy))
    expect(rig.objects('replica')).toContain('key-001.age')
    expect(rig.objects('replica')).not.toContain('key.age')
  })

  it('a key is not brought past a later one that a rotation has put in both stores, and not used yet', async () => {
    const rig = await custodyRig()
    remove(rig, 'replica')
    const putLater = async (): Promise<void> => {
      for (const { store } of rig.custody().places) {
        await store.put(`${PREFIX}/key-001.age`, Buffer.from('sealed anew'))
      }
    }
    await run(rig, once('key.age', putLater))
    expect(rig.objects('replica')).not.toContain('key.age')
    expect(rig.objects('store')).toContain('key.age')
  })

  it.each(['replica', 'store'] as const)(
    'killed behind a key that was sealed anew meanwhile, the next start finds it in the %s',
    async (to) => {
      let left = 0
      for (let at = 0, isReached = true; isReached; at += 1) {
        const [rig, life] = [await custodyRig(), new Mortality(at)]
        remove(rig, to)
        let isRotated = false
        const wish = once('key.age', async () => {
          isRotated = true
          await rotate(rig, { isMarked: true })
        })
        await run(rig, { to, life, ...wish }).catch(() => {})
        isReached = life.count > at
        if (!isRotated) continue
        left += rig.objects(to).includes('key.age') ? 1 : 0
        await start(rig)
        for (const place of ['store', 'replica'] as const) {
          expect(rig.objects(place), `killed at ${at}`).not.toContain('key.age')
          expect(rig.objects(place), `killed at ${at}`).toContain('key-001.age')
        }
      }
      expect(left).toBeGreaterThan(0)
    },
  )

  it('killed while a key is there that only one store has left of a rotation, it loses none', async () => {
    const rig = await custodyRig()
    // The rotation of which the key before is still in the store has put its own in both; nobody knows whether it opens.
    for (const place of ['store', 'replica'] as const)
      writeFileSync(join(rig.stores[place], PREFIX, 'key-001.age'), 'new')
    remove(rig, 'replica', 'key.age')
    await replicateIntents(rig.dataDir).write(RECORDING_ID, [PREFIX, 'replica', 'key.age'].join('\n'))
    await start(rig)
    expect(rig.objects('store')).toContain('key.age')
  })

  it.each(['chunk-000000.age', 'chunk-000001.age', 'key.age', 'manifest.jws'])(
    'destroyed with its objects before %s is stored, nothing of it stays, killed at whatever step',
    async (name) => {
      const kept = (rig: CustodyRig): readonly string[] =>
        rig.objects('replica').filter((each) => !each.startsWith('custody-') && each !== 'manifest.jws')
      for (let at = 0, isReached = true; isReached; at += 1) {
        const [rig, life] = [await custodyRig(), new Mortality(at)]
        remove(rig, 'replica')
        let isDestroyed = false
        const wish = once(name, async () => {
          isDestroyed = true
          await shred({ ...rig.options(), scope: 'objects' })
        })
        await run(rig, { life, ...wish }).catch(() => {})
        isReached = life.count > at
        if (!isReached) expect(kept(rig)).toEqual([])
        if (isDestroyed) await start(rig)
        if (isDestroyed) expect(kept(rig), `killed at ${at}`).toEqual([])
      }
    },
  )

  it.each(['chunk-000000.age', 'key.age', 'manifest.jws'])(
    'a legal hold that comes before %s is stored is put on all that is there afterwards',
    async (name) => {
      const rig = await custodyRig()
      remove(rig, 'replica')
      const holds: Holds = new Map()
      expect(await run(rig, { holds, ...once(name, () => hold(rig)) })).toMatchObject({ held: 1, problems: [] })
      for (const each of rig.objects('replica')) expect(holds.get(`replica ${each}`), each).toBe(true)
    },
  )

  it.each([true, false])(
    'a legal hold that ends in that moment lets the stores go, unless there is one whose record is lost (%s)',
    async (isLost) => {
      const rig = await custodyRig()
      await hold(rig)
      remove(rig, 'replica')
      const holds: Holds = new Map()
      let isReleased = false
      const beforeHold = async (): Promise<void> => {
        if (isReleased) return
        isReleased = true
        await releaseHolds({ ...rig.options(), which: 'all' })
      }
      const lost = { holdId: RECORDING_ID, recordSha256: 'a'.repeat(64), knownBy: 'ledger' } as const
      const summary = await run(rig, { holds, beforeHold, knownHolds: isLost ? [lost] : [] })
      expect(summary).toMatchObject({ held: 1, problems: [] })
      expect(holds.get('replica key.age')).toBe(isLost)
    },
  )
})
