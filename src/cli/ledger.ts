import { join } from 'node:path'

import { EarwitnessError, ExitCode } from '../errors.ts'
import { describeLog } from '../evidence/ledger/ledger-text.ts'
import { witnessKeyOf } from '../server/ledger/witness-keys.ts'
import { loadVerifyKey, SIGNER_PUBLIC_FILE } from '../server/storage/key-files.ts'
import { textOptions, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { findLogs, logsOfNotes, verifyCopies, witnessesDueOf, type CopyVerdict } from './ledger/ledger-copies.ts'
import { readHeldNotes } from './ledger/held-notes.ts'
import { writeJson, writeLines } from './output.ts'

export const command: Command = {
  name: 'ledger',
  summary: 'checks the log of signed statements: what was recorded, paused, listened to',
  usage: 'ledger verify [--key SIGNER.pub.pem]... [--checkpoint FILE|DIR]... [--witness KEY]...',
  description:
    'Checks every statement of every log, in the data folder and in the object store, and compares them with all signed checkpoints: what was cut off, ' +
    'rewritten, forked, slipped in or back-dated is named. It needs no private key. A checkpoint that you kept elsewhere (--checkpoint) ' +
    'proves that nothing before it was changed since, whoever has the signer key; so does the signature of a witness (--witness) under one: how far each has signed is said, and one that is named and has signed nothing, or nothing more for ten minutes in which the log went on, is a finding; there is no quorum. Exit code 0: verified. 3: not verified.',
  examples: ['ledger verify', 'ledger verify --key signer.pub.pem --checkpoint kept-last-year.note'],
  positionals: { min: 1, max: 1 },
  options: {
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of a trusted signer (default: data/keys/signer.pub.pem)',
    },
    checkpoint: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE|DIR',
      description: 'a signed checkpoint that was kept elsewhere, or a folder of them: `logs` of a witness',
    },
    witness: {
      type: 'string',
      multiple: true,
      placeholder: 'KEY',
      description: 'key of a witness that is trusted, NAME+KEYID+KEY (default: those of ledger.witnesses)',
    },
  },
  run: runLedger,
}

async function runLedger(context: CommandContext): Promise<ExitCode> {
  const { args, cwd, stdout, stderr } = context
  if (args.positionals[0] !== 'verify') {
    const hint = 'Write `earwitness ledger verify`; `earwitness ledger --help` explains it.'
    throw usageError('ledger-what', 'The ledger can be verified; nothing else is known.', hint)
  }
  const config = context.config()
  const keyFiles = textOptions(args, 'key')
  const keys = await Promise.all(
    (keyFiles.length > 0 ? keyFiles : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)]).map(loadVerifyKey),
  )
  const witnessTexts = textOptions(args, 'witness')
  const witnesses = await Promise.all(
    (witnessTexts.length > 0 ? witnessTexts : config.ledger.witnesses.map(({ key }) => key)).map(witnessKeyOf),
  )
  const { notes, passedOver } = await readHeldNotes(textOptions(args, 'checkpoint'), { cwd, keys })
  if (passedOver > 0) writeLines(stderr, [passedOverLine(passedOver)])
  const held = logsOfNotes(notes)
  const logs = [...(await findLogs(config, Date.now()))]
  for (const logId of held.keys()) {
    if (!logs.some((log) => log.logId === logId)) logs.push({ logId, local: undefined, stored: undefined })
  }
  if (logs.length === 0) throw noLedger()
  const verdicts: CopyVerdict[] = []
  const ownLogId = logs.findLast(({ local }) => local !== undefined)?.logId
  for (const log of logs) {
    const witnessesDue = witnessesDueOf({ areNamed: witnessTexts.length > 0, isNewestOfNode: log.logId === ownLogId })
    verdicts.push(...(await verifyCopies(log, { keys, witnesses, witnessesDue }, held.get(log.logId) ?? [])))
  }
  const isVerified = verdicts.every(({ verified }) => verified)
  if (context.json) writeJson(stdout, { verified: isVerified, logs: verdicts })
  else
    writeLines(
      stdout,
      verdicts.flatMap((verdict) => [
        verdict.copy === 'none' ? 'Neither in the data folder nor in the object store:' : `In the ${verdict.copy}:`,
        ...describeLog(verdict),
        ...notStoredLines(verdict),
        '',
      ]),
    )
  return isVerified ? ExitCode.done : ExitCode.verificationFailed
}

/** A recorder that runs is ahead of its store: the newest statements are there, and not in both copies. */
function notStoredLines({ notStored = 0 }: CopyVerdict): readonly string[] {
  if (notStored === 0) return []
  const which = notStored === 1 ? 'The last statement is' : `The last ${notStored} statements are`
  return [`  ${which} not in the object store yet: a recorder that runs brings them there within a minute.`]
}

function passedOverLine(count: number): string {
  const which = count === 1 ? '1 checkpoint is' : `${count} checkpoints are`
  return `note: ${which} by other signers, and passed over; --key names those whose ledgers are meant.`
}

function noLedger(): EarwitnessError {
  return new EarwitnessError(
    'ledger-missing',
    'There is no ledger, neither in the data folder nor in the object store.',
    'A recorder begins one at its first start. Check that --config names the right one; if there was one, it has been taken away.',
  )
}
