import { EarwitnessError } from '../../errors.ts'
import { readWitnessKey, type WitnessKey } from '../../evidence/ledger/cosignature.ts'

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
