import { isWitnessKeyForm } from '../evidence/ledger/witness-key.ts'
import type { Checking } from './checking.ts'

/** The key of a witness that is none is told, and does not keep the recorder from starting: nobody must lose a recording over who signs under the ledger. */
export function checkWitnesses({ config, origins, problems }: Checking): void {
  for (const [index, { key }] of config.ledger.witnesses.entries()) {
    const path = `ledger.witnesses[${index}].key`
    if (isWitnessKeyForm(key) || problems.concerns(path)) continue
    problems.warn({
      code: 'witness-key-invalid',
      where: origins.get(path),
      sentence: `${path} is not the key of a witness: this one is not asked.`,
      hint: 'Copy the whole of it, NAME+KEYID+KEY, as `earwitness witness` prints it at its start.',
    })
  }
}
