import { expect, test } from 'vitest'

import { Cosigners, type AskedWitness } from '../../../../src/server/ledger/cosigners.ts'
import type { CosignResult, WitnessFault } from '../../../../src/server/ledger/witness-client.ts'
import { askedWitness } from '../../../../src/server/ledger/witness-keys.ts'
import { requestOf } from '../witness/witness-rig.ts'

/** What is remembered and said of witnesses, whatever they answer. */

const request = await requestOf(['a'])

function rig(...names: readonly string[]) {
  const answers = new Map<string, CosignResult>()
  const clock = { nowUnixMs: 1_000 }
  const failures: string[] = []
  const logged: string[] = []
  const witnesses: AskedWitness[] = names.map((name) => ({
    name,
    cosign: () => Promise.resolve(answers.get(name) ?? { ok: true, value: `${name} signs\n` }),
  }))
  const say = (fields: { readonly code?: string }, text: string) => logged.push(`${fields.code ?? 'ok'}: ${text}`)
  const make = (asked: readonly AskedWitness[] = witnesses) =>
    new Cosigners({
      witnesses: asked,
      log: { info: say, warn: say, error: say },
      failed: (reason) => failures.push(reason),
      nowUnixMs: () => clock.nowUnixMs,
    })
  const fail = (name: string, reason: WitnessFault): void => void answers.set(name, { ok: false, reason })
  return { make, answers, fail, clock, failures, logged }
}

test('the lines of those who sign are put together, in the order of the configuration', async () => {
  const { make, fail } = rig('a', 'b', 'c')
  fail('b', 'away')
  expect(await make().ask(request)).toBe('a signs\nc signs\n')
})

test('it is known since when the first of them has not signed, until all have', async () => {
  const { make, answers, fail, clock } = rig('a', 'b')
  const cosigners = make()
  const asked = async (nowUnixMs: number): Promise<number | undefined> => {
    clock.nowUnixMs = nowUnixMs
    await cosigners.ask(request)
    return cosigners.unsignedSinceUnixMs
  }
  expect(await asked(1_000)).toBeUndefined()
  fail('a', 'away')
  expect(await asked(2_000)).toBe(2_000)
  fail('a', 'refused')
  fail('b', 'superseded')
  expect(await asked(3_000)).toBe(2_000)
  answers.delete('a')
  expect(await asked(4_000)).toBe(3_000)
  answers.delete('b')
  expect(await asked(5_000)).toBeUndefined()
})

test.each([
  ['away', 'witness', undefined],
  ['refused', 'witness', undefined],
  ['unproved', 'witness', undefined],
  ['key-invalid', 'witness', undefined],
  ['ahead', 'witnessAhead', 'witnessAhead'],
  ['forked', 'witnessForked', 'witnessForked'],
  ['disputed', 'witnessDisputed', 'witnessDisputed'],
] as const)(
  '%s is counted each time, said once, and remembered when somebody was caught',
  async (reason, counted, problem) => {
    const { make, answers, fail, failures, logged } = rig('a')
    const cosigners = make()
    fail('a', reason)
    await cosigners.ask(request)
    await cosigners.ask(request)
    expect(failures).toEqual([counted, counted])
    expect(logged).toEqual([expect.stringContaining(`witness-${reason}: `)])
    expect(cosigners.problem).toBe(problem)
    answers.delete('a')
    await cosigners.ask(request)
    expect(logged).toHaveLength(2)
    // Whoever was caught does not get away by signing.
    expect(cosigners.problem).toBe(problem)
  },
)

test.each([
  [['disputed', 'forked'], 'witnessForked', 2],
  [['ahead', 'disputed', 'disputed'], 'witnessAhead', 1],
  [['forked', 'disputed', 'forked'], 'witnessForked', 1],
  [['away', 'disputed'], 'witnessDisputed', 2],
] as const)('of %o what is certain is remembered, and said once', async (reasons, problem, lines) => {
  const { make, fail, logged } = rig('a')
  const cosigners = make()
  for (const reason of reasons) {
    fail('a', reason)
    await cosigners.ask(request)
  }
  expect([cosigners.problem, logged.length]).toEqual([problem, lines])
})

test.each(['superseded', 'stopped'] as const)('%s is counted, and nothing is said', async (reason) => {
  const { make, fail, failures, logged } = rig('a')
  const cosigners = make()
  fail('a', reason)
  expect(await cosigners.ask(request)).toBe('')
  expect([failures, logged, cosigners.problem]).toEqual([['witness'], [], undefined])
})

test('a witness whose key is none is told of, and another one signs', async () => {
  const { make, logged } = rig()
  const wrong = await askedWitness({ url: 'http://127.0.0.1:9', key: 'a+8c42feec+AAAA' }, 1)
  const right: AskedWitness = { name: 'a', cosign: () => Promise.resolve({ ok: true, value: 'a signs\n' }) }
  expect(await make([wrong, right]).ask(request)).toBe('a signs\n')
  expect(wrong.name).toBe('ledger.witnesses[1]')
  expect(logged).toEqual(['witness-key-invalid: a witness does not sign under the ledger'])
})
