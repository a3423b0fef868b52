import { once } from 'node:events'
import { resolve } from 'node:path'

import { parseListen } from '../config/values.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import { isWitnessName, writeWitnessKey } from '../evidence/ledger/witness-key.ts'
import { close, httpUrl, listen } from '../server/http/listen.ts'
import { loadOrCreateSigner, loadVerifyKey } from '../server/storage/key-files.ts'
import { acquireDataLock } from '../server/data-lock.ts'
import { openWitnessFolder } from '../server/witness/witness-folder.ts'
import { witnessServer } from '../server/witness/witness-server.ts'
import { Witness } from '../server/witness/witness.ts'
import { textOption, textOptions, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { paintFor, writeJson, writeLines } from './output.ts'
import { eventLines, rarely } from './ledger/witness-lines.ts'

const DEFAULT_LISTEN = '127.0.0.1:8786'

export const command: Command = {
  name: 'witness',
  summary: 'signs under the ledgers of recorders, as long as they only grow',
  usage: 'witness --name NAME --data DIR --key SIGNER.pub.pem... [--listen ADDRESS:PORT]',
  description:
    'Runs on a machine that those who run the recorders do not control. It remembers how far it has seen each ledger and signs under a checkpoint only when that goes on from there (C2SP tlog-witness). ' +
    'It prints the key that goes into ledger.witnesses of the recorders and behind --witness of `ledger verify`. It needs no configuration file, and learns hashes only. It speaks HTTP without TLS: put a proxy in front of it. ' +
    'DIR holds its key and, of each ledger, the newest checkpoint, and what contradicted one: `ledger verify --checkpoint` takes both.',
  examples: ['witness --name witness.example.com --data /var/lib/witness --key recorder-1.pub.pem'],
  options: {
    name: {
      type: 'string',
      placeholder: 'NAME',
      description: 'its name in signatures, such as its host name; for ever',
    },
    data: { type: 'string', placeholder: 'DIR', description: 'where its key and what it has seen are kept' },
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of a recorder whose ledgers it follows',
    },
    listen: { type: 'string', placeholder: 'ADDRESS:PORT', description: `(default: ${DEFAULT_LISTEN})` },
  },
  run: runWitness,
}

async function runWitness(context: CommandContext): Promise<ExitCode> {
  const asked = whatToServe(context)
  // Two of them on one memory could sign under two histories.
  const lock = await acquireDataLock({ dataDir: resolve(context.cwd, asked.data), purpose: 'serve' })
  try {
    return await serveWitness(context, asked)
  } finally {
    lock.release()
  }
}

async function serveWitness(
  { cwd, json, signal, stdout, stderr, env }: CommandContext,
  { name, data, keyFiles, where }: ReturnType<typeof whatToServe>,
): Promise<ExitCode> {
  const signer = await loadOrCreateSigner(resolve(cwd, data))
  const trusted = await Promise.all(keyFiles.map((file) => loadVerifyKey(resolve(cwd, file))))
  const paint = paintFor(stderr, env)
  const sayError = rarely((line) => writeLines(stderr, [`${paint('red', 'error:')} ${line}`]), Date.now)
  const onError = (error: unknown): void => sayError('error', sentenceOf(error))
  const witness = new Witness({
    ...{ name, signer, trusted, memory: await openWitnessFolder(resolve(cwd, data, 'logs')), nowUnixMs: Date.now },
    onEvent: eventLines((line) => writeLines(stderr, [`${paint('yellow', 'warning:')} ${line}`]), Date.now),
    onError,
  })
  const app = witnessServer(witness, onError)
  try {
    const http = httpUrl(await listen(app, where, '--listen'))
    const key = await writeWitnessKey(name, signer.verifyKey)
    if (json) writeJson(stdout, { ready: true, http, key })
    else writeLines(stdout, [`ready http=${http} key=${key}`])
    if (!signal.aborted) await once(signal, 'abort')
    return ExitCode.done
  } finally {
    await close(app)
  }
}

/** @throws EarwitnessError `usage-…` */
function whatToServe({ args }: CommandContext) {
  const [name, data] = [textOption(args, 'name') ?? '', textOption(args, 'data') ?? '']
  const keyFiles = textOptions(args, 'key')
  if (name === '' || data === '' || keyFiles.length === 0) {
    throw usageError(
      'usage-missing-value',
      '--name, --data and --key are needed.',
      `Usage: earwitness ${command.usage}`,
    )
  }
  if (!isWitnessName(name)) {
    const hint = 'Take its host name: a name of a signature has no blank and no plus.'
    throw usageError('usage-invalid-value', 'That is no name for a witness.', hint)
  }
  const where = parseListen(textOption(args, 'listen') ?? DEFAULT_LISTEN)
  if (!where.ok) {
    throw usageError(
      'usage-invalid-value',
      'That is not where anybody can listen.',
      'Write ADDRESS:PORT, as 0.0.0.0:8786.',
    )
  }
  return { name, data, keyFiles, where: where.value }
}

function sentenceOf(error: unknown): string {
  if (error instanceof EarwitnessError) return `${error.message} [${error.code}] ${error.hint}`
  return error instanceof Error ? error.message : String(error)
}
