import { createPublicKey } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Config } from '../../config/config.ts'
import { LEDGER_PREFIX } from '../../evidence/ledger/log-names.ts'
import { verifyLog } from '../../evidence/ledger/verify-log.ts'
import { readVerifyKey, type VerifyKey } from '../../evidence/signer-keys.ts'
import { linesOf, localCopy, localLogs, notesOf } from '../ledger/log-copy.ts'
import { requestsFolder } from '../ledger/statement-requests.ts'
import { SIGNER_FILE, SIGNER_PUBLIC_FILE } from '../storage/key-files.ts'

/** The newest log of this node, as it lies on the disk. */
export interface LedgerReport {
  readonly logId: string
  /** Codes, each once. */
  readonly findings: readonly string[]
  readonly size: number
  readonly coveredSize: number
  readonly coveredAt: string | undefined
  /** How long ago the newest checkpoint was signed. */
  readonly silentMs: number
  /** Accesses by commands that the recorder has not said yet. */
  readonly requestsWaiting: number
}

/** Reads all of the newest log. Undefined when there is none. */
export async function reportLedger(config: Config, nowUnixMs: number): Promise<LedgerReport | undefined> {
  const ledgerDir = join(config.dataDir, LEDGER_PREFIX)
  const logId = (await localLogs(ledgerDir)).at(-1)
  if (logId === undefined) return undefined
  const copy = await localCopy(ledgerDir, logId)
  const keys = await recorderKeys(config)
  const { findings, size, coveredSize, coveredAt } = await verifyLog({
    ...{ logId, keys, held: [] },
    ...{ lines: linesOf(copy), checkpoints: notesOf(copy) },
  })
  const waiting = await readdir(requestsFolder(config.dataDir)).catch(() => [])
  return {
    ...{ logId, size, coveredSize, coveredAt },
    findings: [...new Set(findings.map(({ code }) => code))],
    silentMs: coveredAt === undefined ? 0 : Math.max(0, nowUnixMs - Date.parse(coveredAt)),
    requestsWaiting: waiting.filter((name) => name.endsWith('.json')).length,
  }
}

/** The public half of the key that the recorder signs with now. */
async function recorderKeys(config: Config): Promise<readonly VerifyKey[]> {
  const keysDir = join(config.dataDir, 'keys')
  for (const file of [config.signer.keyFile ?? join(keysDir, SIGNER_FILE), join(keysDir, SIGNER_PUBLIC_FILE)]) {
    const pem = await readFile(file, 'utf8').catch(() => undefined)
    if (pem === undefined) continue
    const key = await readVerifyKey(publicPem(pem))
    if (key.ok) return [key.value]
  }
  return []
}

function publicPem(pem: string): string {
  try {
    return createPublicKey(pem).export({ format: 'pem', type: 'spki' }).toString()
  } catch {
    return ''
  }
}
