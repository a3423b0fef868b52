import { beforeAll, beforeEach, expect, test } from 'vitest'

import { EarwitnessError } from '../../../src/errors.ts'
import { openHeldIdentities } from '../../../src/evidence/held-objects.ts'
import type { VaultService } from '../../../src/evidence/vault-open.ts'
import { sealToVault } from '../../../src/evidence/vault-seal.ts'
import type { HeldEntry } from '../../../src/evidence/held-entry.ts'
import type { ManifestBody } from '../../../src/evidence/manifest.ts'
import { describeVerdict, verifyRecording, type Verdict } from '../../../src/evidence/verify.ts'
import { openAudio } from '../../../src/cli/stored-recording.ts'
import { withSilenceBefore } from '../../../src/cli/export/held-silence.ts'
import { flattenLinks } from '../../../src/media/flatten-links.ts'
import { readOggOpus } from '../../../src/media/ogg-opus.ts'
import { pcmOf, sealedHeldRecording } from '../../support/held-recording.ts'
import { vault } from '../../support/recording-rig.ts'
import {
  readerOf,
  RECORDING_ID,
  rsaVault,
  sha256,
  storeManifest,
  vectorRandom,
  vectorSigner,
} from '../../vectors/evidence/sample-recording.ts'

const HELD_KEY = 'held-key-000.age'
const DECIDED = { cause: 'agreed', decidedAt: '2026-11-23T09:00:03.000Z' } as const
const KEPT: Partial<HeldEntry> = { outcome: 'kept', ...DECIDED }
const DESTROYED: Partial<HeldEntry> = { outcome: 'destroyed', ...DECIDED }

let body: ManifestBody
let sealed: ReadonlyMap<string, Uint8Array>
let objects: Map<string, Uint8Array>

beforeAll(() => {
  ;({ body, sealed } = sealedHeldRecording())
})

beforeEach(() => {
  objects = new Map(sealed)
})

/** What its manifest says of the held part; the key is where that says. */
async function decided(change: Partial<HeldEntry>): Promise<void> {
  if (change.outcome !== 'kept') objects.delete(HELD_KEY)
  await storeManifest(objects, { ...body, held: (body.held ?? []).map((entry) => ({ ...entry, ...change })) })
}

async function verdict(): Promise<Verdict> {
  const { verifyKey } = await vectorSigner()
  const options = { recordingId: RECORDING_ID, keys: [verifyKey], identities: [vault.identity] }
  return verifyRecording({ ...options, objects: readerOf(objects) })
}

async function findings(): Promise<readonly string[]> {
  return (await verdict()).findings.map(({ code, name }) => (name === undefined ? code : `${code} ${name}`))
}

const heldChunks = () => body.chunks.filter(({ heldSeq }) => heldSeq !== undefined).map(({ name }) => name)
const ownChunks = () => body.chunks.filter(({ heldSeq }) => heldSeq === undefined).map(({ name }) => name)

test('what was kept is there, opens whole, and is said to have been held', async () => {
  await decided(KEPT)
  const found = await verdict()
  expect(found.findings).toEqual([])
  expect(found.counts).toMatchObject({ chunks: body.chunks.length, chunksOpened: body.chunks.length })
  expect(describeVerdict(found)).toMatch(/Held until consent from 0.000 s to 2\.\d+ s: it was kept \(agreed\)/)
})

test('a held key that is sealed to a deleted key of a service is not opened, and the rest is', async () => {
  const kms = rsaVault['aws-kms']
  const service = (code: string): VaultService => ({
    ...{ provider: 'aws-kms', fingerprints: new Set([kms.fingerprint]) },
    open: () => Promise.reject(new EarwitnessError(code, 'refused', 'hint')),
  })
  const wrapped = sealToVault(Buffer.from('AGE-SECRET-KEY-1\n'), [kms], vectorRandom('held'))
  objects.set(HELD_KEY, wrapped)
  const wrappedKey = { name: HELD_KEY, sha256: sha256(wrapped), sizeBytes: wrapped.length }
  await decided({ ...KEPT, wrappedKey })
  const { verifyKey } = await vectorSigner()
  const verify = (code: string): Promise<Verdict> =>
    verifyRecording({
      ...{ recordingId: RECORDING_ID, keys: [verifyKey], identities: [vault.identity, service(code)] },
      objects: readerOf(objects),
    })
  const { findings: found, counts } = await verify('vault-key-missing')
  expect(found.map(({ code }) => code)).toContain('held-key-unreadable')
  expect(counts.chunksOpened).toBe(ownChunks().length)
  const kept = { held: (body.held ?? []).map((entry) => ({ ...entry, ...KEPT, wrappedKey })) }
  const open = (code: string) => openHeldIdentities(kept, readerOf(objects), [service(code)])
  expect(await open('vault-key-missing')).toEqual([undefined])
  await expect(open('vault-service-away')).rejects.toMatchObject({ code: 'vault-service-away' })
})

test('what was destroyed is no finding, be its objects there or not, and nobody opens it', async () => {
  await decided(DESTROYED)
  const found = await verdict()
  expect(found.findings).toEqual([])
  expect(found.counts).toMatchObject({ chunksIntact: body.chunks.length, chunksOpened: ownChunks().length })
  expect(describeVerdict(found)).toContain('its key was destroyed')
  for (const name of [...heldChunks(), 'held-peaks-000.age']) objects.delete(name)
  expect(await findings()).toEqual([])
})

test('of what nobody had decided about the key may be there or not', async () => {
  await decided({ outcome: 'pending' })
  expect(await findings()).toEqual([])
  objects.set(HELD_KEY, sealed.get(HELD_KEY) ?? new Uint8Array(0))
  expect((await verdict()).counts.chunksOpened).toBe(body.chunks.length)
  expect(await findings()).toEqual([])
})

test('a destroyed part excuses nothing else', async () => {
  await decided(DESTROYED)
  const [held = ''] = heldChunks()
  const [own = ''] = ownChunks()
  objects.delete(own)
  objects.set(held, Buffer.concat([sealed.get(held) ?? Buffer.alloc(0), Buffer.from('x')]))
  expect(await findings()).toEqual([`chunk-changed ${held}`, `chunk-missing ${own}`])
})

test('a key that is there after all is found', async () => {
  await decided(DESTROYED)
  objects.set(HELD_KEY, sealed.get(HELD_KEY) ?? new Uint8Array(0))
  expect(await findings()).toEqual([`held-key-present ${HELD_KEY}`])
})

test('of what was kept nothing may be missing, nor be another', async () => {
  await decided(KEPT)
  const [held = ''] = heldChunks()
  objects.delete(held)
  expect(await findings()).toEqual([`chunk-missing ${held}`])
  objects.set(held, sealed.get(held) ?? new Uint8Array(0))
  objects.delete(HELD_KEY)
  expect(await findings()).toEqual([`held-key-missing ${HELD_KEY}`])
  objects.set(HELD_KEY, sealed.get('key.age') ?? new Uint8Array(0))
  expect(await findings()).toContain(`held-key-swapped ${HELD_KEY}`)
})

test('a key that belongs to nothing held is found, whatever its hash is said to be', async () => {
  const key = sealed.get('key.age') ?? new Uint8Array(0)
  const { createHash } = await import('node:crypto')
  const sha256 = createHash('sha256').update(key).digest('hex')
  objects.set(HELD_KEY, key)
  await storeManifest(objects, {
    ...body,
    held: (body.held ?? []).map((entry) => ({
      ...entry,
      ...KEPT,
      wrappedKey: { ...entry.wrappedKey, sha256, sizeBytes: key.length },
    })),
  })
  expect(await findings()).toContain(`held-key-wrong ${HELD_KEY}`)
})

test('an outcome that was edited is a forgery', async () => {
  await decided(KEPT)
  const jws = Buffer.from(objects.get('manifest.jws') ?? new Uint8Array(0)).toString()
  const [header, payload = '', signature] = jws.split('.')
  const edited = Buffer.from(payload, 'base64url').toString().replace('"outcome":"kept"', '"outcome":"destroyed"')
  objects.set('manifest.jws', Buffer.from([header, Buffer.from(edited).toString('base64url'), signature].join('.')))
  expect(await findings()).toContain('manifest-forged manifest.jws')
})

test('even who can sign cannot pass a held chunk for a free one, or a free one for held', async () => {
  const [held = ''] = heldChunks()
  const [own = ''] = ownChunks()
  const withHeldSeq = (name: string, heldSeq: number | undefined): ManifestBody => ({
    ...body,
    held: (body.held ?? []).map((entry) => ({ ...entry, ...DESTROYED })),
    chunks: body.chunks.map((chunk) => {
      if (chunk.name !== name) return chunk
      const { heldSeq: _, ...rest } = chunk
      return heldSeq === undefined ? rest : { ...rest, heldSeq }
    }),
  })
  objects.delete(HELD_KEY)
  await storeManifest(objects, withHeldSeq(own, 0))
  expect(await findings()).toContain(`held-wrong ${HELD_KEY}`)
  await storeManifest(objects, withHeldSeq(held, undefined))
  expect(await findings()).toEqual(expect.arrayContaining([`held-wrong ${held}`, `chunk-unreadable ${held}`]))
  await storeManifest(objects, withHeldSeq(own, 7))
  expect(await findings()).toContain(`held-wrong ${own}`)
})

test.each([
  ['a held time that is longer', { toSample: 150_000 }],
  ['a decision without its time', { outcome: 'kept' }],
  ['a time without its decision', { decidedAt: DECIDED.decidedAt }],
] as const)('%s is found', async (_what, change) => {
  objects.delete(HELD_KEY)
  await storeManifest(objects, { ...body, held: (body.held ?? []).map((entry) => ({ ...entry, ...change })) })
  expect(await findings()).toContain(`held-wrong ${HELD_KEY}`)
})

test('the recording’s own key cannot stand for the held one', async () => {
  await decided({ ...KEPT, recipient: body.recipient })
  expect(await findings()).toContain(`held-wrong ${HELD_KEY}`)
})

test('opened for an export, what was kept is in its place, and what was destroyed is silence of the same length', async () => {
  await decided(KEPT)
  const whole = await openAudio(readerOf(objects), [vault.identity])
  await decided(DESTROYED)
  const rest = await openAudio(readerOf(objects), [vault.identity])
  expect([whole.closed, rest.closed]).toMatchObject([[], [{ heldSeq: 0 }]])
  const cut = (body.held?.[0]?.toSample ?? 0) / 6
  const [all = new Int16Array(0)] = pcmOf(whole.ogg)
  const links = readOggOpus(rest.ogg)
  if (!links.ok) throw new Error(links.reason)
  const [heard = new Int16Array(0)] = pcmOf(rest.ogg)
  expect(heard.length).toBe(all.length)
  expect(heard.subarray(0, cut).every((sample) => sample === 0)).toBe(true)
  expect(Buffer.from(heard.slice(cut).buffer).equals(Buffer.from(all.slice(cut).buffer))).toBe(true)
  const flat = readOggOpus(flattenLinks(withSilenceBefore(links.value)))
  expect(flat.ok && flat.value[0]?.granulePosition).toBe(body.durationSamples)
})
