import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import { onTestFinished } from 'vitest'

import { signCheckpoint } from '../../../../src/evidence/ledger/checkpoint.ts'
import { readWitnessKey, writeWitnessKey, type WitnessKey } from '../../../../src/evidence/ledger/witness-key.ts'
import { GrowingTree } from '../../../../src/evidence/ledger/growing-tree.ts'
import { consistencyNodes, HashPicker, proveConsistency } from '../../../../src/evidence/ledger/proofs.ts'
import { verifyLog, type LogVerdict } from '../../../../src/evidence/ledger/verify-log.ts'
import type { VerifyKey } from '../../../../src/evidence/signer-keys.ts'
import { close, httpUrl, listen } from '../../../../src/server/http/listen.ts'
import { linesOf, notesOf, storedCopy } from '../../../../src/server/ledger/log-copy.ts'
import type { CosignRequest } from '../../../../src/server/ledger/witness-client.ts'
import { loadOrCreateSigner, type SignerFiles } from '../../../../src/server/storage/key-files.ts'
import { openWitnessFolder } from '../../../../src/server/witness/witness-folder.ts'
import { witnessServer } from '../../../../src/server/witness/witness-server.ts'
import { Witness, type WitnessMemory } from '../../../../src/server/witness/witness.ts'
import { signer, type LedgerRig } from '../ledger/ledger-rig.ts'

export const WITNESS_NAME = 'witness.example.com'
export const SEEN_AT_UNIX_MS = Date.parse('2026-11-29T10:00:00.000Z')
export const LOG_ID = '019aaff1-0680-7abc-8def-0123456789ad'

/** A witness with its key and its folder, which can be started again. */
export interface WitnessRig {
  readonly folder: string
  readonly signer: SignerFiles
  readonly key: WitnessKey
  readonly events: string[]
  /** Under which it is now. */
  readonly url: () => string
  start(changes?: { readonly memory?: WitnessMemory; readonly trusted?: readonly VerifyKey[] }): Promise<void>
  stop(): Promise<void>
}

export async function witnessRig(name = WITNESS_NAME): Promise<WitnessRig> {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-witness-'))
  const keys = await loadOrCreateSigner(folder)
  const events: string[] = []
  const key = await keyOf(name, keys)
  let app: ReturnType<typeof witnessServer> | undefined
  let url = ''
  const stop = async (): Promise<void> => {
    if (app !== undefined) await close(app)
    app = undefined
  }
  const start: WitnessRig['start'] = async (changes = {}) => {
    const memory = changes.memory ?? (await openWitnessFolder(join(folder, 'logs')))
    const witness = new Witness({
      ...{ name, signer: keys, memory, nowUnixMs: () => SEEN_AT_UNIX_MS },
      trusted: changes.trusted ?? [signer.verifyKey],
      onEvent: (event) => events.push(event),
      onError: (error) => events.push(String(error)),
    })
    app = witnessServer(witness, (error) => events.push(String(error)))
    url = httpUrl(await listen(app, { address: '127.0.0.1', port: 0 }, 'listen'))
  }
  await start()
  onTestFinished(async () => {
    await stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return { folder, signer: keys, key, events, url: () => url, start, stop }
}

export async function keyOf(name: string, { verifyKey }: Pick<SignerFiles, 'verifyKey'>): Promise<WitnessKey> {
  const read = await readWitnessKey(await writeWitnessKey(name, verifyKey))
  if (!read.ok) throw new Error(read.reason)
  return read.value
}

/** A server that answers add-checkpoint as the test says; gives its URL. */
export async function answering(
  answer: (body: string, response: ServerResponse, request: IncomingMessage) => void | Promise<void>,
): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((body) => answer(body, response, request))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

/** A request about a log of these statements, with the proof that it goes on from an earlier part of them. */
export async function requestOf(
  lines: readonly string[],
  {
    by = signer,
    ...changes
  }: Partial<CosignRequest> & { readonly by?: Pick<SignerFiles, 'signingKey' | 'verifyKey'> } = {},
): Promise<CosignRequest> {
  const size = lines.length
  const tree = new GrowingTree()
  for (const line of lines) tree.append(line)
  const checkpoint = { logId: LOG_ID, size, root: tree.root(), at: '2026-11-29T09:00:00.000Z' }
  const prove = async (oldSize: number): Promise<readonly Uint8Array[] | undefined> => {
    const picker = new HashPicker(consistencyNodes(oldSize, size))
    const again = new GrowingTree()
    for (const line of lines) picker.take(again.append(line))
    return proveConsistency(oldSize, size, picker.read)
  }
  return {
    ...{ logId: LOG_ID, note: await signCheckpoint(checkpoint, by), size, currentSize: () => size, prove },
    signal: new AbortController().signal,
    ...changes,
  }
}

/** What somebody finds who has the store of a rig, and trusts these witnesses. */
export async function verdictOf(rig: LedgerRig, witnesses: readonly WitnessKey[]): Promise<LogVerdict> {
  const logId = rig.logIds().at(-1) ?? ''
  const copy = await storedCopy(rig.store, logId, rig.clock.nowUnixMs)
  const parts = { lines: linesOf(copy), checkpoints: notesOf(copy), held: [] }
  return verifyLog({ logId, keys: [signer.verifyKey], witnesses, ...parts })
}

/** The cosignatures in the store, with their folder. */
export function cosignedIn(rig: LedgerRig): { readonly at: string; readonly names: readonly string[] } {
  const at = join(rig.dataDir, 'recordings', 'ledger', rig.logIds()[0] ?? '', '2026', '11')
  const names = readdirSync(at).filter((name) => name.endsWith('.cosig'))
  return { at, names: names.toSorted() }
}
