import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'

import type { Config } from '../config/config.ts'
import { uuidV7 } from '../ids.ts'
import { leaveRequest } from '../server/ledger/statement-requests.ts'
import type { CommandContext } from './command.ts'
import { writeLines } from './output.ts'

/**
 * Has the recorder of this machine say in its ledger that a recording is opened or exported, before it is. Where that cannot be, the command goes on, since whoever
 * has a vault key can open objects anywhere, and says so.
 */
export async function noteAccess(
  { stderr }: Pick<CommandContext, 'stderr'>,
  config: Config,
  access: { readonly recordingId: string; readonly action: 'export' | 'open' },
): Promise<void> {
  const now = Date.now()
  const requestId = uuidV7(now, randomBytes(16))
  const request = { requestId, ...access, by: userName(), at: new Date(now).toISOString() }
  try {
    if (await leaveRequest(config.dataDir, request)) return
    writeLines(stderr, ['note: no ledger is on this machine, so this access stands in none.'])
  } catch {
    writeLines(stderr, [
      'warning: this access could not be handed to the ledger of this machine, and stands in none.',
      'hint: run the command as the user of the recorder, or as root.',
    ])
  }
}

/** Who runs this command. */
export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
