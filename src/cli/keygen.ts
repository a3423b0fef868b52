import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { EarwitnessError, ExitCode } from '../errors.ts'
import { generateIdentity, identityFileText } from '../evidence/age-keys.ts'
import { textOption } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { paintFor, writeJson, writeLines } from './output.ts'

const DEFAULT_FILE = 'vault.agekey'

export const command: Command = {
  name: 'keygen',
  summary: 'makes a vault key pair',
  usage: 'keygen [-o FILE]',
  description:
    'Writes the private key to FILE, readable by you only, in the format of age-keygen, and prints the public key ' +
    '(the recipient). ' +
    'Put the recipient into vault.recipients of every recorder, and keep FILE away from them: who has it can hear ' +
    'every recording, ' +
    'and without it nobody can.',
  examples: ['keygen -o vault.agekey'],
  options: {
    output: {
      type: 'string',
      short: 'o',
      placeholder: 'FILE',
      description: `file for the private key; must not exist (default: ${DEFAULT_FILE})`,
    },
  },
  run: runKeygen,
}

async function runKeygen(context: CommandContext): Promise<ExitCode> {
  const { args, cwd, stdout, stderr, env } = context
  const name = textOption(args, 'output') ?? DEFAULT_FILE
  const file = resolve(cwd, name)
  const { identity, recipient } = generateIdentity((length) => randomBytes(length))
  writePrivateFile(file, name, identityFileText({ identity, recipient, createdAt: new Date().toISOString() }))
  if (context.json) writeJson(stdout, { recipient, file })
  else writeLines(stdout, [recipient])
  const paint = paintFor(stderr, env)
  if (!context.json) {
    writeLines(stderr, [
      `The private key is in ${paint('bold', name)}. Move it off the recorder and keep a copy in another place:`,
      'without it, no recording sealed to this recipient can ever be heard.',
      '',
      'For the configuration of the recorder:',
      '',
      '  vault:',
      '    recipients:',
      `      - ${recipient}`,
    ])
  }
  return ExitCode.done
}

/** Creates the file with mode 0600 and its whole text on disk, or leaves nothing behind. */
function writePrivateFile(file: string, name: string, text: string): void {
  let descriptor: number
  try {
    descriptor = openSync(file, 'wx', 0o600)
  } catch (error) {
    throw openFailure(name, error)
  }
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } catch (error) {
    unlinkSync(file)
    const sentence = `The private key could not be written to ${name}.`
    throw new EarwitnessError('keygen-not-written', sentence, 'Check the space on that disk.', { cause: error })
  } finally {
    closeSync(descriptor)
  }
}

function openFailure(name: string, cause: unknown): EarwitnessError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  if (code === 'EEXIST') {
    const hint = 'A key is never overwritten, since recordings may be sealed to it. Give another file with -o.'
    return new EarwitnessError('keygen-file-exists', `${name} exists already.`, hint, { cause })
  }
  const hint = 'Check that the directory exists and that you may write there, or give another file with -o.'
  return new EarwitnessError('keygen-not-written', `${name} cannot be created (${code}).`, hint, { cause })
}
