import type { ExitCode } from '../errors.ts'
import { RecordingCustody } from '../server/custody/recording-custody.ts'
import { shred } from '../server/custody/shred.ts'
import { ShreddedMarks } from '../server/custody/shredded-marks.ts'
import { flag } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { confirmFor } from './confirm.ts'
import { exitCodeOf, NO_LEDGER, shredLines } from './custody/custody-report.ts'
import { knownHolds } from './custody/known-holds.ts'
import { DECISION_OPTIONS, decisionNote, leaveOn, openCustody, tellIndex } from './custody/open-custody.ts'
import { writeJson, writeLines } from './output.ts'

export const command: Command = {
  name: 'shred',
  summary: 'destroys the key of a recording, so that nobody can open it any more',
  usage: 'shred ID --reason TEXT [--by NAME] [--chunks] [--bypass-governance] [--yes]',
  description:
    'Destroys the sealed key of a recording in the store, its replica (all versions and delete markers of a bucket) and on this machine. What is left proves that the recording existed and ' +
    'that its key was destroyed: manifest, ledger, a signed record, the row of the index. It says what it destroyed and what it could not. Run it on the machine of the recorder, whether or not that runs. ' +
    'A recording that is still being made, or on legal hold, is refused; so is one of whose hold ledger or index know and whose record is gone. ' +
    'Exit code 0: nothing is left. 4: something is; running it again finishes the work.',
  examples: ['shred 01990000-0000-7000-8000-000000000000 --reason "erasure request 4711"'],
  positionals: { min: 1, max: 1 },
  options: {
    ...DECISION_OPTIONS,
    chunks: { type: 'boolean', description: 'destroy all sealed objects too; without their key they are of no use' },
    'bypass-governance': {
      type: 'boolean',
      description: 'also what the bucket keeps under retention in mode governance, if the credentials may',
    },
    yes: { type: 'boolean', description: 'do not ask' },
  },
  run: runShred,
}

async function runShred(context: CommandContext): Promise<ExitCode> {
  const { args, json, stdout, stderr } = context
  const id = args.positionals[0] ?? ''
  const note = decisionNote(context)
  const config = context.config()
  const open = await openCustody(context, config)
  try {
    const custody = await RecordingCustody.find(open, id, open.tenants)
    if (!flag(args, 'yes')) await confirmFor(context, id, `This destroys recording ${id} for ever.`)
    const report = await shred({
      ...{ custody, note, dataDir: config.dataDir, marks: new ShreddedMarks(config.dataDir), leave: leaveOn(config) },
      scope: flag(args, 'chunks') ? 'objects' : 'key',
      knownHolds: () => knownHolds(context, { ...open, recordingId: custody.recordingId }),
      bypassesGovernance: flag(args, 'bypass-governance'),
    })
    const troubles = [...report.troubles, ...(await tellIndex(context, custody, { note, decided: report.decided }))]
    const whole = { ...report, troubles }
    if (json) writeJson(stdout, whole)
    else writeLines(stdout, shredLines(whole))
    if (!report.hasLedger) writeLines(stderr, [NO_LEDGER])
    return exitCodeOf(troubles)
  } finally {
    open.close()
  }
}
