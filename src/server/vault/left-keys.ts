import { EarwitnessError } from '../../errors.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { MarkFolder } from '../custody/mark-folder.ts'
import { destroyUndue, sealedKeyNames, standingIn } from './rotate-key.ts'
import type { RotationPlace } from './rotation-place.ts'

/**
 * A file for each recording to which a rotation is about to store a new key, with the prefix of its objects, until it has looked again whether the recording was destroyed meanwhile. Killed in
 * between, it leaves a key that nobody may have, and this, by which that is found.
 */
export type RotationIntents = Pick<MarkFolder, 'list' | 'read' | 'write' | 'remove'>

export function rotationIntents(dataDir: string): RotationIntents {
  return new MarkFolder(dataDir, 'rotating')
}

/** The same for keys of what was held until consent, which `consent decide` is about to hand over. */
export function handOverIntents(dataDir: string): MarkFolder {
  return new MarkFolder(dataDir, 'handing-over')
}

/** The same for keys that `replicate` is about to bring to a store. */
export function replicateIntents(dataDir: string): MarkFolder {
  return new MarkFolder(dataDir, 'replicating')
}

interface LeftOptions {
  readonly places: readonly RotationPlace[]
  readonly intents: Pick<RotationIntents, 'list' | 'read' | 'remove'>
  /** Who may have decided about recordings. */
  readonly trusted: readonly VerifyKey[]
  readonly onDestroyed: (recordingId: string, names: readonly string[]) => void
  /** It is looked at again by the next start. */
  readonly onError: (recordingId: string, error: unknown) => void
}

/**
 * Destroys keys that a command which was killed stored for recordings that were destroyed in the same moment. What was only begun is finished by `shred`, and a recording that is still there by
 * the same command. Rejects when the folder cannot be read.
 */
export async function finishLeftKeys(options: LeftOptions): Promise<void> {
  for (const recordingId of await options.intents.list()) {
    try {
      await finishOne(options, recordingId)
    } catch (error) {
      options.onError(recordingId, error)
    }
  }
}

async function finishOne({ places, intents, trusted, onDestroyed }: LeftOptions, recordingId: string): Promise<void> {
  const objectPrefix = await intents.read(recordingId)
  if (objectPrefix === undefined) return
  const recording = { recordingId, objectPrefix }
  if ((await standingIn(places, recording, trusted)) !== 'shredded') return
  const names = await sealedKeyNames(places, recording)
  const { keysLeft, keysDestroyed, code, sentence, hint } = await destroyUndue(places, recording, names)
  if (keysDestroyed.length > 0) onDestroyed(recordingId, keysDestroyed)
  if (keysLeft.length > 0)
    throw new EarwitnessError(code ?? 'rotation-left', sentence ?? 'A key is still there.', hint ?? '')
  await intents.remove(recordingId)
}
