import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import { refuseLost, type KnownHold } from '../custody/lost-holds.ts'
import type { MarkFolder } from '../custody/mark-folder.ts'
import { troubleOf, type RecordingCustody, type Trouble } from '../custody/recording-custody.ts'
import type { HeldKeys } from '../recording/held-keys.ts'

/** What became of the keys of audio that was held until consent, and about which nobody had decided when the recording ended. */
export interface SettledHeld {
  /** `pending`: nothing was decided. `unfinished`: not all of it could be done; see `troubles`. `none`: nothing was open. */
  readonly outcome: 'kept' | 'destroyed' | 'pending' | 'unfinished' | 'none'
  readonly troubles: readonly Trouble[]
}

const OUTCOMES: Readonly<Partial<Record<ConsentStateName, 'kept' | 'destroyed'>>> = {
  agreed: 'kept',
  notified: 'kept',
  notRequired: 'kept',
  missing: 'destroyed',
  refused: 'destroyed',
  withdrawn: 'destroyed',
}

/**
 * Hands over, or destroys, what is still held, as the consent state wants it. The event that says so is stored by then: a crash in between leaves it pending, and doing it again
 * finishes it. Of two commands that decide the other way at the same moment each settles by what then holds: see `alone`.
 *
 * @param state absent: what was said decides nothing
 */
export async function settleHeld(
  parts: {
    readonly custody: RecordingCustody
    readonly manifest: ManifestBody
    readonly heldKeys: Pick<HeldKeys, 'read' | 'destroy'>
    /** What ledger and index know of open holds on it. */
    readonly knownHolds: () => Promise<readonly KnownHold[]>
    /** As it is now, whoever decided. */
    readonly stateNow: () => Promise<ConsentStateName>
    /** Runs it while no other command of this machine settles anything. */
    readonly alone: <Value>(work: () => Promise<Value>) => Promise<Value>
    /** Are told before a key is handed over, until it is sure that it may stay: see `left-keys`. */
    readonly intents: Pick<MarkFolder, 'write' | 'remove'>
  },
  state: ConsentStateName | undefined,
): Promise<SettledHeld> {
  const open = (parts.manifest.held ?? []).filter(({ outcome }) => outcome === 'pending')
  if (open.length === 0) return { outcome: 'none', troubles: [] }
  if (state === undefined) return { outcome: 'pending', troubles: [] }
  return parts.alone(async () => {
    const outcome = OUTCOMES[await parts.stateNow()]
    if (outcome === undefined) return { outcome: 'pending', troubles: [] }
    const troubles: Trouble[] = []
    for (const { wrappedKey } of open) {
      try {
        const trouble = outcome === 'kept' ? await handOver(parts, wrappedKey) : await destroy(parts, wrappedKey.name)
        if (trouble !== undefined) troubles.push(trouble)
      } catch (error) {
        troubles.push(troubleOf('node', error, wrappedKey.name))
      }
    }
    return { outcome: troubles.length === 0 ? outcome : 'unfinished', troubles }
  })
}

type Parts = Parameters<typeof settleHeld>[0]

async function handOver(
  { custody, heldKeys, intents }: Parts,
  { name, sha256 }: { readonly name: string; readonly sha256: string },
): Promise<Trouble | undefined> {
  if ((await custody.read()).state.shred !== 'none') return shredded(name)
  const key = custody.key(name)
  const bytes = await heldKeys.read(key)
  if (bytes !== undefined && sha256Hex(bytes) !== sha256) return damaged(name)
  // Killed behind this, it may leave a key of what is destroyed in the same moment: the next start of the recorder looks.
  await intents.write(custody.recordingId, custody.prefix)
  if (bytes !== undefined) await custody.put(name, bytes)
  else if ((await custody.get(name)) === undefined) {
    await intents.remove(custody.recordingId)
    return absent(name)
  }
  const [trouble] = await custody.spread((each) => each === name)
  await heldKeys.destroy(key)
  const isFree = (await custody.read()).state.shred === 'none'
  // Somebody began to destroy it meanwhile, and may have looked before it was there.
  if (!isFree) for (const { store } of custody.places) await store.delete(key)
  await intents.remove(custody.recordingId)
  return isFree ? trouble : shredded(name)
}

async function destroy({ custody, heldKeys, knownHolds }: Parts, name: string): Promise<Trouble | undefined> {
  const { state, records } = await custody.read()
  if (state.holds.length > 0) return onHold(name)
  refuseLost(await knownHolds(), records)
  await heldKeys.destroy(custody.key(name))
  return (await custody.get(name)) === undefined ? undefined : handedOver(name)
}

function absent(name: string): Trouble {
  return {
    ...{ place: 'node', name, code: 'held-key-absent' },
    sentence: 'The key of what was held is not on this machine, or an earlier decision destroyed it.',
    hint: 'Run the command on the recorder that made the recording. Where its disk was lost, or somebody had withdrawn, what was held is gone.',
  }
}

function damaged(name: string): Trouble {
  return {
    ...{ place: 'node', name, code: 'held-key-damaged' },
    sentence: 'The key of what was held is not the one that the manifest names.',
    hint: 'It was left as it is. Find out what happened to the data folder of this recorder.',
  }
}

function shredded(name: string): Trouble {
  return {
    ...{ place: 'node', name, code: 'recording-shredded' },
    sentence: 'The recording was destroyed, or is being destroyed: the key of what was held is not handed over.',
    hint: '`earwitness verify` tells what was decided; `earwitness shred` once more looks whether anything of it is left.',
  }
}

function onHold(name: string): Trouble {
  return {
    ...{ place: 'node', name, code: 'recording-held' },
    sentence: 'The recording is on legal hold: the key of what was held was not destroyed.',
    hint: 'Nobody can open it without the vault. When the hold has ended, run the same command again.',
  }
}

function handedOver(name: string): Trouble {
  return {
    ...{ place: 'store', name, code: 'held-key-stored' },
    sentence: 'The key of what was held was handed over before, and is in the store.',
    hint: 'Destroy the recording: earwitness shred ID --reason TEXT.',
  }
}
