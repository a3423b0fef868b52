import { randomBytes } from 'node:crypto'

import fc from 'fast-check'
import { expect, it } from 'vitest'

import { parseIdentityFile, parseRecipient } from '../../src/evidence/age-keys.ts'
import { openSealed } from '../../src/evidence/age-open.ts'
import { sealedSize, sealToRecipients } from '../../src/evidence/age-seal.ts'
import { decodeBech32, encodeBech32 } from '../../src/evidence/bech32.ts'
import { canonicalJson } from '../../src/evidence/canonical-json.ts'
import { decodeManifest } from '../../src/evidence/manifest.ts'
import { findShapeFault } from '../../src/evidence/manifest-shape.ts'
import { describeVerdict, verifyRecording } from '../../src/evidence/verify.ts'
import { isObjectKey } from '../../src/server/storage/object-store.ts'
import { readerOf, RECORDING_ID, sampleRecording, vault, vectorSigner } from '../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()
const sample = await sampleRecording({
  chunks: [Buffer.from('OggS first'), Buffer.from('OggS second'), Buffer.from('OggS third')],
  snapshots: [Buffer.from('<recording/>')],
})
const names = [...sample.objects.keys()]

/** One thing that somebody with write access to the store might do. */
const tampering = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), name: fc.constantFrom(...names), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('cut' as const), name: fc.constantFrom(...names), at: fc.nat() }),
  fc.record({
    kind: fc.constant('append' as const),
    name: fc.constantFrom(...names),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), name: fc.constantFrom(...names) }),
  fc.record({ kind: fc.constant('copy' as const), name: fc.constantFrom(...names), to: fc.constantFrom(...names) }),
  fc.record({
    kind: fc.constant('add' as const),
    name: fc.stringMatching(/^[a-z]{1,8}\.age$/),
    bytes: fc.uint8Array(),
  }),
)

function tampered(act: typeof tampering extends fc.Arbitrary<infer Act> ? Act : never): Map<string, Uint8Array> {
  const objects = new Map(sample.objects)
  const bytes = objects.get(act.name) ?? new Uint8Array()
  switch (act.kind) {
    case 'flip': {
      const changed = Uint8Array.from(bytes)
      const at = act.at % bytes.length
      changed[at] = (changed[at] ?? 0) ^ (1 << act.bit)
      return objects.set(act.name, changed)
    }
    case 'cut':
      return objects.set(act.name, bytes.subarray(0, act.at % bytes.length))
    case 'append':
      return objects.set(act.name, Buffer.concat([bytes, act.bytes]))
    case 'remove':
      objects.delete(act.name)
      return objects
    case 'copy':
      return objects.set(act.to, bytes)
    default:
      return objects.set(act.name, act.bytes)
  }
}

it('whatever is done to the objects of a recording is found', async () => {
  await fc.assert(
    fc.asyncProperty(tampering, async (act) => {
      fc.pre(!(act.kind === 'copy' && act.name === act.to) && !(act.kind === 'add' && names.includes(act.name)))
      const verdict = await verifyRecording({
        recordingId: RECORDING_ID,
        objects: readerOf(tampered(act)),
        keys: [verifyKey],
      })
      expect(verdict.verified).toBe(false)
      expect(verdict.findings.length).toBeGreaterThan(0)
      expect(describeVerdict(verdict)).toMatch(/^NOT VERIFIED/)
    }),
    { numRuns: 400 },
  )
})

it('sealed bytes open again and have the size foretold', async () => {
  const lengths = fc.oneof(fc.nat(70_000), fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_072))
  await fc.assert(
    fc.asyncProperty(lengths, fc.integer({ min: 1, max: 4 }), async (length, recipients) => {
      const clear = randomBytes(length)
      const sealed = sealToRecipients(
        clear,
        Array.from({ length: recipients }, () => vault.recipient),
        randomBytes,
      )
      expect(sealed).toHaveLength(sealedSize(length, recipients))
      const opened = await openSealed(sealed, [vault.identity])
      expect(opened.ok && Buffer.from(opened.value).equals(clear)).toBe(true)
    }),
    { numRuns: 60 },
  )
})

it('Bech32 reads back what it wrote, and never two texts for the same bytes', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z-]{1,15}$/), fc.uint8Array({ maxLength: 40 }), (prefix, bytes) => {
      const text = encodeBech32(prefix, bytes)
      expect(decodeBech32(text)).toEqual({ ok: true, value: { prefix, bytes } })
      expect(decodeBech32(text.toUpperCase())).toEqual({ ok: true, value: { prefix, bytes } })
    }),
  )
})

it('Bech32 finds every single wrong character', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.nat(57),
      fc.integer({ min: 1, max: 31 }),
      (bytes, at, by) => {
        const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
        const text = encodeBech32('age', bytes)
        const index = 4 + at
        const changed = alphabet.charAt((alphabet.indexOf(text.charAt(index)) + by) % 32)
        expect(decodeBech32(text.slice(0, index) + changed + text.slice(index + 1)).ok).toBe(false)
      },
    ),
  )
})

it('canonical JSON is JSON, means the same, and does not depend on the order of members', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (value) => {
      const text = canonicalJson(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalJson(JSON.parse(text))).toBe(text)
      expect(canonicalJson(reversed(JSON.parse(text)))).toBe(text)
    }),
    { numRuns: 500 },
  )
})

it('no text and no bytes make a reader throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.anything(), async (text, bytes, value) => {
      expect(decodeManifest(text).ok).toBe(false)
      expect(parseRecipient(text).ok).toBe(false)
      expect(parseIdentityFile(text).ok).toBe(false)
      expect((await openSealed(bytes, [vault.identity])).ok).toBe(false)
      expect(findShapeFault(value)).toBeDefined()
    }),
    { numRuns: 300 },
  )
})

it('no key that is allowed leads out of the store', () => {
  const parts = fc.array(fc.constantFrom('..', '.', '/', 'a', '-', '\\', '\u0000', 'é', ' ', 'x.age'), {
    maxLength: 12,
  })
  fc.assert(
    fc.property(parts, (list) => {
      const key = list.join('')
      if (!isObjectKey(key)) return
      for (const segment of key.split('/')) expect(segment).toMatch(/^[a-zA-Z0-9][\w.-]*$/)
    }),
    { numRuns: 2_000 },
  )
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  )
}
