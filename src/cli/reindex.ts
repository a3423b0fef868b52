import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from '../config/config.ts'
import { tenantsOf } from '../config/tenants.ts'
import { ExitCode } from '../errors.ts'
import type { VaultIdentity } from '../evidence/vault-open.ts'
import { reindex, type ReindexOptions, type ReindexSummary } from '../server/reindex/reindex.ts'
import { loadVerifyKey, SIGNER_PUBLIC_FILE } from '../server/storage/key-files.ts'
import { flag, instantOption, textOption, textOptions } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { openForReading } from './open-for-reading.ts'
import { openIndex, openOrMakeIndex } from './open-index.ts'
import { paintFor, writeJson, writeLines } from './output.ts'
import { defaultIdentityFile } from './stored-recording.ts'
import { IDENTITY_WORDS, openIdentities } from './vault-identities.ts'

/** No release of this program is older. */
const FIRST_DAY_UNIX_MS = Date.UTC(2026, 0, 1)
/** The clock of a recorder may have been ahead. */
const DAYS_AHEAD_MS = 2 * 86_400_000
const PROGRESS_EVERY = 500

export const command: Command = {
  name: 'reindex',
  summary: 'makes the index of recordings again out of the object store alone',
  usage:
    'reindex [--dry-run] [--identity KEYFILE] [--key SIGNER.pub.pem]... [--tenant NAME]... [--from DAY] [--to DAY]',
  description:
    'Reads the manifest of every recording in the store, checks its signature, and brings the database to what it says; with the vault key it ' +
    'also opens the metadata, so that people and ids are found again. The database may be empty, half filled or whole: doing it twice ' +
    'changes nothing, and nothing is deleted. It may run beside the recorder. --dry-run only says how index and store differ. ' +
    'Exit code 0: the index is whole. 3: there are manifests that are not to be believed; they were left out. 4: something could not be ' +
    'opened, the vault key is not here, or a dry run found differences.',
  examples: [
    'reindex --dry-run',
    'reindex --identity vault.agekey',
    'reindex --from 2026-11-01 --to 2026-11-07 --json',
  ],
  options: {
    'dry-run': { type: 'boolean', description: 'only compare; write nothing' },
    identity: {
      type: 'string',
      placeholder: 'KEYFILE',
      description: `private half of a vault key (default: data/keys/vault.agekey); ${IDENTITY_WORDS}`,
    },
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of a trusted signer (default: data/keys/signer.pub.pem)',
    },
    tenant: {
      type: 'string',
      multiple: true,
      placeholder: 'NAME',
      description: 'only this tenant (default: default, and those of sources in the configuration)',
    },
    from: { type: 'string', placeholder: 'DAY', description: 'only recordings of this day and later (default: all)' },
    to: { type: 'string', placeholder: 'DAY', description: 'only recordings up to this day' },
  },
  run: runReindex,
}

async function runReindex(context: CommandContext): Promise<ExitCode> {
  const { args, stdout, json } = context
  const config = context.config()
  const isDryRun = flag(args, 'dry-run')
  const trust = { keys: await trustedKeys(context, config), identities: await vaultIdentities(context, config) }
  const tenants = textOptions(args, 'tenant')
  const database = await (isDryRun ? openIndex(context) : openOrMakeIndex(context))
  try {
    const summary = await reindex({
      store: await openForReading(config, context.stderr),
      ...{ database, trust, isDryRun },
      tenants: tenants.length > 0 ? tenants : tenantsOf(config),
      fromUnixMs: instantOption(args, 'from')?.getTime() ?? FIRST_DAY_UNIX_MS,
      toUnixMs: instantOption(args, 'to')?.getTime() ?? Date.now() + DAYS_AHEAD_MS,
      signal: context.signal,
      onProgress: progressOf(context),
    })
    const isSealed = trust.identities.length === 0
    if (json) writeJson(stdout, { ...summary, isSealed })
    else writeLines(stdout, describe(summary))
    return exitCode(summary, isSealed)
  } finally {
    await database?.stop()
  }
}

async function trustedKeys({ args }: CommandContext, config: Config): Promise<ReindexOptions['trust']['keys']> {
  const files = textOptions(args, 'key')
  return Promise.all((files.length > 0 ? files : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)]).map(loadVerifyKey))
}

/** None where the vault key is kept elsewhere, as it should be: the rest of the index comes back all the same. */
async function vaultIdentities(
  { args, stderr, env }: CommandContext,
  config: Config,
): Promise<readonly VaultIdentity[]> {
  const asked = textOption(args, 'identity')
  const file = asked ?? defaultIdentityFile(config)
  if (asked !== undefined || existsSync(file)) return openIdentities(() => config, file)
  const warning = paintFor(stderr, env)('yellow', 'warning:')
  writeLines(stderr, [
    `${warning} without a vault key people, numbers and ids stay sealed; run this again with --identity KEYFILE, ${IDENTITY_WORDS}.`,
  ])
  return []
}

function progressOf({ stderr }: CommandContext): (summary: ReindexSummary) => void {
  let lookedAt = 0
  return ({ recordings, refused }) => {
    lookedAt += 1
    if (lookedAt % PROGRESS_EVERY === 0)
      writeLines(stderr, [`${lookedAt} recordings: ${recordings} read, ${refused} left out`])
  }
}

function describe(summary: ReindexSummary): readonly string[] {
  const { recordings, missing, different, same, unfinished, refused, indexOnly, problems, isDryRun } = summary
  const lines = [
    `${recordings} recordings in the store: ${missing} ${isDryRun ? 'are not in the index' : 'put into the index'}, ` +
      `${different} ${isDryRun ? 'are there in another form' : 'completed'}, ${same} as they were.`,
  ]
  if (unfinished > 0) lines.push(`${unfinished} have no manifest yet; they are left to their recorder.`)
  if (refused > 0) lines.push(`${refused} left out: they are not to be believed, or the database refuses them.`)
  if (indexOnly > 0) lines.push(`${indexOnly} in the index only: the store has no object of them.`)
  for (const { recordingId, code, name } of problems)
    lines.push(`  ${recordingId} ${code}${name === undefined ? '' : ` ${name}`}`)
  if (summary.problemsDropped > 0) lines.push(`  and ${summary.problemsDropped} more`)
  if (summary.isCut) lines.push('Stopped before the end; run it again to go on.')
  return lines
}

function exitCode(
  { refused, problems, missing, different, isDryRun, isCut }: ReindexSummary,
  isSealed: boolean,
): ExitCode {
  if (refused > 0) return ExitCode.verificationFailed
  const hasDifferences = isDryRun && missing + different > 0
  return problems.length > 0 || isSealed || isCut || hasDifferences ? ExitCode.partlyDone : ExitCode.done
}
