import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { EarwitnessError } from '../../errors.ts'
import { readCheckpoint } from '../../evidence/ledger/checkpoint.ts'
import { NOTE_LENGTH_MAX } from '../../evidence/ledger/signed-note.ts'
import type { NamedNote } from '../../evidence/ledger/verify-log.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'

/** Checkpoints in one folder: a witness of many recorders may have as many. */
const NOTES_MAX = 50_000
/** As a witness and an object store name them. */
const NOTE = /\.(note|seen|shown)$/

/** Checkpoints that were kept elsewhere. */
export interface HeldNotes {
  readonly notes: readonly NamedNote[]
  /** Those in folders that are signed by nobody who is trusted: a witness keeps those of other recorders too. */
  readonly passedOver: number
}

/**
 * Reads files, and of folders all that a witness keeps there. What was named by itself is taken as it is, and found wrong by whoever verifies it.
 *
 * @throws EarwitnessError `checkpoint-unreadable`
 */
export async function readHeldNotes(
  names: readonly string[],
  { cwd, keys }: { readonly cwd: string; readonly keys: readonly VerifyKey[] },
): Promise<HeldNotes> {
  const notes: NamedNote[] = []
  let passedOver = 0
  for (const name of names) {
    const inFolder = await namesIn(resolve(cwd, name), name)
    if (inFolder === undefined) notes.push(await readNote(resolve(cwd, name), name))
    for (const each of inFolder ?? []) {
      const note = await readNote(resolve(cwd, name, each), join(name, each))
      const read = await readCheckpoint(note.note, keys)
      if (!read.ok && read.reason === 'signerUnknown') passedOver += 1
      else notes.push(note)
    }
  }
  return { notes, passedOver }
}

/** Undefined for what is no folder. */
async function namesIn(path: string, name: string): Promise<readonly string[] | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return undefined
    const names = (await readdir(path)).filter((each) => NOTE.test(each)).toSorted()
    if (names.length > 0 && names.length <= NOTES_MAX) return names
  } catch (error) {
    throw unreadable(`${name} cannot be read.`, 'Check the name, and that you may read it.', error)
  }
  const hint = `Give the folder \`logs\` of a witness, with at most ${NOTES_MAX} files that end with .note, .seen or .shown, or the files themselves.`
  throw unreadable(`${name} is no folder of checkpoints.`, hint)
}

async function readNote(path: string, name: string): Promise<NamedNote> {
  try {
    const note = await readFile(path, 'utf8')
    return { name, note: note.slice(0, NOTE_LENGTH_MAX + 1) }
  } catch (error) {
    throw unreadable(`${name} cannot be read.`, 'Check the name, and that you may read it.', error)
  }
}

function unreadable(sentence: string, hint: string, cause?: unknown): EarwitnessError {
  return new EarwitnessError('checkpoint-unreadable', sentence, hint, { cause })
}
