import { expect, test } from 'vitest'

import { decodeDocument, readDocument, signDocument, type DocumentKind } from '../../../src/evidence/signed-document.ts'
import { signJson } from '../../../src/evidence/signed-json.ts'
import { vectorSigner } from '../../vectors/evidence/sample-recording.ts'

const { signingKey, verifyKey } = await vectorSigner()
const KIND: DocumentKind = {
  ...{ what: 'letter', format: 'letter/1', type: 'letter+jws', lengthMax: 400 },
  findFault: (value) => (typeof Reflect.get(Object(value), 'text') === 'string' ? undefined : 'text'),
}

test('what is signed is of the format of its kind, whatever it says itself', async () => {
  for (const body of [{ text: 'x' }, { text: 'x', format: 'letter/2' }]) {
    const jws = await signDocument(body, KIND, signingKey)
    const read = await readDocument(jws, KIND, [verifyKey])
    expect(read).toMatchObject({
      ok: true,
      value: { keyId: signingKey.keyId, body: { text: 'x', format: 'letter/1' } },
    })
  }
})

test('nobody signs what no verifier accepts', async () => {
  await expect(signDocument({ text: 1 }, KIND, signingKey)).rejects.toThrow(/letter is not of format 1 at text/)
  await expect(signDocument({ text: 'x'.repeat(400) }, KIND, signingKey)).rejects.toThrow(/too long/)
})

test.each<[string, object, string]>([
  ['of another format', { text: 'x', format: 'letter/2' }, 'format'],
  ['of none', { text: 'x' }, 'format'],
  ['of another shape', { text: 1, format: 'letter/1' }, 'shape'],
])('one %s is not read', async (_what, body, reason) => {
  const jws = await signJson(body, KIND.type, signingKey)
  expect(decodeDocument(jws, KIND)).toMatchObject({ ok: false, reason })
})

test('a letter is read up to its longest, and believed of those trusted alone', async () => {
  const jws = await signDocument({ text: 'x' }, KIND, signingKey)
  expect(decodeDocument(jws, { ...KIND, lengthMax: jws.length })).toMatchObject({ ok: true })
  expect(decodeDocument(jws, { ...KIND, lengthMax: jws.length - 1 })).toMatchObject({ ok: false, reason: 'tooLarge' })
  await expect(signDocument({ text: 'x' }, { ...KIND, lengthMax: jws.length }, signingKey)).resolves.toBe(jws)
  expect(await readDocument(jws, KIND, [])).toMatchObject({ ok: false, reason: 'signerUnknown' })
})
