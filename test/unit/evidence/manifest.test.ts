import { generateKeyPairSync } from 'node:crypto'

import { base64url, CompactSign } from 'jose'
import { describe, expect, it } from 'vitest'

import { canonicalJson } from '../../../src/evidence/canonical-json.ts'
import {
  decodeManifest,
  MANIFEST_LENGTH_MAX,
  MANIFEST_TYPE,
  readManifest,
  signManifest,
} from '../../../src/evidence/manifest.ts'
import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { findShapeFault } from '../../../src/evidence/manifest-shape.ts'
import { ENTRIES_MAX, TEXT_LENGTH_MAX } from '../../../src/evidence/shape-checks.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../../src/evidence/running-hash.ts'
import { readSigningKey, readVerifyKey } from '../../../src/evidence/signer-keys.ts'
import { sampleRecording, sha256, vectorSigner, vectorText } from '../../vectors/evidence/sample-recording.ts'

const { signingKey, verifyKey } = await vectorSigner()
const { body } = await sampleRecording({
  chunks: [Buffer.from('one'), Buffer.from('two')],
  snapshots: [Buffer.from('x')],
})

async function signedAs(payload: string, header: Record<string, unknown>): Promise<string> {
  return new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: 'EdDSA', kid: signingKey.keyId, typ: MANIFEST_TYPE, ...header })
    .sign(signingKey.privateKey)
}

describe('a signed manifest', () => {
  it('reads back as it was written', async () => {
    const jws = await signManifest(body, signingKey)
    expect(await readManifest(jws, [verifyKey])).toEqual({ ok: true, value: body })
    expect(decodeManifest(jws)).toEqual({ ok: true, value: { keyId: verifyKey.keyId, body } })
  })

  it('has exactly the header and the canonical payload that FORMAT.md asks for', async () => {
    const [header, payload] = (await signManifest(body, signingKey)).split('.')
    expect(new TextDecoder().decode(base64url.decode(header ?? ''))).toBe(
      `{"alg":"EdDSA","kid":"${signingKey.keyId}","typ":"earwitness-manifest+jws"}`,
    )
    expect(new TextDecoder().decode(base64url.decode(payload ?? ''))).toBe(canonicalJson(body))
  })

  it('may carry members that a later version adds', async () => {
    const later = { ...body, added: { nested: [1] }, chunks: body.chunks.map((chunk) => ({ ...chunk, added: true })) }
    expect(await readManifest(await signManifest(later, signingKey), [verifyKey])).toEqual({ ok: true, value: later })
  })

  it('is refused after any one character of it was changed', async () => {
    const jws = await signManifest(body, signingKey)
    for (let index = 0; index < jws.length; index += index < 200 || index > jws.length - 90 ? 1 : 37) {
      const changed = jws.slice(0, index) + (jws[index] === 'A' ? 'B' : 'A') + jws.slice(index + 1)
      expect((await readManifest(changed, [verifyKey])).ok, `character ${index}`).toBe(false)
    }
  })

  it('is refused with characters that Base64 decoders like to overlook', async () => {
    const jws = await signManifest(body, signingKey)
    for (const changed of [`${jws}\n`, ` ${jws}`, `${jws}=`, `${jws}.`, jws.replace('.', '.\n'), `\ufeff${jws}`]) {
      expect(await readManifest(changed, [verifyKey])).toMatchObject({ ok: false, reason: 'notJws' })
    }
  })

  it('is told apart when signed by an unknown key, and when forged in the name of a known one', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const stranger = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
    if (!stranger.ok) throw new Error('unreadable key')
    const foreign = await signManifest(body, stranger.value)
    expect(await readManifest(foreign, [verifyKey])).toMatchObject({ ok: false, reason: 'signerUnknown' })
    const forged = await signManifest(body, { ...stranger.value, keyId: signingKey.keyId })
    expect(await readManifest(forged, [verifyKey])).toMatchObject({ ok: false, reason: 'forged' })
  })

  it('verifies with the right one of several keys, and with none when none is trusted', async () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    const stranger = await readVerifyKey(publicKey.export({ format: 'pem', type: 'spki' }).toString())
    if (!stranger.ok) throw new Error('unreadable key')
    const jws = await signManifest(body, signingKey)
    expect((await readManifest(jws, [stranger.value, verifyKey])).ok).toBe(true)
    expect(await readManifest(jws, [])).toMatchObject({ ok: false, reason: 'signerUnknown' })
  })

  it.each([
    ['another type of statement', canonicalJson(body), { typ: 'JWT' }, 'notJws'],
    ['a header with more in it', canonicalJson(body), { jku: 'https://example.invalid/' }, 'notJws'],
    ['a payload with blanks', JSON.stringify(body, null, 1), {}, 'notCanonical'],
    ['a payload with a member twice', canonicalJson(body).replace('{', '{"format":"x",'), {}, 'notCanonical'],
    ['a payload that is not JSON', 'hello', {}, 'notCanonical'],
    ['a payload that is no object', '[]', {}, 'format'],
    ['a later format', canonicalJson({ ...body, format: 'earwitness-manifest/2' }), {}, 'format'],
    ['a member of the wrong type', canonicalJson({ ...body, durationSamples: '1' }), {}, 'shape'],
  ])('is refused with %s, whoever signed it', async (_what, payload, header, reason) => {
    expect(await readManifest(await signedAs(payload, header), [verifyKey])).toMatchObject({ ok: false, reason })
  })

  it('never gets away with "none" or another algorithm', async () => {
    const payload = base64url.encode(canonicalJson(body))
    const none = base64url.encode(`{"alg":"none","kid":"${signingKey.keyId}","typ":"${MANIFEST_TYPE}"}`)
    expect(await readManifest(`${none}.${payload}.`, [verifyKey])).toMatchObject({ ok: false, reason: 'notJws' })
  })

  it.each(['', '.', '..', '...', 'a.b', 'a.b.c.d', '\u0000', 'e30.e30.e30'])('is not %j', async (jws) => {
    expect((await readManifest(jws, [verifyKey])).ok).toBe(false)
  })

  it('is not read when it is larger than any manifest', async () => {
    const huge = 'A'.repeat(MANIFEST_LENGTH_MAX + 1)
    expect(await readManifest(huge, [verifyKey])).toMatchObject({ ok: false, reason: 'tooLarge' })
  })

  it('is not signed when no verifier would accept it', async () => {
    const wrong = { ...body, startedAt: 'yesterday' }
    await expect(signManifest(wrong, signingKey)).rejects.toThrow(/startedAt/)
  })
})

describe('findShapeFault names the place', () => {
  const chunk = body.chunks[0]
  it.each<[string, unknown]>([
    ['(whole)', null],
    ['(whole)', []],
    ['recordingId', { ...body, recordingId: 1 }],
    ['tenant', { ...body, tenant: 'x'.repeat(TEXT_LENGTH_MAX + 1) }],
    ['startedAt', { ...body, startedAt: '2026-11-23T09:00:00Z' }],
    ['startedAt', { ...body, startedAt: '2026-13-23T09:00:00.000Z' }],
    ['originAt', { ...body, originAt: null }],
    ['state', { ...body, state: 'done' }],
    ['durationSamples', { ...body, durationSamples: 1.5 }],
    ['durationSamples', { ...body, durationSamples: -1 }],
    ['wrappedKey.sha256', { ...body, wrappedKey: { ...body.wrappedKey, sha256: 'ABC' } }],
    ['chunks', { ...body, chunks: Array.from({ length: ENTRIES_MAX + 1 }, () => chunk) }],
    ['chunks[1].name', { ...body, chunks: [chunk, { ...chunk, name: '../secret' }] }],
    ['chunks[0].name', { ...body, chunks: [{ ...chunk, name: '.hidden' }] }],
    ['chunks[0].name', { ...body, chunks: [{ ...chunk, name: 'a'.repeat(101) }] }],
    [
      'streams[0].gaps[0].cause',
      { ...body, streams: [{ ...body.streams[0], gaps: [{ fromSample: 0, toSample: 1, cause: 'x' }] }] },
    ],
    [
      'streams[0].ledger.gapSamples.held',
      {
        ...body,
        streams: [
          {
            ...body.streams[0],
            ledger: { audioSamples: 0, unlistedGapSamples: 0, gapSamples: { lost: 0, silence: 0, noMedia: 0 } },
          },
        ],
      },
    ],
    ['incidents[0].at', { ...body, incidents: [{ code: 'x', detail: 'y' }] }],
    ['clock.status', { ...body, clock: { status: 'fine' } }],
    ['snapshots[0].valid', { ...body, snapshots: [{ ...body.snapshots[0], valid: 'yes' }] }],
  ])('%s', (path, value) => {
    expect(findShapeFault(value)).toBe(path)
  })

  it('and nothing when all is well, with or without optional members', () => {
    const { originAt, ...without } = body
    expect(originAt).toBeDefined()
    expect(findShapeFault(body)).toBeUndefined()
    expect(findShapeFault(without)).toBeUndefined()
  })

  it('protection: of a manifest older than it, of one that has it, and of one in which it is no list of texts', () => {
    const withProtection = (protection: unknown) => ({
      ...body,
      streams: body.streams.map((stream) => ({ ...stream, protection })),
    })
    expect(body.streams.every(({ protection }) => protection === undefined)).toBe(true)
    expect(findShapeFault(withProtection(['none', 'AES_CM_128_HMAC_SHA1_80']))).toBeUndefined()
    expect(findShapeFault(withProtection('none'))).toBe('streams[0].protection')
    expect(findShapeFault(withProtection([1]))).toBe('streams[0].protection[0]')
  })

  it('does not read members from a prototype', () => {
    const inherited: unknown = Object.create(body)
    expect(findShapeFault(inherited)).toBe('recordingId')
  })
})

describe('the running hash', () => {
  it('is the SHA-256 of the text in FORMAT.md', () => {
    const chunk = sha256(Buffer.from('chunk'))
    expect(RUNNING_HASH_START).toBe('0'.repeat(64))
    expect(nextRunningHash('chunk', RUNNING_HASH_START, chunk)).toBe(
      sha256(Buffer.from(`earwitness-chunk-chain/1\n${'0'.repeat(64)}\n${chunk}\n`)),
    )
  })

  it('depends on every chunk and on their order', () => {
    const [one, two] = [sha256(Buffer.from('1')), sha256(Buffer.from('2'))]
    const forward = nextRunningHash('chunk', nextRunningHash('chunk', RUNNING_HASH_START, one), two)
    const backward = nextRunningHash('chunk', nextRunningHash('chunk', RUNNING_HASH_START, two), one)
    expect(forward).not.toBe(backward)
  })
})

describe('signer keys', () => {
  it('have the fingerprint of RFC 7638 and RFC 8037 A.3', async () => {
    const pem =
      '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n'
    const key = await readVerifyKey(pem)
    expect(key.ok && key.value.keyId).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
  })

  it('have one fingerprint for both halves', () => {
    expect(signingKey.keyId).toBe(verifyKey.keyId)
  })

  it('are refused when they are something else', async () => {
    const pem = vectorText('recording-1/signer.pem')
    const pub = vectorText('recording-1/signer.pub.pem')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const x25519 = generateKeyPairSync('x25519')
    expect(await readSigningKey(pub)).toMatchObject({ ok: false, reason: 'notPem' })
    expect(await readVerifyKey(pem)).toMatchObject({ ok: false, reason: 'notPem' })
    for (const { publicKey, privateKey } of [rsa, x25519]) {
      const wrongPublic = publicKey.export({ format: 'pem', type: 'spki' }).toString()
      const wrongPrivate = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
      expect(await readVerifyKey(wrongPublic)).toMatchObject({ ok: false, reason: 'notEd25519' })
      expect(await readSigningKey(wrongPrivate)).toMatchObject({ ok: false, reason: 'notEd25519' })
    }
    expect(await readVerifyKey(pub.replace('MC', 'AA'))).toMatchObject({ ok: false, reason: 'notEd25519' })
  })
})

it('a body with every member is of the type the recorder fills', () => {
  const typed: ManifestBody = body
  expect(typed.format).toBe('earwitness-manifest/1')
})
