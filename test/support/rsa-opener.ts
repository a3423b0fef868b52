import { constants, privateDecrypt } from 'node:crypto'

import type { VaultService } from '../../src/evidence/vault-open.ts'
import type { VaultProvider } from '../../src/evidence/vault-recipient.ts'
import { accepted, rejected } from '../../src/result.ts'
import { rsaVault, vectorText } from '../vectors/evidence/sample-recording.ts'

/** What a key service does, with the private key of the vectors at hand; counts how often it is asked. */
export function rsaOpener(provider: VaultProvider): VaultService & { readonly asked: () => number } {
  const key = vectorText(`rsa-vault/${provider}.pem`)
  let asked = 0
  return {
    provider,
    fingerprints: new Set([rsaVault[provider].fingerprint]),
    asked: () => asked,
    open({ ciphertext }) {
      asked += 1
      try {
        const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
        return Promise.resolve(accepted(Uint8Array.from(privateDecrypt({ key, ...padding }, ciphertext))))
      } catch {
        return Promise.resolve(rejected('damaged'))
      }
    },
  }
}
