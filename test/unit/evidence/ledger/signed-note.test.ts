import { importJWK } from 'jose'
import { describe, expect, it } from 'vitest'

import { decodeCheckpoint, readCheckpoint, signCheckpoint } from '../../../../src/evidence/ledger/checkpoint.ts'
import {
  checkNote,
  NOTE_LENGTH_MAX,
  noteKeyId,
  parseNote,
  signNote,
} from '../../../../src/evidence/ledger/signed-note.ts'
import type { VerifyKey } from '../../../../src/evidence/signer-keys.ts'
import { vectorSigner, vectorText } from '../../../vectors/evidence/sample-recording.ts'

const signer = await vectorSigner()
const LOG_ID = '019aaff1-0680-7abc-8def-0123456789aa'
const at = '2026-11-29T09:00:00.000Z'

/** The example of C2SP signed-note, which is that of Go's note package. */
const example = vectorText('../ledger/signed-note.txt')
const EXAMPLE_KEY = 'ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'

async function exampleKey(): Promise<VerifyKey> {
  const raw = Buffer.from(EXAMPLE_KEY, 'base64')
  expect(raw[0]).toBe(1)
  const x = raw.subarray(1).toString('base64url')
  const publicKey = await importJWK({ kty: 'OKP', crv: 'Ed25519', x, ext: true }, 'EdDSA')
  return { keyId: 'example', publicKey }
}

describe('a signed note', () => {
  it('is read as the example of the specification has it', async () => {
    const key = await exampleKey()
    expect(await noteKeyId('PeterNeumann', key)).toBe('c74f20a3')
    const note = parseNote(example)
    if (!note.ok) throw new Error(note.reason)
    expect(await checkNote(note.value, 'PeterNeumann', [signer.verifyKey, key])).toEqual({ ok: true, value: 'example' })
    expect(await checkNote(note.value, 'Somebody', [key])).toEqual({ ok: false, reason: 'signerUnknown' })
    const changed = { ...note.value, text: note.value.text.replace('answer', 'cause') }
    expect(await checkNote(changed, 'PeterNeumann', [key])).toEqual({ ok: false, reason: 'forged' })
  })

  it('reads back as it was signed, and signatures of others are passed over', async () => {
    const signed = await signNote('one\n\ntwo\n', 'example.com/log', signer)
    const cosigned = `${signed}\u2014 witness.example ${Buffer.alloc(76, 7).toString('base64')}\n`
    const note = parseNote(cosigned)
    if (!note.ok) throw new Error(note.reason)
    expect(note.value.text).toBe('one\n\ntwo\n')
    expect(note.value.signatures).toHaveLength(2)
    const { keyId } = signer.verifyKey
    expect(await checkNote(note.value, 'example.com/log', [signer.verifyKey])).toEqual({ ok: true, value: keyId })
  })

  it.each([
    ['text without signatures', 'text\n', 'notNote'],
    ['no line break at the end', example.trimEnd(), 'notNote'],
    ['a hyphen for the dash', example.replace('\u2014', '-'), 'notNote'],
    ['a name with a plus', example.replace('PeterNeumann', 'Peter+Neumann'), 'notNote'],
    ['no name', example.replace('PeterNeumann ', ''), 'notNote'],
    ['a signature that is not Base64', example.replace('x08go', 'x_8go'), 'notNote'],
    ['a signature of nothing but an id', example.replace(/x08go.*/, 'x08gow=='), 'notNote'],
    ['a carriage return', example.replace('\n', '\r\n'), 'notNote'],
    ['a lone surrogate', example.replace('If', '\ud800'), 'notNote'],
    ['a hundred and one signatures', example + (example.split('\n\n')[1] ?? '').repeat(100), 'tooLarge'],
    ['too much text', 'x'.repeat(NOTE_LENGTH_MAX) + example, 'tooLarge'],
  ])('is refused with %s', (_what, text, reason) => {
    expect(parseNote(text)).toMatchObject({ ok: false, reason })
  })

  it('is not made of what nobody could read', async () => {
    await expect(signNote('no line break', 'name', signer)).rejects.toThrow(TypeError)
    await expect(signNote('text\n', 'a name', signer)).rejects.toThrow(TypeError)
  })
})

describe('a checkpoint', () => {
  const checkpoint = { logId: LOG_ID, size: 12, root: new Uint8Array(32).fill(5), at }

  it('reads back as it was signed', async () => {
    const note = await signCheckpoint(checkpoint, signer)
    expect(note.split('\n').slice(0, 5)).toEqual([
      `earwitness/${LOG_ID}`,
      '12',
      `${'BQUF'.repeat(10)}BQU=`,
      `time ${at}`,
      '',
    ])
    expect(await readCheckpoint(note, [signer.verifyKey])).toEqual({ ok: true, value: checkpoint })
    expect(await readCheckpoint(note, [])).toEqual({ ok: false, reason: 'signerUnknown' })
    expect(await readCheckpoint(note, [await exampleKey()])).toEqual({ ok: false, reason: 'signerUnknown' })
  })

  it('is refused after any one character of it was changed', async () => {
    const note = await signCheckpoint(checkpoint, signer)
    for (let index = 0; index < note.length; index += 1) {
      const changed = note.slice(0, index) + (note[index] === 'A' ? 'B' : 'A') + note.slice(index + 1)
      expect((await readCheckpoint(changed, [signer.verifyKey])).ok, `character ${index}`).toBe(false)
    }
  })

  it('passes for one of this log only, whoever signed it for another', async () => {
    const other = `earwitness/${LOG_ID.replace('aa', 'ab')}`
    const text = `earwitness/${LOG_ID}\n12\n${'A'.repeat(43)}=\ntime ${at}\n`
    expect(await readCheckpoint(await signNote(text, other, signer), [signer.verifyKey])).toEqual({
      ok: false,
      reason: 'signerUnknown',
    })
  })

  it.each([
    ['another origin', (text: string) => text.replace('earwitness/', 'example.com/')],
    ['a size with a zero in front', (text: string) => text.replace('\n12\n', '\n012\n')],
    ['a size below zero', (text: string) => text.replace('\n12\n', '\n-1\n')],
    ['a short root', (text: string) => text.replace('BQUF', '')],
    ['no time', (text: string) => text.replace(/time .*\n/, '')],
    ['no such time', (text: string) => text.replace('2026-11', '2026-13')],
    ['a further line', (text: string) => text.replace('time', 'other line\ntime')],
  ])('is refused with %s', async (_what, change) => {
    const text = change(`earwitness/${LOG_ID}\n12\n${'BQUF'.repeat(10)}BQU=\ntime ${at}\n`)
    const note = await signNote(text, `earwitness/${LOG_ID}`, signer)
    expect(decodeCheckpoint(note)).toEqual({ ok: false, reason: 'notCheckpoint' })
  })
})
