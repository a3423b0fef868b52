import { access, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import { leaveRequest, requestsFolder, type KeyRotatedRequest } from '../ledger/statement-requests.ts'

const LOOK_EVERY_MS = 250
/** A recorder that runs says hundreds of statements in this time; one that says none does not run, or cannot write. */
const SILENCE_MAX_MS = 30_000

/** Has the recorder of this machine say that keys were sealed anew. */
export interface RotationLedger {
  leave(request: KeyRotatedRequest): Promise<void>
  /** Resolves to those that stand in the log, once all do or the recorder says nothing more. */
  said(requestIds: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>
}

export async function hasLedger(dataDir: string): Promise<boolean> {
  return isThere(join(dataDir, LEDGER_PREFIX))
}

export function rotationLedger(dataDir: string, { silenceMaxMs = SILENCE_MAX_MS } = {}): RotationLedger {
  const folder = requestsFolder(dataDir)
  /** The recorder removes a request when its statement is on disk. One that it refused has another name, and is not said. */
  const stateOf = async (requestId: string): Promise<'said' | 'waits' | 'refused'> => {
    if (await isThere(join(folder, `${requestId}.json`))) return 'waits'
    return (await isThere(join(folder, `${requestId}.json.refused`))) ? 'refused' : 'said'
  }
  return {
    async leave(request) {
      if (!(await leaveRequest(dataDir, request))) throw new Error('the ledger is gone')
    },
    async said(requestIds, signal) {
      // A folder that cannot be read would look as if all had been said.
      if (requestIds.length > 0) await stat(folder)
      const said = new Set<string>()
      let waiting = [...requestIds]
      let silentMs = 0
      while (waiting.length > 0 && silentMs < silenceMaxMs && !signal.aborted) {
        const still: string[] = []
        const before = said.size
        for (const requestId of waiting) {
          const state = await stateOf(requestId)
          if (state === 'said') said.add(requestId)
          else if (state === 'waits') still.push(requestId)
        }
        waiting = still
        silentMs = said.size > before ? 0 : silentMs + LOOK_EVERY_MS
        if (waiting.length > 0) await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {})
      }
      return said
    },
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
