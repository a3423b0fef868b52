import { expect, test } from 'vitest'

import { unwrapKey } from '../../../src/cli/stored-recording.ts'
import { sealToVault } from '../../../src/evidence/vault-seal.ts'
import { newVault, readerOf, vault, vectorRandom } from '../../vectors/evidence/sample-recording.ts'

const key = sealToVault(Buffer.from(`${vault.identity}\n`), [vault.recipient], vectorRandom('key'))
const unwrap = (wrapped: Uint8Array, identity: string) =>
  unwrapKey(readerOf(new Map([['key.age', wrapped]])), [identity], vault.recipient)

test('a key that was changed is told as changed, and not as one of another vault', async () => {
  expect(await unwrap(key, vault.identity)).toEqual([vault.identity])
  await expect(unwrap(key, newVault[0]?.identity ?? '')).rejects.toMatchObject({ code: 'identity-wrong' })
  const changed = Uint8Array.from(key)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  for (const wrapped of [changed, Buffer.from('no such file'), Buffer.alloc(20_000)])
    await expect(unwrap(wrapped, vault.identity)).rejects.toMatchObject({ code: 'recording-key-damaged' })
})
