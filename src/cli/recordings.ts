import { EarwitnessError, ExitCode } from '../errors.ts'
import { CONSENT_STATES } from '../evidence/consent-event-shape.ts'
import { isUuidV7 } from '../ids.ts'
import type { Database } from '../server/database/database.ts'
import { LIST_LIMIT_MAX, type RecordingFilters } from '../server/database/list-filters.ts'
import { listRecordings, showRecording, type RecordingPage } from '../server/database/queries.ts'
import { choiceOption, instantOption, integerOption, textOption, usageError } from './arguments.ts'
import type { Command, CommandContext, ParsedArguments } from './command.ts'
import { paintFor, terminalColumns, writeJson, writeLines } from './output.ts'
import { openIndex } from './open-index.ts'
import { printPeaks } from './recordings/peaks.ts'
import { IDENTITY_WORDS } from './vault-identities.ts'
import { describeRecording, recordingTable } from './recordings/render.ts'
import { describeManifestFacts, mediaFacts, readManifestOf } from './recordings/manifest-facts.ts'

const LIMIT_DEFAULT = 50
const STATES = ['open', 'complete', 'interrupted', 'held', 'shredding', 'shredded'] as const

export const command: Command = {
  name: 'recordings',
  summary: 'finds recordings and shows what is known about one',
  usage: 'recordings list [filters] | recordings show ID | recordings peaks ID [--identity KEYFILE]',
  description:
    'list prints the recordings that pass every filter, newest first; show prints all that is known about one (with what the ' +
    'manifest says of pauses, holds and reports, which verify proves) and the other recordings of its story: before and after a transfer, duplicates; peaks opens its waveform with the vault key and ' +
    'prints it as audiowaveform JSON. Works whether or not the recorder is running. Times are in UTC.',
  examples: [
    'recordings list --participant "+1 555 0101" --from 2026-11-01',
    'recordings list --state interrupted --json',
    'recordings list --consent missing',
    'recordings list --linked 00FA08040019365BDA8C12',
    'recordings show 01990000-0000-7000-8000-000000000000',
  ],
  positionals: { min: 1, max: 2 },
  options: {
    participant: { type: 'string', placeholder: 'TEXT', description: 'part of a name, an address or a number' },
    src: {
      type: 'string',
      placeholder: 'NAME',
      description: 'recorded from this source, by its name in the configuration',
    },
    from: { type: 'string', placeholder: 'TIME', description: 'began at or after (2026-11-23 or 2026-11-23T14:00Z)' },
    to: { type: 'string', placeholder: 'TIME', description: 'began before' },
    text: {
      type: 'string',
      placeholder: 'TEXT',
      description: 'part of anything: people, ids, vendor data, SIP Call-ID, source, incidents',
    },
    linked: {
      type: 'string',
      placeholder: 'ID',
      description:
        'of the same story as this recording; or with this id of a group, UCID, GUID, Session-ID, in any spelling',
    },
    state: { type: 'string', placeholder: 'STATE', description: STATES.join(', ') },
    consent: { type: 'string', placeholder: 'STATE', description: `by consent: ${CONSENT_STATES.join(', ')}` },
    limit: {
      type: 'string',
      placeholder: 'N',
      description: `at most so many, up to ${LIST_LIMIT_MAX} (default: ${LIMIT_DEFAULT})`,
    },
    cursor: { type: 'string', placeholder: 'CURSOR', description: 'go on where a list ended' },
    identity: {
      type: 'string',
      placeholder: 'KEYFILE',
      description: `of peaks: private half of a vault key (default: data/keys/vault.agekey, or the key service of vault.kind); ${IDENTITY_WORDS}`,
    },
  },
  run: runRecordings,
}

async function runRecordings(context: CommandContext): Promise<ExitCode> {
  const [action, id, ...rest] = context.args.positionals
  if (action === 'list' && id === undefined) return list(context)
  if (action === 'show' && id !== undefined && rest.length === 0) return show(context, id)
  if (action === 'peaks' && id !== undefined && rest.length === 0) return printPeaks(context, id)
  const what =
    action === 'show'
      ? 'recordings show needs the id of a recording.'
      : 'recordings wants "list", "show ID" or "peaks ID".'
  throw usageError('usage-positionals', what, `Usage: earwitness ${command.usage}`)
}

async function list(context: CommandContext): Promise<ExitCode> {
  const { args, stdout, stderr, env } = context
  const filters = {
    participant: textOption(args, 'participant'),
    src: textOption(args, 'src'),
    from: instantOption(args, 'from')?.toISOString(),
    to: instantOption(args, 'to')?.toISOString(),
    text: textOption(args, 'text'),
    linked: textOption(args, 'linked'),
    consent:
      textOption(args, 'consent') === undefined ? undefined : choiceOption(args, 'consent', CONSENT_STATES, 'unknown'),
    ...stateFilter(args),
    limit: integerOption(args, 'limit', { fallback: LIMIT_DEFAULT, min: 1, max: LIST_LIMIT_MAX }),
    cursor: textOption(args, 'cursor'),
  }
  const page: RecordingPage = (await withDatabase(context, (database) => listRecordings(database, filters))) ?? {
    recordings: [],
    nextCursor: null,
  }
  if (context.json) {
    writeJson(stdout, page)
    return ExitCode.done
  }
  if (page.recordings.length === 0) writeLines(stderr, ['No recordings found.'])
  else writeLines(stdout, recordingTable(page.recordings, paintFor(stdout, env), terminalColumns(stdout)))
  if (page.nextCursor !== null) writeLines(stderr, ['', `There are more: --cursor ${page.nextCursor}`])
  return ExitCode.done
}

/** One word for both: how it ended, or what was decided about it later. */
function stateFilter(args: ParsedArguments): Pick<RecordingFilters, 'state' | 'custodyState'> {
  if (textOption(args, 'state') === undefined) return {}
  const state = choiceOption(args, 'state', STATES, 'open')
  const isDecided = state === 'held' || state === 'shredding' || state === 'shredded'
  return isDecided ? { custodyState: state } : { state }
}

async function show(context: CommandContext, id: string): Promise<ExitCode> {
  const { stdout, env } = context
  const details = isUuidV7(id) ? await withDatabase(context, (database) => showRecording(database, id)) : undefined
  if (details === undefined) {
    const hint = isUuidV7(id)
      ? 'Check the id with "earwitness recordings list", and that --config is that of the recorder.'
      : 'An id looks like 01990000-0000-7000-8000-000000000000; "earwitness recordings list" shows them.'
    throw new EarwitnessError('recording-not-found', `There is no recording ${id}.`, hint)
  }
  const manifest = await readManifestOf(context.config(), id)
  const columnsMax = terminalColumns(stdout)
  if (context.json) {
    writeJson(stdout, { ...details, mediaFacts: manifest === undefined ? null : mediaFacts(manifest) })
  } else {
    const paint = paintFor(stdout, env)
    const facts = manifest === undefined ? [] : describeManifestFacts(manifest, paint, columnsMax)
    writeLines(stdout, [...describeRecording(details, paint, columnsMax), ...facts])
  }
  return ExitCode.done
}

/** undefined where nothing was ever recorded: a search must not be what makes a database. */
async function withDatabase<Answer>(
  context: CommandContext,
  ask: (database: Database) => Promise<Answer>,
): Promise<Answer | undefined> {
  const database = await openIndex(context)
  if (database === undefined) return undefined
  try {
    return await ask(database)
  } finally {
    await database.stop()
  }
}
