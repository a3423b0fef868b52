import { createInterface } from 'node:readline/promises'

import { usageError } from './arguments.ts'
import type { CommandContext } from './command.ts'
import { isTerminal } from './output.ts'

/**
 * Has a person confirm what cannot be undone, with the end of the recording's id.
 *
 * @param sentence what is going to happen
 * @throws EarwitnessError `usage-not-confirmed`, also where there is nobody to ask
 */
export async function confirmFor({ stderr }: CommandContext, id: string, sentence: string): Promise<void> {
  const refused = usageError(
    'usage-not-confirmed',
    'A destroyed key cannot be brought back, and nobody has confirmed this.',
    'Add --yes, or answer with the last four characters of the id.',
  )
  if (!isTerminal(process.stdin) || !isTerminal(stderr)) throw refused
  const terminal = createInterface({ input: process.stdin, output: stderr })
  const answer = await terminal.question(`${sentence} Type ${id.slice(-4)} to go on: `)
  terminal.close()
  if (answer.trim() !== id.slice(-4)) throw refused
}
