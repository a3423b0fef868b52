import { describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { UploadGate } from '../../../../src/server/storage/upload-gate.ts'
import { codeOf } from '../../../support/object-store-contract.ts'

const BYTES = new Uint8Array(1)

/** A store whose uploads end when the test says so. */
function heldStore() {
  const held: { readonly key: string; readonly end: (error?: Error) => void }[] = []
  const put = (key: string): Promise<void> =>
    new Promise((resolve, reject) => {
      held.push({ key, end: (error) => (error === undefined ? resolve() : reject(error)) })
    })
  return { held, store: { put } }
}

const failing = (code: string): Error => new EarwitnessError(code, 'It failed.', 'Mend it.')
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

describe('the gate before a store', () => {
  it('sends so many at once, and the next in the order they came', async () => {
    const { held, store } = heldStore()
    const gate = new UploadGate({ store, uploadsMax: 2, bytesPerSecondMax: 0 })
    const done = Promise.allSettled(['a', 'b', 'c', 'd'].map((key) => gate.put(key, BYTES)))
    await settled()
    expect(held.map(({ key }) => key)).toEqual(['a', 'b'])
    held[1]?.end()
    await settled()
    expect(held.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    expect(gate.active).toBe(2)
    held[0]?.end(failing('storage-busy'))
    await settled()
    expect(held.map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd'])
    for (const { end } of held) end()
    expect((await done).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
    expect(gate.active).toBe(0)
  })

  it('leaves a server alone that fails again and again, and tries at once when woken', async () => {
    const states: string[] = []
    const asked: string[] = []
    let isUp = false
    const store = {
      put: async (key: string) => {
        asked.push(key)
        if (!isUp) throw failing('storage-unreachable')
      },
    }
    const gate = new UploadGate({
      ...{ store, uploadsMax: 8, bytesPerSecondMax: 0, nowMs: () => 0, random: () => 0 },
      onState: (state) => states.push(state),
    })
    for (const key of ['1', '2', '3', '4', '5']) expect(await codeOf(gate.put(key, BYTES))).toBe('storage-unreachable')
    const waiting = [gate.put('6', BYTES), gate.put('7', BYTES)]
    await settled()
    expect(asked).toHaveLength(5)
    isUp = true
    gate.wake()
    await waiting[0]
    gate.wake()
    await waiting[1]
    expect(asked).toHaveLength(7)
    expect(states).toEqual(['open', 'trying', 'closed'])
  })

  it('does not take a conflict for a failing server', async () => {
    const store = { put: () => Promise.reject(failing('storage-conflict')) }
    const gate = new UploadGate({ store, uploadsMax: 1, bytesPerSecondMax: 0, nowMs: () => 0 })
    for (let times = 0; times < 20; times += 1) expect(await codeOf(gate.put('a', BYTES))).toBe('storage-conflict')
  })

  it('lets nothing wait for ever once it is stopped', async () => {
    const { store } = heldStore()
    const gate = new UploadGate({ store, uploadsMax: 1, bytesPerSecondMax: 1, nowMs: () => 0 })
    void gate.put('sent', BYTES)
    const inLine = gate.put('in line', BYTES)
    await settled()
    gate.stop()
    expect(await codeOf(inLine)).toBe('storage-stopped')
  })

  it('lets nothing wait for its bytes once it is stopped', async () => {
    const store = { put: async () => {} }
    const gate = new UploadGate({ store, uploadsMax: 2, bytesPerSecondMax: 1, nowMs: () => 0 })
    await gate.put('a', BYTES)
    const waiting = gate.put('b', BYTES)
    await settled()
    gate.stop()
    expect(await codeOf(waiting)).toBe('storage-stopped')
  })
})
