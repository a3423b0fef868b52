import { readCustodyChain } from '../../evidence/custody/custody-chain.ts'
import { FindingList } from '../../evidence/findings.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'

/** Whether a recording, closed or not, is on legal hold. What cannot be believed may be a hold. Rejects when the store cannot be asked. */
export async function isOnLegalHold(
  store: Pick<ObjectStore, 'get' | 'list'>,
  { recordingId, prefix }: { readonly recordingId: string; readonly prefix: string },
  keys: readonly VerifyKey[],
): Promise<boolean> {
  const names = (await store.list(objectKey(prefix, 'custody-'))).map(({ key }) => key.slice(prefix.length + 1))
  if (names.length === 0) return false
  const findings = new FindingList()
  const read = { get: (name: string) => store.get(objectKey(prefix, name)) }
  const { state } = await readCustodyChain(read, names, { recordingId, keys, findings })
  return !findings.isEmpty || state.holds.length > 0
}
