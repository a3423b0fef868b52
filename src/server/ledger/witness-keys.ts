import type { WitnessConfig } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { readWitnessKey, type WitnessKey } from '../../evidence/ledger/witness-key.ts'
import { rejected } from '../../result.ts'
import type { AskedWitness } from './cosigners.ts'
import { WitnessClient } from './witness-client.ts'

/** @throws EarwitnessError `witness-key-invalid` */
export async function witnessKeyOf(text: string): Promise<WitnessKey> {
  const key = await readWitnessKey(text)
  if (key.ok) return key.value
  throw new EarwitnessError(
    'witness-key-invalid',
    'That is not the key of a witness.',
    'Copy the whole of it, NAME+KEYID+KEY, as `earwitness witness` prints it at its start.',
  )
}

/** A witness of the configuration. One whose key is none is never asked, and says so each time: the recorder starts all the same. */
export async function askedWitness({ url, key }: WitnessConfig, index: number): Promise<AskedWitness> {
  const read = await readWitnessKey(key)
  if (read.ok) return new WitnessClient(url, read.value)
  return { name: `ledger.witnesses[${index}]`, cosign: () => Promise.resolve(rejected('key-invalid')) }
}
