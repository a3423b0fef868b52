import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { writeBundle } from '../../../../src/cli/export/bundle.ts'
import { openBundle } from '../../../../src/cli/verify/bundle-file.ts'
import type { HeldEntry } from '../../../../src/evidence/held-entry.ts'
import { verifyBundle } from '../../../../src/evidence/bundle/verify-bundle.ts'
import { pcmBytesOf, sealedHeldRecording } from '../../../support/held-recording.ts'
import { vault } from '../../../support/recording-rig.ts'
import {
  readerOf,
  RECORDING_ID,
  storeManifest,
  vectorSigner,
  vectorText,
} from '../../../vectors/evidence/sample-recording.ts'

const { signingKey, verifyKey } = await vectorSigner()
const publicKey = createPublicKey(vectorText('recording-1/signer.pub.pem'))
const DECIDED = { cause: 'agreed', decidedAt: '2026-11-23T09:00:03.000Z' } as const
const { body, sealed } = sealedHeldRecording()

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-held-bundle-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Writes the opened bundle of the recording with this word on what was held, and verifies it; gives what is in it. */
async function bundled(change: Partial<HeldEntry>) {
  const objects = new Map(sealed)
  if (change.outcome !== 'kept') objects.delete('held-key-000.age')
  await storeManifest(objects, { ...body, held: (body.held ?? []).map((entry) => ({ ...entry, ...change })) })
  const path = join(folder, 'recording.zip')
  await writeBundle(path, {
    ...{ recordingId: RECORDING_ID, objects: readerOf(objects), signers: [{ verifyKey, publicKey }] },
    ...{ identities: [vault.identity], signingKey, isOpened: true, exportedAt: new Date(0) },
    withLedger: (verdict) => Promise.resolve({ verdict, lines: [], proofs: [] }),
  })
  const members = await openBundle(path)
  try {
    const checked = await verifyBundle({ members, keys: [verifyKey] })
    const keys = new TextDecoder().decode(await members.read('opened/recording.agekey'))
    const audio = await members.read(
      members.names.find((name) => name.endsWith('.opus') || name.endsWith('.ogg')) ?? '',
    )
    return {
      findings: checked?.verdict.findings,
      keys: keys.match(/AGE-SECRET-KEY-/g)?.length,
      pcm: pcmBytesOf(audio ?? new Uint8Array(0)),
    }
  } finally {
    members.close()
  }
}

test('an opened bundle holds what was kept with its key, and of what was destroyed neither, and verifies', async () => {
  const kept = await bundled({ outcome: 'kept', ...DECIDED })
  expect([kept.findings, kept.keys]).toEqual([[], 2])
  rmSync(join(folder, 'recording.zip'))
  const destroyed = await bundled({ outcome: 'destroyed', ...DECIDED })
  expect([destroyed.findings, destroyed.keys]).toEqual([[], 1])
  const cut = ((body.held?.[0]?.toSample ?? 0) / 6) * 2
  expect(destroyed.pcm.length).toBe(kept.pcm.length)
  expect(destroyed.pcm.subarray(0, cut).every((byte) => byte === 0)).toBe(true)
  expect(destroyed.pcm.subarray(cut).equals(kept.pcm.subarray(cut))).toBe(true)
})
