import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import type { Config } from '../../config/config.ts'
import { tenantsOf } from '../../config/tenants.ts'
import { BY_LENGTH_MAX, REASON_LENGTH_MAX, type CustodyNote } from '../../evidence/custody/custody-note.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import type { CustodyParts, RecordingCustody, Trouble } from '../../server/custody/recording-custody.ts'
import { troubleOf } from '../../server/custody/recording-custody.ts'
import { applyRecords, planRecord } from '../../server/database/apply-records.ts'
import { custodyDecidedRecord } from '../../server/database/index-records.ts'
import type { DatabaseRecord } from '../../server/database/records.ts'
import { blamesRecord } from '../../server/database/server-errors.ts'
import { vaultRecipientsAtStart } from '../../server/keys-at-start.ts'
import type { CustodyRequest } from '../../server/ledger/custody-requests.ts'
import { leaveRequest, type ConsentRequest } from '../../server/ledger/statement-requests.ts'
import { loadSigner, loadVerifyKey, SIGNER_FILE } from '../../server/storage/key-files.ts'
import { openForCustody } from '../../server/storage/open-store.ts'
import { textOption, textOptions, usageError } from '../arguments.ts'
import type { CommandContext, CommandOption } from '../command.ts'
import { userName } from '../note-access.ts'
import { openIndex } from '../open-index.ts'

/** Options that every command has which decides something about a recording. */
export const DECISION_OPTIONS: Readonly<Record<string, CommandOption>> = {
  reason: {
    type: 'string',
    placeholder: 'TEXT',
    description: 'why; sealed beside the recording, in clear in the index',
  },
  by: { type: 'string', placeholder: 'NAME', description: 'who decided (default: the user of this machine)' },
  key: {
    type: 'string',
    multiple: true,
    placeholder: 'FILE',
    description: 'public key of another recorder whose decisions are trusted too',
  },
}

/** @throws EarwitnessError `usage-no-reason`, `usage-invalid-value` */
export function decisionNote({ args }: Pick<CommandContext, 'args'>): CustodyNote {
  const reason = textOption(args, 'reason')?.trim() ?? ''
  const by = textOption(args, 'by')?.trim() ?? userName()
  if (reason === '') {
    const sentence = 'No reason was given; what is decided about a recording is kept with its reason.'
    throw usageError('usage-no-reason', sentence, 'Add --reason "TEXT", such as the number of a case or an order.')
  }
  if (reason.length > REASON_LENGTH_MAX || by.length > BY_LENGTH_MAX) {
    const sentence = 'The reason or the name is longer than what is kept.'
    throw usageError('usage-invalid-value', sentence, `At most ${REASON_LENGTH_MAX} and ${BY_LENGTH_MAX} characters.`)
  }
  return { by, reason }
}

export interface OpenCustody extends CustodyParts {
  readonly tenants: ReadonlySet<string>
  readonly close: () => void
}

/** The stores, and the keys of this machine, which alone can sign what is decided. @throws EarwitnessError `key-file-missing`, `storage-…` */
export async function openCustody(context: CommandContext, config: Config): Promise<OpenCustody> {
  const signer = await loadSigner(config.signer.keyFile ?? join(config.dataDir, 'keys', SIGNER_FILE))
  const others: readonly VerifyKey[] = await Promise.all(textOptions(context.args, 'key').map(loadVerifyKey))
  const vaultRecipients = await vaultRecipientsAtStart(config, [])
  return {
    ...(await openForCustody(config)),
    keys: [signer.verifyKey, ...others],
    signer: signer.signingKey,
    vaultRecipients,
    nowUnixMs: Date.now,
    randomBytes: (length) => randomBytes(length),
    tenants: tenantsOf(config),
  }
}

/** Leaves a statement for the recorder of this machine. */
export function leaveOn(config: Config): (request: CustodyRequest | ConsentRequest) => Promise<boolean> {
  return (request) => leaveRequest(config.dataDir, request)
}

/**
 * Tells the index what was decided about a recording, all of it again.
 *
 * @param decision who and why, of the records with the ids in `decided`; those of others are sealed
 */
export function tellIndex(
  context: CommandContext,
  custody: RecordingCustody,
  { note, decided }: { readonly note: CustodyNote; readonly decided: readonly string[] },
): Promise<readonly Trouble[]> {
  return writeToIndex(context, async () => {
    const { records } = await custody.read()
    return records.flatMap((stored) => {
      const row = custodyDecidedRecord(stored, decided.includes(stored.record.recordId) ? note : undefined)
      return row === undefined ? [] : [row]
    })
  })
}

/** Writes to the index, where there is one. One that does not know the recording is no trouble: `reindex` brings both. */
export async function writeToIndex(
  context: CommandContext,
  rows: () => Promise<readonly DatabaseRecord[]>,
): Promise<readonly Trouble[]> {
  try {
    const database = await openIndex(context)
    if (database === undefined) return []
    try {
      const records = await rows()
      await applyRecords(
        database.pool,
        records.map((row) => planRecord(row)),
      )
      return []
    } finally {
      await database.stop()
    }
  } catch (error) {
    if (blamesRecord(error)) return []
    const trouble = troubleOf('index', error)
    return [{ ...trouble, hint: `${trouble.hint} Then run \`earwitness reindex\`, or this command again.` }]
  }
}
