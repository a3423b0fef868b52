import { ExitCode } from '../errors.ts'
import { NOT_TOLD } from '../evidence/custody/custody-note.ts'
import {
  addHold,
  applyHolds,
  releaseHolds,
  releaseLostHold,
  type HoldOptions,
  type HoldReport,
} from '../server/custody/hold.ts'
import { RecordingCustody } from '../server/custody/recording-custody.ts'
import { LIST_LIMIT_MAX } from '../server/database/list-filters.ts'
import { listRecordings } from '../server/database/queries.ts'
import { flag, textOption, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { openIndex } from './open-index.ts'
import { exitCodeOf, holdLines, NO_LEDGER } from './custody/custody-report.ts'
import { knownHolds } from './custody/known-holds.ts'
import {
  DECISION_OPTIONS,
  decisionNote,
  leaveOn,
  openCustody,
  tellIndex,
  type OpenCustody,
} from './custody/open-custody.ts'
import { paintFor, terminalColumns, writeJson, writeLines } from './output.ts'
import { recordingTable } from './recordings/render.ts'

export const command: Command = {
  name: 'hold',
  summary: 'keeps a recording from being destroyed, until it is released',
  usage:
    'hold add ID --reason TEXT [--by NAME] | hold release ID --reason TEXT [--hold ID | --all | --lost ID] | hold apply ID | hold list [ID]',
  description:
    'A recording may be held by several holds, each for a matter of its own; as long as one is open it is not shredded. A hold is a signed record beside the recording, a statement in the ledger and a row of the ' +
    'index; where the bucket has Object Lock, its legal hold is set on every object too. A recording that is still being made can be held. apply does again what a hold asks of store and ledger: after an error, or ' +
    'when a recording that was held while it was made is over. A hold whose record was lost for good, but of which ledger or index know, keeps a recording too: release --lost ends it, and says so in the record, the ' +
    'ledger and the verdict. list shows what is held, or all that was decided about one. Exit code 4: something could not be done.',
  examples: ['hold add 01990000-0000-7000-8000-000000000000 --reason "case 4711" --by "Ada Lovelace"', 'hold list'],
  positionals: { min: 1, max: 2 },
  options: {
    ...DECISION_OPTIONS,
    hold: { type: 'string', placeholder: 'ID', description: 'of release: which hold ends (default: the only one)' },
    all: { type: 'boolean', description: 'of release: all of them end' },
    lost: {
      type: 'string',
      placeholder: 'ID',
      description: 'of release: a hold ends of which only ledger or index know, as its record is lost for good',
    },
  },
  run: runHold,
}

async function runHold(context: CommandContext): Promise<ExitCode> {
  const [action, id] = context.args.positionals
  if (action === 'list') return id === undefined ? listHeld(context) : listOne(context, id)
  if (id !== undefined && (action === 'add' || action === 'release' || action === 'apply')) {
    return change(context, action, id)
  }
  const sentence = 'hold wants "add ID", "release ID", "apply ID" or "list".'
  throw usageError('usage-positionals', sentence, `Usage: earwitness ${command.usage}`)
}

async function change(context: CommandContext, action: 'add' | 'release' | 'apply', id: string): Promise<ExitCode> {
  const { json, stdout, stderr } = context
  const note = action === 'apply' ? NOT_TOLD : decisionNote(context)
  const config = context.config()
  const open = await openCustody(context, config)
  try {
    const custody = await RecordingCustody.find(open, id, open.tenants)
    const { recordingId } = custody
    const options = {
      ...{ ...open, custody, note, leave: leaveOn(config) },
      knownHolds: () => knownHolds(context, { ...open, recordingId }),
    }
    const report: HoldReport =
      action === 'add'
        ? await addHold(options)
        : action === 'apply'
          ? await applyHolds(options)
          : await release(context, options)
    const troubles = [...report.troubles, ...(await tellIndex(context, custody, { note, decided: report.decided }))]
    const whole = { ...report, troubles }
    if (json) writeJson(stdout, whole)
    else writeLines(stdout, holdLines(whole))
    if (!report.hasLedger) writeLines(stderr, [NO_LEDGER])
    return exitCodeOf(troubles)
  } finally {
    open.close()
  }
}

function release(context: CommandContext, options: OpenCustody & HoldOptions): Promise<HoldReport> {
  const { args } = context
  const [lost, one] = [textOption(args, 'lost'), textOption(args, 'hold')]
  if (lost === undefined) return releaseHolds({ ...options, which: flag(args, 'all') ? 'all' : (one ?? 'only') })
  if (one !== undefined || flag(args, 'all')) {
    const sentence = 'A lost hold is released by itself: what is lost, and what is there, are not one thing.'
    throw usageError('usage-invalid-value', sentence, 'Leave out --hold and --all, or --lost.')
  }
  return releaseLostHold({ ...options, holdId: lost })
}

/** All that was decided about one recording, from the store. */
async function listOne(context: CommandContext, id: string): Promise<ExitCode> {
  const open = await openCustody(context, context.config())
  try {
    const custody = await RecordingCustody.find(open, id, open.tenants)
    const { state, records } = await custody.read()
    const decisions = records.map(({ record }) => ({
      at: record.at,
      kind: record.kind,
      ...('holdId' in record ? { holdId: record.holdId } : {}),
      ...('lostSha256' in record ? { lostSha256: record.lostSha256 } : {}),
    }))
    if (context.json) writeJson(context.stdout, { recordingId: id, holds: state.holds, shred: state.shred, decisions })
    else {
      const lines = decisions.map(({ at, kind, holdId = '', lostSha256 }) =>
        `${at}  ${kind}  ${holdId}${lostSha256 === undefined ? '' : '  its record is lost'}`.trimEnd(),
      )
      writeLines(context.stdout, lines.length > 0 ? lines : ['Nothing was decided about it.'])
    }
    return ExitCode.done
  } finally {
    open.close()
  }
}

/** Recordings that are held, from the index. */
async function listHeld(context: CommandContext): Promise<ExitCode> {
  const { json, stdout, stderr, env } = context
  const database = await openIndex(context)
  try {
    const filters = { custodyState: 'held', limit: LIST_LIMIT_MAX } as const
    const { recordings } = database === undefined ? { recordings: [] } : await listRecordings(database, filters)
    if (json) writeJson(stdout, { recordings })
    else if (recordings.length === 0) writeLines(stderr, ['No recording is held.'])
    else writeLines(stdout, recordingTable(recordings, paintFor(stdout, env), terminalColumns(stdout)))
    return ExitCode.done
  } finally {
    await database?.stop()
  }
}
