import { join } from 'node:path'

import { linesOf, localCopy, localLogs } from '../../src/server/ledger/log-copy.ts'

/** What all logs of a node say, in their order; signatures are not looked at. */
export async function statementsIn(dataDir: string): Promise<readonly Record<string, unknown>[]> {
  const ledgerDir = join(dataDir, 'ledger')
  const said: Record<string, unknown>[] = []
  for (const logId of await localLogs(ledgerDir)) {
    for await (const line of linesOf(await localCopy(ledgerDir, logId))) {
      said.push(JSON.parse(Buffer.from(line.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>)
    }
  }
  return said
}
