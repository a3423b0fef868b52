import { EarwitnessError } from '../../errors.ts'
import type { ShredScope } from '../../evidence/custody/custody-record.ts'
import { isDestroyedBy } from '../../evidence/custody/destroyed-by.ts'
import { inParallel } from '../in-parallel.ts'
import type { CustodyStore, ObjectCopy } from '../storage/object-store.ts'
import { nodeCopies } from './node-copies.ts'
import { troubleOf, type RecordingCustody, type Trouble } from './recording-custody.ts'

/** Copies destroyed beside each other. */
const DESTROYED_AT_ONCE = 8
/** Of one place, named in a report; the rest is counted. */
const NAMES_MAX = 20
/** How many of what is left are told one by one. */
const LEFT_MAX = 20

export interface DestroyedPlace {
  readonly place: 'store' | 'replica' | 'node'
  readonly objects: number
  /** Versions and delete markers of a bucket count one by one. */
  readonly copies: number
  /** Of the objects, the first {@link NAMES_MAX}. */
  readonly names: readonly string[]
}

interface Destruction {
  readonly custody: RecordingCustody
  readonly dataDir: string
  readonly scope: ShredScope
}

/** Destroys what is there, in every place, and goes on where one of them fails. */
export async function destroyEverywhere(
  destruction: Destruction & { readonly bypassesGovernance: boolean; readonly hashes: ReadonlySet<string> },
): Promise<{ readonly places: readonly DestroyedPlace[]; readonly troubles: readonly Trouble[] }> {
  const { custody, dataDir, scope, hashes, bypassesGovernance } = destruction
  const places: DestroyedPlace[] = []
  const troubles: Trouble[] = []
  const take = async (place: DestroyedPlace['place'], work: (gone: Gone) => Promise<void>): Promise<void> => {
    const gone: Gone = { names: new Set(), copies: 0 }
    try {
      await work(gone)
    } catch (error) {
      troubles.push(troubleOf(place, error))
    }
    if (gone.copies > 0) {
      const names = [...gone.names]
      places.push({ place, objects: names.length, copies: gone.copies, names: names.slice(0, NAMES_MAX) })
    }
  }
  // The machine first: what is there could go on to the store.
  await take('node', async (gone) => {
    for (const copy of await nodeCopies(dataDir, custody.recordingId, scope)) {
      await copy.destroy()
      note(gone, copy.path)
    }
  })
  for (const { place, store } of custody.places) {
    await take(place, async (gone) => {
      const copies = await copiesOf(store, custody, scope)
      await inParallel(copies, DESTROYED_AT_ONCE, async ({ copy, name }) => {
        try {
          await store.destroy(copy, { bypassesGovernance })
          note(gone, name)
        } catch (error) {
          if (!(error instanceof EarwitnessError) || error.code !== 'storage-denied') throw error
          if (troubles.length < LEFT_MAX) troubles.push(troubleOf(place, error, name))
        }
      })
      const unnamed = await store.destroyUnnamed(hashes)
      if (unnamed > 0) note(gone, '.incoming', unnamed)
    })
  }
  return { places, troubles }
}

interface Gone {
  readonly names: Set<string>
  copies: number
}

function note(gone: Gone, name: string, copies = 1): void {
  gone.names.add(name)
  gone.copies += copies
}

/** Looks again: what of it is anywhere, and which place does not answer. */
export async function leftEverywhere({ custody, dataDir, scope }: Destruction): Promise<readonly Trouble[]> {
  const left: Trouble[] = []
  const add = (place: Trouble['place'], name: string): void => {
    if (left.length >= LEFT_MAX) return
    left.push({
      ...{ place, name, code: 'shred-left' },
      sentence: `It is still there: ${name}`,
      hint: 'Run the same command again, when what keeps it is mended.',
    })
  }
  for (const { path } of await nodeCopies(dataDir, custody.recordingId, scope)) add('node', path)
  for (const { place, store } of custody.places) {
    try {
      for (const { name } of await copiesOf(store, custody, scope)) add(place, name)
    } catch (error) {
      left.push(troubleOf(place, error))
    }
  }
  return left
}

async function copiesOf(
  store: Pick<CustodyStore, 'copies'>,
  custody: RecordingCustody,
  scope: ShredScope,
): Promise<readonly { readonly copy: ObjectCopy; readonly name: string }[]> {
  const copies = await store.copies(custody.key(''))
  return copies
    .map((copy) => ({ copy, name: copy.key.slice(custody.prefix.length + 1) }))
    .filter(({ name }) => isDestroyedBy(scope, name))
}
