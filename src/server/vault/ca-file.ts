import { readFileSync } from 'node:fs'

import { EarwitnessError } from '../../errors.ts'
import type { VaultProvider } from '../../evidence/vault-recipient.ts'
import { SERVICE_NAMES } from './key-service-error.ts'

/** @throws EarwitnessError `vault-ca-unreadable` */
export function readCaFile(file: string, provider: VaultProvider): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new EarwitnessError(
      'vault-ca-unreadable',
      `The certificates of the CA of ${SERVICE_NAMES[provider]} cannot be read: ${file}`,
      'Check the path in caFile, and that you may read the file.',
      { cause: error },
    )
  }
}
