import { isConsentName, isCustodyName, isSealedKeyName, MANIFEST_NAME } from '../object-names.ts'
import type { ShredScope } from './custody-record.ts'

/** True for an object that goes when so much is destroyed. FORMAT.md 2, `scope` */
export function isDestroyedBy(scope: ShredScope, name: string): boolean {
  if (isSealedKeyName(name)) return true
  return scope === 'objects' && name !== MANIFEST_NAME && !isCustodyName(name) && !isConsentName(name)
}
