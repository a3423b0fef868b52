import { readdirSync } from 'node:fs'

import { expect, it } from 'vitest'

import { openSealed } from '../../../src/evidence/age-open.ts'
import { parseIdentityFile } from '../../../src/evidence/age-keys.ts'
import { canonicalJson } from '../../../src/evidence/canonical-json.ts'
import { rewrapKey } from '../../../src/evidence/rewrapped-key.ts'
import { openRecordingKey } from '../../../src/evidence/recording-key.ts'
import { describeVerdict, verifyRecording } from '../../../src/evidence/verify.ts'
import {
  newVault,
  readerOf,
  RECORDING_ID,
  sampleRecording,
  vault,
  vectorContents,
  vectorFile,
  vectorSigner,
  vectorText,
} from '../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()

function storedObjects(name: string): ReadonlyMap<string, Uint8Array> {
  const folder = new URL(`../../vectors/evidence/${name}/objects/`, import.meta.url)
  return new Map(readdirSync(folder).map((object) => [object, vectorFile(`${name}/objects/${object}`)]))
}

const names = ['recording-1', 'recording-2', 'recording-3'] as const

it.each(names)('the vectors of %s are what this software writes today, byte for byte', async (name) => {
  const stored = storedObjects(name)
  const recording = await sampleRecording(vectorContents(name))
  expect([...stored.keys()].toSorted()).toEqual([...recording.objects.keys()].toSorted())
  for (const [object, bytes] of recording.objects)
    expect(Buffer.from(bytes).equals(stored.get(object) ?? Buffer.of())).toBe(true)
  expect(canonicalJson(recording.body)).toBe(vectorText(`${name}/manifest.json`))
})

it.each(names)('the vectors of %s verify, closed and opened', async (name) => {
  const options = { recordingId: RECORDING_ID, objects: readerOf(storedObjects(name)), keys: [verifyKey] }
  expect(await verifyRecording(options)).toMatchObject({ verified: true, findings: [] })
  const opened = await verifyRecording({ ...options, identities: [vault.identity] })
  expect(opened).toMatchObject({ verified: true, counts: { chunksOpened: 2 } })
  expect(describeVerdict(opened)).toContain('Opened with the vault key: 2 of 2 chunks.')
})

it.each([
  ['recording-1', ['chunk-000000.ogg', 'chunk-000001.ogg', 'metadata-000.xml']],
  ['recording-2', ['rtp-000000.rtpdump', 'rtp-000001.rtpdump']],
])('the chain of %s from vault key to content opens step by step', async (name, clear) => {
  const stored = storedObjects(name)
  const identities = parseIdentityFile(vectorText(`${name}/vault.agekey`))
  if (!identities.ok) throw new Error(identities.reason)
  const key = await openRecordingKey(stored.get('key.age') ?? new Uint8Array(), identities.value)
  if (!key.ok) throw new Error(key.reason)
  expect(`${key.value.identity}\n`).toBe(vectorText(`${name}/recording.agekey`))
  for (const file of clear) {
    const object = stored.get(`${file.split('.')[0] ?? ''}.age`)
    const opened = await openSealed(object ?? new Uint8Array(), [key.value.identity])
    expect(opened.ok && Buffer.from(opened.value).equals(vectorFile(`${name}/clear/${file}`))).toBe(true)
  }
})

it.each(['key-001.age', 'key-002.age'])(
  '%s after a rotation is what this software writes, and opens with either key',
  async (name) => {
    const stored = vectorFile(`recording-1/rotated/${name}`)
    const identity = vectorText('recording-1/recording.agekey').trim()
    const recipients = newVault.map(({ recipient }) => recipient)
    expect(Buffer.from(rewrapKey({ identity, recipients, name })).equals(stored)).toBe(true)
    const identities = parseIdentityFile(vectorText('recording-1/rotated/vault.agekey'))
    for (const one of identities.ok ? identities.value : [''])
      expect(await openRecordingKey(stored, [one])).toMatchObject({ ok: true, value: { identity } })
  },
)
