import { expect, test } from 'vitest'

import type { CustodyDecision } from '../../../../src/evidence/custody/custody-record.ts'
import { custodyName } from '../../../../src/evidence/object-names.ts'
import type { VerifyKey } from '../../../../src/evidence/signer-keys.ts'
import { isOnLegalHold } from '../../../../src/server/custody/legal-hold.ts'
import { readDecisions } from '../../../../src/server/custody/read-decisions.ts'
import { codeOf } from '../../../support/object-store-contract.ts'
import { RECORDING_ID, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'
import { decide, HOLD, SECOND_HOLD } from '../../evidence/custody/decide.ts'

const PREFIX = 'default/2025/11/24/some'
const ADD: CustodyDecision = { kind: 'holdAdded', holdId: HOLD }
const RELEASE: CustodyDecision = { kind: 'holdReleased', holdId: HOLD }
const { verifyKey } = await vectorSigner()

/** A store with objects of the recording. */
async function rig(...decisions: readonly CustodyDecision[]) {
  const objects = new Map<string, Uint8Array>([['key.age', Buffer.from('x')]])
  for (const decision of decisions) await decide(objects, decision)
  const store = {
    list: async (prefix: string) =>
      [...objects.keys()]
        .map((name) => ({ key: `${PREFIX}/${name}`, sizeBytes: 1 }))
        .filter(({ key }) => key.startsWith(prefix)),
    get: async (key: string) => objects.get(key.slice(PREFIX.length + 1)),
  }
  const recording = { recordingId: RECORDING_ID, prefix: PREFIX }
  const isHeld = (keys: readonly VerifyKey[] = [verifyKey]) => isOnLegalHold(store, recording, keys)
  const read = (keys: readonly VerifyKey[] = [verifyKey]) =>
    readDecisions({ get: async (name) => objects.get(name) }, objects.keys(), { recordingId: RECORDING_ID, keys })
  return { objects, store, recording, isHeld, read }
}

test.each<[string, readonly CustodyDecision[], boolean]>([
  ['nothing was decided', [], false],
  ['it was held', [ADD], true],
  ['it was released', [ADD, RELEASE], false],
  ['one of two holds was released', [ADD, { kind: 'holdAdded', holdId: SECOND_HOLD }, RELEASE], true],
  ['its destruction was ordered', [{ kind: 'shredBegun', scope: 'key' }], false],
])('%s: on hold is %s', async (_what, decisions, isHeld) => {
  expect(await (await rig(...decisions)).isHeld()).toBe(isHeld)
})

test('what cannot be believed may be a hold', async () => {
  const damaged = await rig(ADD, RELEASE)
  damaged.objects.set(custodyName(1), Buffer.from('a.b.c'))
  expect(await damaged.isHeld()).toBe(true)
  const gone = await rig(ADD, RELEASE)
  gone.objects.delete(custodyName(0))
  expect(await gone.isHeld()).toBe(true)
  expect(await (await rig(ADD, RELEASE)).isHeld([])).toBe(true)
})

test('a store that cannot be asked does not say that nothing holds', async () => {
  const { store, recording } = await rig(ADD)
  const silent = { ...store, list: () => Promise.reject(new Error('away')) }
  await expect(isOnLegalHold(silent, recording, [verifyKey])).rejects.toThrow('away')
  const halfSilent = { ...store, get: () => Promise.reject(new Error('away')) }
  await expect(isOnLegalHold(halfSilent, recording, [verifyKey])).rejects.toThrow('away')
})

test('decisions that cannot be believed are told with all that is wrong, and with what to do', async () => {
  const { read } = await rig(ADD, RELEASE)
  expect((await read()).state.holds).toEqual([])
  const hintOf = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason as Error & { hint: string },
    )
    return `${error?.message} ${error?.hint}`
  }
  expect(await codeOf(read([]))).toBe('custody-damaged')
  expect(await hintOf(read([]))).toMatch(/\[custody-unknown-signer\], and 1 more.*--key/)
  const mixed = await rig(ADD, RELEASE)
  mixed.objects.set(custodyName(1), Buffer.from('a.b.c'))
  expect(await hintOf(mixed.read())).toMatch(/custody-001\.jws .*\[custody-unreadable\] Nothing was done/)
  // A key would not mend what is damaged besides.
  expect(await hintOf(mixed.read([]))).toMatch(/\[custody-unknown-signer\], and 1 more Nothing was done/)
})
