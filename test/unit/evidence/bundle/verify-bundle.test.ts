import { generateKeyPairSync } from 'node:crypto'

import { beforeEach, describe, expect, test } from 'vitest'

import { digestOf, type BundleMembers } from '../../../../src/evidence/bundle/bundle-members.ts'
import {
  BUNDLE_FORMAT,
  readBundleList,
  writeBundleList,
  type BundleList,
} from '../../../../src/evidence/bundle/bundle-list.ts'
import { signBundleList } from '../../../../src/evidence/bundle/list-signature.ts'
import { verifyBundle } from '../../../../src/evidence/bundle/verify-bundle.ts'
import { readSigningKey, type SigningKey } from '../../../../src/evidence/signer-keys.ts'
import {
  RECORDING_ID,
  sampleRecording,
  sha256,
  vault,
  vectorSigner,
  type SampleRecording,
} from '../../../vectors/evidence/sample-recording.ts'

const { verifyKey, signingKey } = await vectorSigner()
const CHUNKS = [Buffer.from('OggS first'), Buffer.from('OggS second')]
const SNAPSHOT = Buffer.from('<recording/>')

let recording: SampleRecording
let members: Map<string, Uint8Array>

beforeEach(async () => {
  recording = await sampleRecording({ chunks: CHUNKS, snapshots: [SNAPSHOT] })
  members = new Map([['report.html', Buffer.from('<!doctype html>')]])
  for (const [name, bytes] of recording.objects) members.set(`objects/${name}`, bytes)
  await relist({})
})

/** Writes the list anew, as of what is in the bundle now, and signs it. */
async function relist(change: Partial<BundleList>): Promise<void> {
  members.delete('bundle.json')
  members.delete('bundle.jws')
  members.set(
    'bundle.json',
    writeBundleList({
      format: BUNDLE_FORMAT,
      recordingId: RECORDING_ID,
      exportedAt: '2026-11-29T00:00:00.000Z',
      software: { name: 'earwitness', version: '0.1.0' },
      opened: false,
      members: Array.from(members, ([name, bytes]) => ({ name, sha256: sha256(bytes), sizeBytes: bytes.length })),
      ...change,
    }),
  )
  await sign(signingKey)
}

async function sign(key: SigningKey): Promise<void> {
  const list = members.get('bundle.json') ?? new Uint8Array()
  members.set('bundle.jws', Buffer.from(await signBundleList(list, key)))
}

async function open(): Promise<void> {
  members.set('opened/recording.agekey', Buffer.from(`# a comment\n${recording.identity}\n`))
  members.set('opened/recording.ogg', Buffer.concat(CHUNKS))
  members.set('opened/metadata-000.xml', SNAPSHOT)
  await relist({ opened: true })
}

function readerOf(map: ReadonlyMap<string, Uint8Array>, names: readonly string[] = [...map.keys()]): BundleMembers {
  return {
    names,
    read: (name) => Promise.resolve(map.get(name)),
    digest: async (name) => {
      const bytes = map.get(name)
      return bytes === undefined ? undefined : digestOf([bytes])
    },
  }
}

async function found(reader = readerOf(members), identities?: readonly string[]): Promise<readonly string[]> {
  const checked = await verifyBundle({
    members: reader,
    keys: [verifyKey],
    ...(identities === undefined ? {} : { identities }),
  })
  if (checked === undefined) return ['no bundle']
  expect(checked.verdict.verified).toBe(checked.verdict.findings.length === 0)
  return checked.verdict.findings.map(({ code, name = '' }) => `${code} ${name}`.trim())
}

const flip = (name: string): void => {
  const bytes = Uint8Array.from(members.get(name) ?? [])
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  members.set(name, bytes)
}

test('an untouched bundle verifies, sealed and opened, without and with the vault', async () => {
  expect(await found()).toEqual([])
  expect(await found(readerOf(members), [vault.identity])).toEqual([])
  await open()
  expect(await found()).toEqual([])
})

test('of whom a witness is named, without a proof that it could have signed under, is not verified', async () => {
  const witness = { name: 'witness.example.com', keyId: '00000000', publicKey: verifyKey.publicKey }
  const checked = await verifyBundle({ members: readerOf(members), keys: [verifyKey], witnesses: [witness] })
  expect(checked?.verdict).toMatchObject({ verified: false, findings: [{ code: 'witness-missing' }] })
})

test('what holds neither a list nor a manifest is no bundle', async () => {
  expect(await found(readerOf(new Map([['report.html', Buffer.from('')]])))).toEqual(['no bundle'])
})

describe('the list', () => {
  test('tells a member that is missing, changed, added, twice there or damaged', async () => {
    members.delete('objects/chunk-000001.age')
    flip('report.html')
    members.set('objects/chunk-000002.age', Buffer.from('more'))
    const names = [...members.keys(), 'bundle.json']
    expect(await found(readerOf(members, names))).toEqual([
      'member-repeated bundle.json',
      'member-missing objects/chunk-000001.age',
      'member-changed report.html',
      'member-added objects/chunk-000002.age',
      'chunk-added chunk-000002.age',
      'chunk-missing chunk-000001.age',
    ])
    const damaged: BundleMembers = { ...readerOf(members), digest: () => Promise.resolve(undefined) }
    expect(await found(damaged)).toContain('member-unreadable report.html')
  })

  test('tells nothing of what was missing when the bundle was made', async () => {
    members.delete('objects/chunk-000001.age')
    await relist({})
    expect(await found()).toEqual(['chunk-missing chunk-000001.age'])
  })

  test('that is missing or unreadable is a finding, and the recording is verified all the same', async () => {
    members.delete('bundle.json')
    expect(await found()).toEqual(['bundle-list-missing bundle.json'])
    members.set('bundle.json', Buffer.from('{}'))
    expect(await found()).toEqual(['bundle-list-unreadable bundle.json'])
  })

  test('of another recording is found', async () => {
    await relist({ recordingId: '019aaff1-0680-7abc-8def-0123456789ff' })
    expect(await found()).toEqual(['manifest-foreign manifest.jws'])
  })

  test.each<readonly [string, string]>([
    ['notCanonical', 'no JSON'],
    ['notCanonical', '{ "format":"earwitness-bundle/1" }'],
    ['notCanonical', 'null'],
    ['format', '{"format":"earwitness-bundle/2"}'],
    ['shape', '{"format":"earwitness-bundle/1"}'],
  ])('is refused as %s: %s', (reason, json) => {
    expect(readBundleList(Buffer.from(json))).toMatchObject({ ok: false, reason })
  })

  test.each([['bundle.json'], ['../above'], ['b', 'a'], ['a', 'a']])('with the names %j %j is refused', (...names) => {
    const list = {
      exportedAt: '2026-11-29T00:00:00.000Z',
      format: BUNDLE_FORMAT,
      members: names
        .filter((name) => name !== undefined)
        .map((name) => ({ name, sha256: sha256(Buffer.from('')), sizeBytes: 0 })),
      opened: false,
      recordingId: RECORDING_ID,
      software: { name: 'earwitness', version: '0.1.0' },
    }
    expect(readBundleList(Buffer.from(JSON.stringify(list)))).toMatchObject({ ok: false, reason: 'shape' })
  })
})

describe('the signature over the list', () => {
  test('names what was changed together with the list', async () => {
    flip('report.html')
    const signature = members.get('bundle.jws') ?? new Uint8Array()
    await relist({})
    members.set('bundle.jws', signature)
    expect(await found()).toEqual(['bundle-forged bundle.jws'])
  })

  test('that is gone, damaged, of a stranger or of another document is found', async () => {
    members.delete('bundle.jws')
    expect(await found()).toEqual(['bundle-unsigned bundle.jws'])
    const allowed = await verifyBundle({ members: readerOf(members), keys: [verifyKey], allowUnsigned: true })
    expect(allowed).toMatchObject({ verdict: { verified: true }, bundle: { signerKeyId: undefined } })
    const { privateKey } = generateKeyPairSync('ed25519')
    const stranger = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
    if (!stranger.ok) throw new Error('no key')
    await sign(stranger.value)
    expect(await found()).toEqual(['bundle-unknown-signer bundle.jws'])
    for (const damaged of ['', 'a..b', 'a.b.c', Buffer.from(recording.objects.get('manifest.jws') ?? '').toString()]) {
      members.set('bundle.jws', Buffer.from(damaged))
      expect(await found()).toEqual(['bundle-signature-unreadable bundle.jws'])
    }
    const manifest = Buffer.from(recording.objects.get('manifest.jws') ?? '')
      .toString()
      .split('.')
    members.set('bundle.jws', Buffer.from(`${manifest[0]}..${manifest[2]}`))
    expect(await found()).toEqual(['bundle-signature-unreadable bundle.jws'])
  })
})

describe('an opened bundle', () => {
  beforeEach(open)

  test.each(['opened/recording.ogg', 'opened/metadata-000.xml', 'opened/recording.agekey'])(
    'with another %s is found, whatever its list says',
    async (name) => {
      members.set(name, Buffer.from('something else'))
      await relist({ opened: true })
      expect(await found()).toEqual([`opened-wrong ${name}`])
      members.delete(name)
      await relist({ opened: true })
      expect(await found()).toEqual([`opened-wrong ${name}`])
    },
  )

  test('with the key of another recording, or with more than the recording, is found', async () => {
    members.set('opened/more.txt', Buffer.from('more'))
    await relist({ opened: true })
    expect(await found()).toEqual(['opened-wrong opened/more.txt'])
    members.set('opened/recording.agekey', Buffer.from(`${vault.identity}\n`))
    await relist({ opened: true })
    expect(await found()).toEqual(['opened-wrong opened/recording.agekey'])
  })

  test('that does not say so in its list is compared all the same', async () => {
    members.set('opened/recording.ogg', Buffer.from('OggS forged'))
    await relist({ opened: false })
    expect(await found()).toEqual(['opened-wrong opened/recording.ogg'])
  })
})
