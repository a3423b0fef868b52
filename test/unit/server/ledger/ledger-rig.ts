import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { onTestFinished } from 'vitest'

import type { StatementBody } from '../../../../src/evidence/ledger/statement.ts'
import { isUuidV7, uuidV7 } from '../../../../src/ids.ts'
import { Ledger, type LedgerOptions } from '../../../../src/server/ledger/ledger.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { vectorRandom, vectorSigner } from '../../../vectors/evidence/sample-recording.ts'

export const signer = await vectorSigner()
export const BEGUN_AT_UNIX_MS = Date.parse('2026-11-29T09:00:00.000Z')

let rigs = 0

/** A node with its data folder and a store, whose clock the test moves. */
export function ledgerRig() {
  const dataDir = mkdtempSync(join(tmpdir(), 'earwitness-ledger-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  rigs += 1
  const random = vectorRandom(`ledger rig ${rigs}`)
  const clock = { nowUnixMs: BEGUN_AT_UNIX_MS }
  const store = new FolderStore(join(dataDir, 'recordings'))
  const failures: string[] = []
  const logged: string[] = []
  const start = (options: Partial<LedgerOptions> = {}): { readonly ledger: Ledger; readonly uploads: UploadQueue } => {
    const observer = { stored: () => {}, failed: () => {} }
    const uploads = new UploadQueue({ store, observer, nowUnixMs: () => clock.nowUnixMs })
    const ledger = new Ledger({
      ...{ dataDir, signer, store, uploads },
      software: { name: 'earwitness', version: '0.0.0' },
      log: {
        info: (_fields: object, text: string) => logged.push(text),
        warn: (_fields: object, text: string) => logged.push(text),
        error: (_fields: object, text: string) => logged.push(text),
      },
      observer: { written: () => {}, said: () => {}, failed: (reason) => failures.push(reason) },
      nowUnixMs: () => clock.nowUnixMs,
      clock: () => ({ status: 'synchronized' }),
      randomBytes: random,
      ...options,
    })
    ledger.run()
    return { ledger, uploads }
  }
  /** One run of the node, which says `bodies` and stops in order. */
  const run = async (bodies: readonly StatementBody[] = [], options: Partial<LedgerOptions> = {}): Promise<Ledger> => {
    await store.check()
    const { ledger, uploads } = start(options)
    for (const body of bodies) ledger.append(body)
    await ledger.close(30_000)
    await uploads.drain(30_000)
    clock.nowUnixMs += 60_000
    return ledger
  }
  const ledgerDir = join(dataDir, 'ledger')
  const logIds = (): readonly string[] => readdirSync(ledgerDir).filter(isUuidV7).toSorted()
  const folderOf = (logId = logIds().at(-1) ?? ''): string => join(ledgerDir, logId)
  const lines = (logId?: string): readonly string[] => {
    const folder = folderOf(logId)
    const names = readdirSync(folder).filter((name) => name.startsWith('entries-'))
    return names.toSorted().flatMap((name) => readFileSync(join(folder, name), 'latin1').split('\n').slice(0, -1))
  }
  return { dataDir, ledgerDir, clock, store, failures, logged, start, run, logIds, folderOf, lines }
}

export type LedgerRig = ReturnType<typeof ledgerRig>

export function recordingId(number: number): string {
  return uuidV7(BEGUN_AT_UNIX_MS + number, vectorRandom(`recording ${number}`)(16))
}

/** What is said of one recording, from beginning to end. */
export function storyOf(number: number): readonly StatementBody[] {
  const id = recordingId(number)
  return [
    {
      kind: 'recordingOpened',
      ...{ recordingId: id, rsId: id, tenant: 'default', src: 'sbc-1' },
      ...{ startedAt: '2026-11-29T09:00:00.000Z', recipient: 'age1', wrappedKeySha256: 'ab'.repeat(32) },
    },
    { kind: 'recordingPaused', recordingId: id, by: 'src' },
    { kind: 'recordingResumed', recordingId: id, by: 'src' },
    {
      kind: 'recordingClosed',
      ...{ recordingId: id, manifestSha256: 'cd'.repeat(32), state: 'complete', endCause: 'bye' },
      ...{ endedAt: '2026-11-29T09:00:10.000Z', durationSamples: 480_000 },
    },
  ]
}

/** What a statement of a log says; no signature is checked. */
export function payloadOf(jws: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}
