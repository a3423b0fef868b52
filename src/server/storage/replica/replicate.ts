import { EarwitnessError } from '../../../errors.ts'
import { isDestroyedBy } from '../../../evidence/custody/destroyed-by.ts'
import type { ShredScope } from '../../../evidence/custody/custody-record.ts'
import type { CustodyState } from '../../../evidence/custody/custody-chain.ts'
import { isCustodyName, isWrappedKeyName, MANIFEST_NAME, wrappedKeyNumber } from '../../../evidence/object-names.ts'
import { sha256Hex } from '../../../evidence/sha256.ts'
import { settleStores } from '../../custody/hold.ts'
import type { KnownHold } from '../../custody/lost-holds.ts'
import type { MarkFolder } from '../../custody/mark-folder.ts'
import type { RecordingCustody, Trouble } from '../../custody/recording-custody.ts'
import type { RotatedMarks } from '../../custody/rotated-marks.ts'
import type { ShreddedMarks } from '../../custody/shredded-marks.ts'
import { inParallel } from '../../in-parallel.ts'
import { replacedKeys, replicateIntent } from '../../vault/left-keys.ts'
import type { Bandwidth } from '../bandwidth.ts'
import type { ObjectStore } from '../object-store.ts'
import type { CustodyPlace } from '../open-store.ts'
import { pagesOf } from '../recording-walk.ts'

/** Recordings read from the walk at a time. */
const PAGE_RECORDINGS = 64
/** Recordings worked on at once; each has one object in memory, and the same of the other store beside it. */
const RECORDINGS_AT_ONCE = 4
/** Objects and recordings named in a summary; those beyond are counted. */
const NAMED_MAX = 1_000

interface ReplicateProblem {
  /** Of an object, or the prefix of a recording. */
  readonly key: string
  readonly code: string
  readonly sentence: string
  readonly hint: string
}

export interface ReplicateSummary {
  readonly from: CustodyPlace['place']
  readonly to: CustodyPlace['place']
  readonly recordings: number
  /** Objects that the second one lacked, with `isDryRun`: lacks. */
  readonly copied: number
  readonly copiedBytes: number
  /** Objects that both had. */
  readonly same: number
  /** Objects of one name that are not the same in both: none was overwritten. */
  readonly differing: number
  /** Objects that must not come back: destroyed with their recording, or sealed keys before one that the second has. */
  readonly withheld: number
  /** Recordings on legal hold. */
  readonly held: number
  /** The first {@link NAMED_MAX}: what differs, and what could not be done. */
  readonly problems: readonly ReplicateProblem[]
  readonly problemsDropped: number
  /** Whether the contents were compared of what both have, or the sizes alone. */
  readonly comparesContent: boolean
  readonly isDryRun: boolean
  /** It was told to stop. */
  readonly isCut: boolean
}

interface Options {
  readonly from: CustodyPlace
  readonly to: CustodyPlace
  readonly custodyOf: (recording: StoredRecording) => RecordingCustody
  /** Asked where a hold ends while the stores are told of it. */
  readonly knownHolds: (recordingId: string) => Promise<readonly KnownHold[]>
  /** What this machine knows of destroyed recordings and of keys that were sealed anew. */
  readonly marks: Pick<ShreddedMarks, 'read'>
  readonly rotated: Pick<RotatedMarks, 'lowest'>
  /** Are told before objects of a recording are stored, until it is sure that they may stay: see `left-keys`. */
  readonly intents: Pick<MarkFolder, 'write' | 'remove'>
  readonly comparesContent: boolean
  readonly isDryRun: boolean
  /** Of what the second store is given. */
  readonly bandwidth: Pick<Bandwidth, 'take'>
  /** Ends it between two objects. */
  readonly signal: AbortSignal
  readonly onProgress: (summary: Pick<ReplicateSummary, 'recordings' | 'copied' | 'same'>) => void
}

interface StoredRecording {
  readonly recordingId: string
  readonly objectPrefix: string
}

type Listed = Awaited<ReturnType<ObjectStore['list']>>

/**
 * Brings to one store what only the other has. Nothing is overwritten, and nothing comes back that was destroyed. It remembers nothing: each run looks at what is there,
 * so one that was killed is gone on with by the next.
 *
 * @param lists of objects that belong to no recording: parts of ledgers, each in the order in which they are to be there
 */
export async function replicate(
  recordings: AsyncIterable<StoredRecording>,
  lists: AsyncIterable<Listed>,
  options: Options,
): Promise<ReplicateSummary> {
  const run = new ReplicateRun(options)
  for await (const list of lists) {
    await run.takeList(list)
    // Behind it, so that no other month is listed.
    if (options.signal.aborted) break
  }
  for await (const page of pagesOf(recordings, PAGE_RECORDINGS)) {
    await run.take(page)
    if (options.signal.aborted) break
  }
  return run.summary
}

class ReplicateRun {
  readonly #options: Options
  readonly #counts = { recordings: 0, copied: 0, copiedBytes: 0, same: 0, differing: 0, withheld: 0, held: 0 }
  readonly #problems: ReplicateProblem[] = []
  #problemsDropped = 0

  constructor(options: Options) {
    this.#options = options
  }

  get summary(): ReplicateSummary {
    const { from, to, comparesContent, isDryRun, signal } = this.#options
    return {
      ...{ from: from.place, to: to.place, ...this.#counts },
      ...{ problems: [...this.#problems], problemsDropped: this.#problemsDropped },
      ...{ comparesContent, isDryRun, isCut: signal.aborted },
    }
  }

  async take(page: readonly StoredRecording[]): Promise<void> {
    await inParallel(page, RECORDINGS_AT_ONCE, async (recording) => {
      if (this.#options.signal.aborted) return
      await this.#orProblem(recording.objectPrefix, () => this.#bring(recording))
      this.#counts.recordings += 1
      this.#options.onProgress(this.#counts)
    })
  }

  /** One after the other: what comes later may say what is there before it. */
  async takeList(list: Listed): Promise<void> {
    const [first] = list
    if (first === undefined) return
    const folder = first.key.slice(0, first.key.lastIndexOf('/') + 1)
    await this.#orProblem(folder, async () => {
      const there = sizesIn(await this.#options.to.store.list(folder))
      for (const object of list) {
        // A checkpoint says that the entries before it are there.
        if (!(await this.#object(object, there.get(object.key), new Map()))) break
      }
    })
  }

  async #bring(recording: StoredRecording): Promise<void> {
    const { from, to, custodyOf, isDryRun } = this.#options
    const start = `${recording.objectPrefix}/`
    const custody = custodyOf(recording)
    const { state } = await custody.read()
    const listed = await from.store.list(start)
    const there = sizesIn(await to.store.list(start))
    const isWanted = await this.#isWantedOf(recording, state, there)
    const wanted = listed.filter(({ key }) => isWanted(key.slice(start.length)))
    const missing = wanted.filter(({ key }) => !there.has(key)).map(({ key }) => key.slice(start.length))
    this.#counts.withheld += listed.filter(({ key }) => !there.has(key) && !isWanted(key.slice(start.length))).length
    if (missing.length > 0 && !isDryRun) {
      const intent = replicateIntent(recording.objectPrefix, to.place, missing)
      await this.#options.intents.write(recording.recordingId, intent)
    }
    const brought = new Map<string, number>()
    await this.#bringAll(inOrder(wanted, start), there, brought)
    // Whoever decided before it was there has not seen it: whether to destroy it, or to hold it.
    const now = brought.size > 0 ? (await custody.read()).state : state
    // Without objects too: a run that was killed may have brought them.
    if (!isDryRun) await this.#lookAgain(recording, now, { brought, there })
    if (now.holds.length === 0) return
    this.#counts.held += 1
    if (!isDryRun) await this.#hold(recording, custody)
  }

  /** Without the manifest, which names all, when something could not be brought; and without anything that a decision which is not there may be about. */
  async #bringAll(objects: Listed, there: ReadonlyMap<string, number>, brought: Map<string, number>): Promise<void> {
    let isWhole = true
    for (const object of objects) {
      const name = object.key.slice(object.key.lastIndexOf('/') + 1)
      if (name === MANIFEST_NAME && !isWhole) return
      const isDone = await this.#object(object, there.get(object.key), brought)
      if (!isDone && isCustodyName(name)) return
      isWhole &&= isDone
    }
  }

  /** What was destroyed must not come back; nor a sealed key before one that is there, which whoever sealed it anew has destroyed. */
  async #isWantedOf(
    { recordingId, objectPrefix }: StoredRecording,
    state: CustodyState,
    there: Pick<ReadonlySet<string>, 'has' | 'keys'>,
  ): Promise<(name: string) => boolean> {
    const mark = await this.#options.marks.read(recordingId)
    const scopes: ShredScope[] = mark === undefined ? [] : [mark.scope]
    if (state.shred !== 'none' && state.scope !== undefined) scopes.push(state.scope)
    const numbers = [...there.keys()].map((key) => wrappedKeyNumber(key.slice(objectPrefix.length + 1)))
    const lowest = Math.max(await this.#options.rotated.lowest(recordingId), ...numbers)
    return (name) => {
      if (scopes.some((scope) => isDestroyedBy(scope, name))) return false
      return !isWrappedKeyName(name) || wrappedKeyNumber(name) >= lowest || there.has(`${objectPrefix}/${name}`)
    }
  }

  /** Somebody may have destroyed it meanwhile, or sealed its key anew, and have looked before this was there. */
  async #lookAgain(
    recording: StoredRecording,
    state: CustodyState,
    { brought, there }: { readonly brought: ReadonlyMap<string, number>; readonly there: ReadonlyMap<string, number> },
  ): Promise<void> {
    const { from, to, intents } = this.#options
    const start = `${recording.objectPrefix}/`
    const nameOf = (key: string): string => key.slice(start.length)
    const keysNow = brought.size === 0 ? [...there.keys()] : (await to.store.list(start)).map(({ key }) => key)
    const others = new Set(keysNow.filter((key) => !brought.has(key)))
    const left = brought.size === 0 ? [] : (await from.store.list(start)).map(({ key }) => nameOf(key))
    const replaced = replacedKeys([...brought.keys()].map(nameOf), left)
    const isWanted = await this.#isWantedOf(recording, state, others)
    for (const [key, sizeBytes] of brought) {
      if (isWanted(nameOf(key)) && !replaced.has(nameOf(key))) continue
      await to.store.delete(key)
      this.#takeBack(sizeBytes)
    }
    // What an earlier run brought is not ours to destroy: `shred` does, or the next start.
    if ([...others].every((key) => isWanted(nameOf(key)))) await intents.remove(recording.recordingId)
  }

  #takeBack(sizeBytes: number): void {
    this.#counts.copied -= 1
    this.#counts.copiedBytes -= sizeBytes
    this.#counts.withheld += 1
  }

  async #hold({ recordingId, objectPrefix }: StoredRecording, custody: RecordingCustody): Promise<void> {
    const troubles: Trouble[] = []
    await settleStores(custody, troubles, () => this.#options.knownHolds(recordingId))
    for (const { code, sentence, hint } of troubles) this.#note({ key: objectPrefix, code, sentence, hint })
  }

  /** False when it could not be brought. @param brought gets its key and its size, before it is stored */
  async #object(
    { key, sizeBytes }: Listed[number],
    sizeThere: number | undefined,
    brought: Map<string, number>,
  ): Promise<boolean> {
    const { signal, isDryRun, bandwidth } = this.#options
    if (!isDryRun && sizeThere === undefined) await bandwidth.take(sizeBytes, signal)
    if (signal.aborted) return false
    return this.#orProblem(key, async () => {
      if (sizeThere === undefined) await this.#copy({ key, sizeBytes }, brought)
      else if (sizeThere !== sizeBytes) this.#differs(key)
      else await this.#compare(key)
    })
  }

  async #copy({ key, sizeBytes }: Listed[number], brought: Map<string, number>): Promise<void> {
    const { from, to, isDryRun } = this.#options
    if (!isDryRun) {
      const bytes = await from.store.get(key)
      // It was destroyed since it was listed.
      if (bytes === undefined) return
      brought.set(key, sizeBytes)
      await to.store.put(key, bytes)
      await to.adopt(key)
    }
    this.#counts.copied += 1
    this.#counts.copiedBytes += sizeBytes
  }

  async #compare(key: string): Promise<void> {
    const { from, to, comparesContent } = this.#options
    if (comparesContent) {
      const one = await from.store.get(key)
      const hash = one === undefined ? undefined : sha256Hex(one)
      const other = await to.store.get(key)
      // It was destroyed since it was listed, in one of them before the other.
      if (hash === undefined || other === undefined) return
      if (hash !== sha256Hex(other)) {
        this.#differs(key)
        return
      }
    }
    this.#counts.same += 1
  }

  #differs(key: string): void {
    this.#counts.differing += 1
    this.#note({
      ...{ key, code: 'storage-conflict', sentence: 'The two stores have another object each under this name.' },
      hint: 'Nothing was overwritten. `earwitness verify` tells which of them is as it was recorded.',
    })
  }

  /** False when there was one; another object under the same name is there all the same. */
  async #orProblem(key: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      if (!(error instanceof EarwitnessError)) throw error
      const isThere = error.code === 'storage-conflict'
      if (isThere) this.#differs(key)
      else this.#note({ key, code: error.code, sentence: error.message, hint: error.hint })
      return isThere
    }
  }

  #note(problem: ReplicateProblem): void {
    if (this.#problems.length < NAMED_MAX) this.#problems.push(problem)
    else this.#problemsDropped += 1
  }
}

function sizesIn(listed: Listed): ReadonlyMap<string, number> {
  return new Map(listed.map(({ key, sizeBytes }) => [key, sizeBytes]))
}

/** What was decided first, so that nobody who is killed leaves keys without it; the manifest behind all that it names. */
function inOrder(listed: Listed, start: string): Listed {
  const rank = (name: string): number => (isCustodyName(name) ? 0 : name === MANIFEST_NAME ? 2 : 1)
  return listed.toSorted((one, other) => rank(one.key.slice(start.length)) - rank(other.key.slice(start.length)))
}
