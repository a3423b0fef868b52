import { EarwitnessError } from '../../errors.ts'
import type { CustodyState } from '../../evidence/custody/custody-chain.ts'
import { isDestroyedBy } from '../../evidence/custody/destroyed-by.ts'
import { standingOf } from '../../evidence/custody/verify-custody.ts'
import { isWrappedKeyName, wrappedKeyNumber } from '../../evidence/object-names.ts'
import type { VerifyKey } from '../../evidence/signer-keys.ts'
import { MarkFolder } from '../custody/mark-folder.ts'
import { destroyUndue, namesIn, sealedKeyNames, stateIn } from './rotate-key.ts'
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

/** The same for objects that `replicate` is about to bring to a store; with {@link replicateIntent}. */
export function replicateIntents(dataDir: string): MarkFolder {
  return new MarkFolder(dataDir, 'replicating')
}

/** The text of one: the prefix, to which place, and the wrapped keys among what is brought. */
export function replicateIntent(objectPrefix: string, to: RotationPlace['place'], names: readonly string[]): string {
  return [objectPrefix, to, ...names.filter(isWrappedKeyName)].join('\n')
}

/** Those of the wrapped keys among `names` that another store has no more, and a later one: they were sealed anew, and destroyed. */
export function replacedKeys(names: Iterable<string>, other: readonly string[]): ReadonlySet<string> {
  const latest = Math.max(...other.map(wrappedKeyNumber), -1)
  const isReplaced = (name: string): boolean => wrappedKeyNumber(name) < latest && !other.includes(name)
  return new Set([...names].filter((name) => isWrappedKeyName(name) && isReplaced(name)))
}

interface Recording {
  readonly recordingId: string
  readonly objectPrefix: string
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
 * Destroys what a command which was killed stored of recordings that were destroyed in the same moment, and keys that `replicate` brought while they were sealed anew. What was only begun is
 * finished by `shred`, and a recording that is still there by the same command. Rejects when the folder cannot be read.
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
  const text = await intents.read(recordingId)
  if (text === undefined) return
  const [objectPrefix = '', ...brought] = text.split('\n')
  const recording = { recordingId, objectPrefix }
  const state = await stateIn(places, recording, trusted)
  const standing = standingOf(state)
  if (standing === 'free') await finishReplaced({ places, onDestroyed }, recording, brought)
  if (standing !== 'shredded') return
  await destroyAll({ places, onDestroyed }, recording, await undueNames(places, recording, state))
  await intents.remove(recordingId)
}

/** Of what is destroyed; a run that was killed may have brought more than keys. */
async function undueNames(
  places: readonly RotationPlace[],
  recording: Recording,
  { destroyed }: CustodyState,
): Promise<readonly string[]> {
  if (destroyed !== 'objects') return sealedKeyNames(places, recording)
  return (await namesIn(places, recording, '')).filter((name) => isDestroyedBy(destroyed, name))
}

/** Only what was about to be brought, and only there: elsewhere such a key may be the one that opens it. */
async function finishReplaced(
  { places, onDestroyed }: Pick<LeftOptions, 'places' | 'onDestroyed'>,
  recording: Recording,
  [to, ...keys]: readonly string[],
): Promise<void> {
  const there = places.filter(({ place }) => place === to)
  const others = places.filter(({ place }) => place !== to)
  if (there.length === 0 || keys.length === 0) return
  const replaced = replacedKeys(await namesIn(there, recording, 'key'), await namesIn(others, recording, 'key'))
  const names = keys.filter((name) => replaced.has(name))
  await destroyAll({ places: there, onDestroyed }, recording, names)
}

async function destroyAll(
  { places, onDestroyed }: Pick<LeftOptions, 'places' | 'onDestroyed'>,
  recording: Recording,
  names: readonly string[],
): Promise<void> {
  const { keysLeft, keysDestroyed, code, sentence, hint } = await destroyUndue(places, recording, names)
  if (keysDestroyed.length > 0) onDestroyed(recording.recordingId, keysDestroyed)
  if (keysLeft.length > 0)
    throw new EarwitnessError(code ?? 'rotation-left', sentence ?? 'A key is still there.', hint ?? '')
}
