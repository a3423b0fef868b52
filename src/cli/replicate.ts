import { EarwitnessError, ExitCode } from '../errors.ts'
import { RecordingCustody } from '../server/custody/recording-custody.ts'
import { RotatedMarks } from '../server/custody/rotated-marks.ts'
import { ShreddedMarks } from '../server/custody/shredded-marks.ts'
import { Bandwidth } from '../server/storage/bandwidth.ts'
import type { CustodyPlace } from '../server/storage/open-store.ts'
import { ledgerLists } from '../server/storage/replica/ledger-lists.ts'
import { replicate, type ReplicateSummary } from '../server/storage/replica/replicate.ts'
import { finishLeftKeys, replicateIntents } from '../server/vault/left-keys.ts'
import { rotationPlace } from '../server/vault/rotation-place.ts'
import { RecordingWalk } from '../server/storage/recording-walk.ts'
import { choiceOption, flag, instantOption, textOptions } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { knownHolds } from './custody/known-holds.ts'
import { openCustody, type OpenCustody } from './custody/open-custody.ts'
import { formatBytes, printable, writeJson, writeLines } from './output.ts'

const PROGRESS_EVERY = 500

export const command: Command = {
  name: 'replicate',
  summary: 'brings to one store what only the other has: to a new replica, or back',
  usage:
    'replicate [--to replica|store] [--tenant NAME]... [--from DAY] [--until DAY] [--quick] [--key FILE]... [--dry-run]',
  description:
    'A replica (storage.replica) gets what is recorded from when it was configured; this brings it what was stored before, and with --to store brings back to a store that was lost what the replica has. ' +
    'Objects that both have are compared by size and SHA-256 (--quick: by size alone). Nothing is overwritten: what differs is named. What was destroyed, and sealed keys that were replaced, do not come back; what is on ' +
    'legal hold gets that of the bucket, where it has Object Lock. A bucket gets so many bytes a second as its `bandwidth` says, besides what the recorder sends. Ledgers are copied too, unless tenants or days are chosen. Stopped anywhere, running it again goes on. It may run beside the recorder; run it on the ' +
    'machine of a recorder, with its configuration. Exit code 0: the second store has everything, and the same. 3: something differs. 4: something could not be brought, or a dry run found something missing.',
  examples: ['replicate --dry-run', 'replicate', 'replicate --to store --from 2026-11-01'],
  options: {
    to: { type: 'string', placeholder: 'PLACE', description: 'replica (default), or store: back from the replica' },
    tenant: {
      type: 'string',
      multiple: true,
      placeholder: 'NAME',
      description: 'only this tenant (default: all of which the store has something)',
    },
    from: { type: 'string', placeholder: 'DAY', description: 'only recordings of this day and later' },
    until: { type: 'string', placeholder: 'DAY', description: 'only recordings up to this day' },
    quick: { type: 'boolean', description: 'compare what both have by size alone' },
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of another recorder whose decisions about recordings are trusted too',
    },
    'dry-run': { type: 'boolean', description: 'only say what is missing and what differs' },
  },
  run: runReplicate,
}

async function runReplicate(context: CommandContext): Promise<ExitCode> {
  const { args, json, stdout } = context
  const wanted = choiceOption(args, 'to', ['replica', 'store'], 'replica')
  const config = context.config()
  const open = await openCustody(context, config)
  try {
    const to = open.places.find(({ place }) => place === wanted)
    const from = open.places.find(({ place }) => place !== wanted)
    if (to === undefined || from === undefined) throw withoutReplica()
    const isDryRun = flag(args, 'dry-run')
    // Before anything is read: a store that takes nothing would be found with the first object only.
    if (!isDryRun) await to.store.check()
    if (!isDryRun) await finishEarlier(open, config.dataDir)
    const summary = await copy(context, open, { from, to, isDryRun })
    if (json) writeJson(stdout, summary)
    else writeLines(stdout, linesOf(summary, { from, to }))
    return exitCodeOf(summary)
  } finally {
    open.close()
  }
}

function copy(
  context: CommandContext,
  open: OpenCustody,
  { from, to, isDryRun }: { readonly from: CustodyPlace; readonly to: CustodyPlace; readonly isDryRun: boolean },
): Promise<ReplicateSummary> {
  const { args, signal, stderr } = context
  const { dataDir, storage } = context.config()
  const bucket = to.place === 'store' ? storage.s3 : storage.replica?.s3
  const tenants = textOptions(args, 'tenant')
  const [fromUnixMs, untilUnixMs] = ['from', 'until'].map((name) => instantOption(args, name)?.getTime())
  const walk = new RecordingWalk([from.store], {
    ...{ tenants: tenants.length > 0 ? new Set(tenants) : undefined, fromUnixMs, untilUnixMs },
  })
  const isAll = tenants.length === 0 && fromUnixMs === undefined && untilUnixMs === undefined
  return replicate(walk.recordings(), isAll ? ledgerLists(from.store) : nothing(), {
    ...{ from, to, isDryRun, signal, comparesContent: !flag(args, 'quick') },
    bandwidth: new Bandwidth(bucket?.bytesPerSecondMax ?? 0),
    ...{ marks: new ShreddedMarks(dataDir), rotated: new RotatedMarks(dataDir), intents: replicateIntents(dataDir) },
    custodyOf: ({ recordingId, objectPrefix }) => new RecordingCustody(open, recordingId, objectPrefix),
    knownHolds: (recordingId) => knownHolds(context, { ...open, recordingId }),
    onProgress({ recordings, copied, same }) {
      if (recordings % PROGRESS_EVERY !== 0) return
      writeLines(stderr, [`${recordings} recordings: ${copied} objects copied, ${same} there before`])
    },
  })
}

async function* nothing(): AsyncGenerator<never> {}

/** Of a run that was killed: a key of a recording that was destroyed in the same moment. */
function finishEarlier({ places, keys }: OpenCustody, dataDir: string): Promise<void> {
  return finishLeftKeys({
    ...{ places: places.map(rotationPlace), intents: replicateIntents(dataDir), trusted: keys },
    onDestroyed: () => {},
    onError: (_recordingId, error) => {
      throw error
    },
  })
}

function linesOf(
  summary: ReplicateSummary,
  { from, to }: { readonly from: CustodyPlace; readonly to: CustodyPlace },
): readonly string[] {
  const { recordings, copied, copiedBytes, same, differing, withheld, held, problems, isDryRun } = summary
  const lines = [
    `${recordings} recordings, from ${from.description} to ${to.description}.`,
    `${copied} objects (${formatBytes(copiedBytes)}) ${isDryRun ? 'are missing there' : 'copied'}; ${same} are in both${summary.comparesContent ? '' : ', by their sizes'}.`,
  ]
  if (differing > 0) lines.push(`${differing} DIFFER, and were left as they are.`)
  if (withheld > 0) lines.push(`${withheld} were not copied: they were destroyed with their recording, or replaced.`)
  if (held > 0) lines.push(`${held} recordings are on legal hold${isDryRun ? '' : ', there too'}.`)
  for (const { key, code, sentence } of problems) lines.push(`  ${printable(key)}: ${printable(sentence)} [${code}]`)
  if (summary.problemsDropped > 0) lines.push(`  and ${summary.problemsDropped} more`)
  lines.push(...[...new Set(problems.map(({ hint }) => `hint: ${printable(hint)}`))])
  if (summary.isCut) lines.push('Stopped before the end; run it again to go on.')
  return lines
}

function exitCodeOf({ differing, problems, copied, isDryRun, isCut }: ReplicateSummary): ExitCode {
  if (differing > 0) return ExitCode.verificationFailed
  return problems.length > 0 || isCut || (isDryRun && copied > 0) ? ExitCode.partlyDone : ExitCode.done
}

function withoutReplica(): EarwitnessError {
  return new EarwitnessError(
    'replica-not-configured',
    'There is no second store to copy to.',
    'Name one under storage.replica, with the recorder restarted, so that it gets from now on what is recorded.',
  )
}
