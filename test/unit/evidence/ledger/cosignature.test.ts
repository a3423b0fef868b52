import { describe, expect, it } from 'vitest'

import {
  decodeCheckpoint,
  onlySignedBy,
  readCheckpoint,
  signCheckpoint,
} from '../../../../src/evidence/ledger/checkpoint.ts'
import { checkCosignatures, cosign, findCosignature } from '../../../../src/evidence/ledger/cosignature.ts'
import { readWitnessKey, writeWitnessKey, type WitnessKey } from '../../../../src/evidence/ledger/witness-key.ts'
import { noteKeyId, parseNote } from '../../../../src/evidence/ledger/signed-note.ts'
import { vectorText } from '../../../vectors/evidence/sample-recording.ts'

/** Vectors with fixed keys, written by another implementation: see the README beside them. */

const vectors = JSON.parse(vectorText('../ledger/cosignatures.json')) as {
  readonly log: { readonly seed: string; readonly key: string; readonly keyId: string }
  readonly note: string
  readonly witnesses: readonly {
    readonly seed: string
    readonly key: string
    readonly unixSeconds: number
    readonly line: string
  }[]
}

/** The Ed25519 key of a seed. RFC 8037 2: `d` is the seed, `x` the public key. */
async function signerOf(seed: string, key: string) {
  const x = Buffer.from(key, 'base64').subarray(1).toString('base64url')
  const jwk = { kty: 'OKP', crv: 'Ed25519', x }
  const d = Buffer.from(seed, 'hex').toString('base64url')
  const { subtle } = globalThis.crypto
  const privateKey = await subtle.importKey('jwk', { ...jwk, d }, 'Ed25519', true, ['sign'])
  const publicKey = await subtle.importKey('jwk', jwk, 'Ed25519', true, ['verify'])
  return { signingKey: { keyId: seed, privateKey }, verifyKey: { keyId: seed, publicKey } }
}

const parsed = parseNote(vectors.note)
if (!parsed.ok) throw new Error(parsed.reason)
const { text } = parsed.value
const log = await signerOf(vectors.log.seed, vectors.log.key)
const [first, second] = vectors.witnesses
if (first === undefined || second === undefined) throw new Error('vectors are missing')

/** Base64 has pluses too. */
function partsOf(key: string): readonly [string, string, string] {
  const [name = '', keyId = '', ...rest] = key.split('+')
  return [name, keyId, rest.join('+')]
}

async function keyOf(encoded: string): Promise<WitnessKey> {
  const key = await readWitnessKey(encoded)
  if (!key.ok) throw new Error(key.reason)
  return key.value
}

describe('the vectors', () => {
  it('of a checkpoint are what its signer writes', async () => {
    const read = await readCheckpoint(vectors.note, [log.verifyKey])
    if (!read.ok) throw new Error(read.reason)
    expect(await noteKeyId(`earwitness/${read.value.logId}`, log.verifyKey)).toBe(vectors.log.keyId)
    expect(await signCheckpoint(read.value, log)).toBe(vectors.note)
  })

  it.each(vectors.witnesses)('of $key are what this witness writes', async ({ seed, key, unixSeconds, line }) => {
    const [name, keyId, encoded] = partsOf(key)
    const witness = await signerOf(seed, encoded)
    expect(await writeWitnessKey(name, witness.verifyKey)).toBe(key)
    expect((await keyOf(key)).keyId).toBe(keyId)
    // Of a second only the whole ones count.
    expect(await cosign(text, { ...witness, name, nowUnixMs: unixSeconds * 1_000 + 999 })).toBe(line)
  })

  it('of cosignatures are read, of one witness and of both', async () => {
    const keys = await Promise.all(vectors.witnesses.map(({ key }) => keyOf(key)))
    const lines = vectors.witnesses.map(({ line }) => line).join('')
    expect(await checkCosignatures(text, lines, keys)).toEqual({
      ok: true,
      value: keys.map(({ name, keyId }, index) => ({
        ...{ witness: name, keyId },
        at: new Date((vectors.witnesses[index]?.unixSeconds ?? Number.NaN) * 1_000).toISOString(),
      })),
    })
    expect(await checkCosignatures(text, lines, keys.slice(1))).toMatchObject({
      ok: true,
      value: [{ keyId: keys[1]?.keyId }],
    })
    expect(await findCosignature(text, lines, await keyOf(second.key))).toBe(second.line)
  })
})

describe('a cosignature', () => {
  it('is of one checkpoint, one time, one name and one key', async () => {
    const key = await keyOf(first.key)
    const blob = Buffer.from(first.line.trim().split(' ')[2] ?? '', 'base64')
    const lineOf = (bytes: Uint8Array, name = key.name): string =>
      `\u2014 ${name} ${Buffer.from(bytes).toString('base64')}\n`
    expect(await findCosignature(text, lineOf(blob), key)).toBe(first.line)
    expect(await findCosignature(text.replace('\n12\n', '\n13\n'), first.line, key)).toBeUndefined()
    for (let place = 0; place < blob.length; place += 1) {
      const bent = blob.with(place, (blob[place] ?? 0) ^ 1)
      expect(await findCosignature(text, lineOf(bent), key), `byte ${place}`).toBeUndefined()
    }
    expect(await findCosignature(text, lineOf(blob.subarray(0, -1)), key)).toBeUndefined()
    expect(await findCosignature(text, lineOf(Buffer.concat([blob, Buffer.alloc(1)])), key)).toBeUndefined()
    expect(await findCosignature(text, lineOf(blob, 'other.example.com'), key)).toBeUndefined()
  })

  it('by a time that no date has is none', async () => {
    const key = await keyOf(first.key)
    const blob = Buffer.concat([Buffer.from(key.keyId, 'hex'), Buffer.alloc(8, 0xff), Buffer.alloc(64)])
    const line = `\u2014 ${key.name} ${blob.toString('base64')}\n`
    expect(await checkCosignatures(text, line, [key])).toEqual({ ok: false, reason: 'forged' })
  })
})

describe('the key of a witness', () => {
  const { key } = first
  it.each([
    ['nothing', ''],
    ['a blank in its name', key.replace('witness', 'wit ness')],
    ['no name', key.slice(key.indexOf('+'))],
    ['a name of 201 characters', `${'x'.repeat(201)}${key.slice(key.indexOf('+'))}`],
    ['another name', `x${key}`],
    ['another id', key.replace('+8', '+9')],
    ['an id in capitals', key.replace('8c42feec', '8C42FEEC')],
    ['the key of a log (0x01)', key.replace('+BIE5', '+AYE5')],
    ['one byte less', key.slice(0, -4)],
    ['one byte more', `${key}AAAA`],
    ['two of them', `${key}\n${key}`],
  ])('is refused with %s', async (_what, encoded) => {
    expect(await readWitnessKey(encoded)).toEqual({ ok: false, reason: 'notWitnessKey' })
  })

  it('is read with blanks around it, as it is pasted', async () => {
    expect(await readWitnessKey(` ${key}\n`)).toMatchObject({ ok: true, value: { name: 'witness.example.com' } })
  })
})

it('of a checkpoint, the line of one signer can be kept alone', async () => {
  const other = await signerOf(first.seed, partsOf(first.key)[2])
  const decoded = decodeCheckpoint(vectors.note)
  if (!decoded.ok) throw new Error(decoded.reason)
  const { checkpoint } = decoded.value
  const theirs = await signCheckpoint(checkpoint, other)
  const both = decodeCheckpoint(vectors.note + theirs.slice(theirs.indexOf('\u2014')) + first.line)
  if (!both.ok) throw new Error(both.reason)
  const of = { note: both.value.note, logId: checkpoint.logId }
  expect(await onlySignedBy(log.verifyKey, of)).toBe(vectors.note)
  expect(await onlySignedBy(other.verifyKey, of)).toBe(theirs)
})
