import { expect, test } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { sealToVault } from '../../../../src/evidence/vault-seal.ts'
import type { VaultService } from '../../../../src/evidence/vault-open.ts'
import { readRecording } from '../../../../src/server/reindex/read-recording.ts'
import type { StoredRecording } from '../../../../src/server/reindex/stored-recordings.ts'
import {
  RECORDING_ID,
  rsaVault,
  sampleRecording,
  vectorContents,
  vectorRandom,
  vectorSigner,
} from '../../../vectors/evidence/sample-recording.ts'

test('a key that its service does not have costs one recording what is sealed, and does not end the run', async () => {
  const { verifyKey } = await vectorSigner()
  const { objects } = await sampleRecording(vectorContents('recording-1'))
  const kms = rsaVault['aws-kms']
  objects.set('key-001.age', sealToVault(Buffer.from('x'), [kms], vectorRandom('planted')))
  objects.delete('key.age')
  const read = async (code: string) => {
    const service: VaultService = {
      ...{ provider: 'aws-kms', fingerprints: new Set([kms.fingerprint]) },
      open: () => Promise.reject(new EarwitnessError(code, 'refused', 'hint')),
    }
    const problems: string[] = []
    const stored: StoredRecording = {
      ...{ recordingId: RECORDING_ID, objectPrefix: 'prefix', hasManifest: true },
      ...{ keyNames: ['key-001.age'], custodyNames: [], consentNames: [] },
    }
    const store = { get: async (key: string) => objects.get(key.replace('prefix/', '')) }
    const trust = { keys: [verifyKey], identities: [service] }
    const found = await readRecording(store, stored, trust, (problem) => problems.push(problem))
    return { problems, isRead: found !== undefined }
  }
  for (const code of ['vault-key-missing', 'vault-key-disabled', 'vault-key-wrong'])
    expect(await read(code)).toEqual({ problems: ['key-unreadable'], isRead: true })
  await expect(read('vault-service-away')).rejects.toMatchObject({ code: 'vault-service-away' })
  await expect(read('vault-service-denied')).rejects.toMatchObject({ code: 'vault-service-denied' })
})
