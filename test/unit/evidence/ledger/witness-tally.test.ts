import { expect, it, test } from 'vitest'

import { cosign } from '../../../../src/evidence/ledger/cosignature.ts'
import { readWitnessKey, writeWitnessKey } from '../../../../src/evidence/ledger/witness-key.ts'
import { areWitnessesDue, CHECKPOINT_STALE_MS, WitnessTally } from '../../../../src/evidence/ledger/witness-tally.ts'
import { vectorSigner } from '../../../vectors/evidence/sample-recording.ts'

const signer = await vectorSigner()
const BEGUN_AT_UNIX_MS = Date.parse('2026-11-29T09:00:00.000Z')
const names = ['one.example.com', 'two.example.com']
const witnesses = await Promise.all(
  names.map(async (name) => {
    const key = await readWitnessKey(await writeWitnessKey(name, signer.verifyKey))
    if (!key.ok) throw new Error(key.reason)
    return key.value
  }),
)

/** Checkpoints, each of so many minutes after the first, with who has signed under it. */
async function tallied(...checkpoints: readonly (readonly [minutes: number, ...by: readonly string[]])[]) {
  const tally = new WitnessTally(witnesses)
  for (const [index, [minutes, ...by]] of checkpoints.entries()) {
    const atUnixMs = BEGUN_AT_UNIX_MS + minutes * 60_000
    const text = `checkpoint ${index}\n`
    const lines = await Promise.all(by.map((name) => cosign(text, { ...signer, name, nowUnixMs: atUnixMs })))
    const cosignatures = lines.length === 0 ? undefined : lines.join('')
    await tally.take({ text, size: index + 1, at: new Date(atUnixMs).toISOString(), cosignatures })
  }
  return {
    witnessed: tally.witnessed.map(({ witness, size }) => `${witness} ${size}`),
    unwitnessed: tally.unwitnessed,
    stale: tally.stale.map(({ witness, size }) => `${witness} ${size}`),
  }
}

it.each([
  ['nothing', []],
  ['one checkpoint without anybody', [[0]]],
] as const)('%s is signed by nobody, and nobody is stale', async (_what, checkpoints) => {
  expect(await tallied(...checkpoints)).toEqual({ witnessed: [], unwitnessed: names, stale: [] })
})

it('tells how far each has signed', async () => {
  expect(await tallied([0, ...names], [1, 'one.example.com'], [2])).toEqual({
    ...{ witnessed: ['one.example.com 2', 'two.example.com 1'], unwitnessed: [], stale: [] },
  })
})

it('calls stale who has signed, and then nothing for long', async () => {
  const minutes = CHECKPOINT_STALE_MS / 60_000
  // From the first checkpoint behind the one that was signed: a log may rest for a night.
  expect(await tallied([0, ...names], [600], [600 + minutes])).toMatchObject({ stale: [] })
  expect(await tallied([0, ...names], [600], [600 + minutes + 1])).toMatchObject({
    stale: names.map((name) => `${name} 1`),
  })
  expect(await tallied([0, ...names], [1], [12, 'two.example.com'], [13])).toMatchObject({
    stale: ['one.example.com 1'],
  })
  expect(await tallied([0, ...names], [1], [99], [100, ...names])).toMatchObject({ stale: [] })
  // Who has never signed is missing, and nothing else.
  expect(await tallied([0, 'one.example.com'], [99], [100, 'one.example.com'])).toMatchObject({
    ...{ unwitnessed: ['two.example.com'], stale: [] },
  })
})

it('counts nothing of what is forged, and says so', async () => {
  const tally = new WitnessTally(witnesses)
  const line = await cosign('another\n', { ...signer, name: 'one.example.com', nowUnixMs: BEGUN_AT_UNIX_MS })
  const checkpoint = { text: 'this\n', size: 1, at: '2026-11-29T09:00:00.000Z' }
  expect(await tally.take({ ...checkpoint, cosignatures: line })).toBe('forged')
  expect(await tally.take({ ...checkpoint, cosignatures: 'anything' })).toBe('unreadable')
  expect(await tally.take({ ...checkpoint, cosignatures: undefined })).toBeUndefined()
  expect(tally.unwitnessed).toEqual(names)
})

test('when witnesses have to have signed', () => {
  expect(
    [0, CHECKPOINT_STALE_MS, CHECKPOINT_STALE_MS + 1, Number.NaN].map((ageMs) => areWitnessesDue('inTime', ageMs)),
  ).toEqual([...[false, false, true, false]])
  expect([0, Number.NaN].map((ageMs) => areWitnessesDue('always', ageMs))).toEqual([true, true])
  expect(areWitnessesDue('never', CHECKPOINT_STALE_MS + 1)).toBe(false)
})
