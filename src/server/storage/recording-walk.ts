import { storedDays, type StoredRecording } from '../reindex/stored-recordings.ts'
import { isTenantName } from './layout.ts'
import type { CustodyStore, ObjectStore } from './object-store.ts'

const DAY_MS = 86_400_000

type Places = readonly Pick<CustodyStore, 'folders' | 'list'>[]

/** What of the stores is looked at; undefined: all that is there. */
export interface RecordingScope {
  readonly tenants: ReadonlySet<string> | undefined
  readonly fromUnixMs: number | undefined
  readonly untilUnixMs: number | undefined
}

/** What was looked at, for whoever is about to destroy a vault key because nothing is left. */
export interface LookedAt {
  /** False when tenants or days were chosen, or recordings by their ids: what else there is was not looked at. */
  readonly isAll: boolean
  readonly tenants: readonly string[]
  /** Days (UTC) of which a store has something. */
  readonly days: number
  /** `YYYY-MM-DD`; undefined when there is none. */
  readonly firstDay: string | undefined
  readonly lastDay: string | undefined
}

/** Every tenant of which a place has something, whatever the configuration names. @throws EarwitnessError `storage-…` when one does not answer: it may know of more */
export async function storedTenants(places: Places): Promise<readonly string[]> {
  const tenants: string[] = []
  for (const name of (await foldersOf(places, '')).filter(isTenantName)) {
    // Other things than recordings lie beside them: the ledger.
    if ((await foldersOf(places, `${name}/`)).some(isYear)) tenants.push(name)
  }
  return tenants
}

/** Finds every recording of a scope in the stores, and remembers what it has looked at. */
export class RecordingWalk {
  readonly #places: Places
  readonly #scope: RecordingScope
  readonly #tenants = new Set<string>()
  readonly #days = new Set<number>()

  constructor(places: Places, scope: RecordingScope) {
    this.#places = places
    this.#scope = scope
  }

  get lookedAt(): LookedAt {
    const { tenants, fromUnixMs, untilUnixMs } = this.#scope
    const days = [...this.#days].toSorted((one, other) => one - other)
    const dayOf = (unixMs: number | undefined): string | undefined =>
      unixMs === undefined ? undefined : new Date(unixMs).toISOString().slice(0, 10)
    return {
      isAll: tenants === undefined && fromUnixMs === undefined && untilUnixMs === undefined,
      tenants: [...this.#tenants].toSorted(),
      ...{ days: days.length, firstDay: dayOf(days[0]), lastDay: dayOf(days.at(-1)) },
    }
  }

  async *recordings(): AsyncGenerator<StoredRecording> {
    for (const tenant of this.#scope.tenants ?? (await storedTenants(this.#places))) {
      this.#tenants.add(tenant)
      for await (const dayUnixMs of this.#daysOf(tenant)) {
        this.#days.add(dayUnixMs)
        const span = { tenants: [tenant], fromUnixMs: dayUnixMs, toUnixMs: dayUnixMs }
        for await (const { recordings } of storedDays(inAnyPlace(this.#places), span)) yield* recordings
      }
    }
  }

  /** Of which a place has something. */
  async *#daysOf(tenant: string): AsyncGenerator<number> {
    for (const year of (await foldersOf(this.#places, `${tenant}/`)).filter(isYear)) {
      for (const month of (await foldersOf(this.#places, `${tenant}/${year}/`)).filter(isTwoDigits)) {
        for (const day of (await foldersOf(this.#places, `${tenant}/${year}/${month}/`)).filter(isTwoDigits)) {
          const unixMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`)
          if (!Number.isNaN(unixMs) && this.#isChosen(unixMs)) yield unixMs
        }
      }
    }
  }

  #isChosen(dayUnixMs: number): boolean {
    const { fromUnixMs = dayUnixMs, untilUnixMs = dayUnixMs } = this.#scope
    return dayUnixMs + DAY_MS > fromUnixMs && dayUnixMs <= untilUnixMs
  }
}

/** What is found, so many at a time; the last page may be shorter. */
export async function* pagesOf<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  size: number,
): AsyncGenerator<readonly Item[]> {
  let page: Item[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length < size) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

/** Whether a recording belongs to a scope, by its id, and by its tenant where that is known. */
export function isInScope(
  { tenants, fromUnixMs = 0, untilUnixMs = Number.POSITIVE_INFINITY }: RecordingScope,
  { beganUnixMs, tenant }: { readonly beganUnixMs: number; readonly tenant: string | undefined },
): boolean {
  const dayUnixMs = beganUnixMs - (beganUnixMs % DAY_MS)
  const isOfTenant = tenants === undefined || tenant === undefined || tenants.has(tenant)
  return isOfTenant && dayUnixMs + DAY_MS > fromUnixMs && dayUnixMs <= untilUnixMs
}

/** What is in any place. Unlike who reads only, it takes no silence of one for an answer. */
export function inAnyPlace(places: readonly Pick<ObjectStore, 'list'>[]): Pick<ObjectStore, 'list'> {
  return {
    async list(prefix) {
      const found = new Map<string, Awaited<ReturnType<ObjectStore['list']>>[number]>()
      for (const place of places) for (const object of await place.list(prefix)) found.set(object.key, object)
      return [...found.values()].toSorted((one, other) => (one.key < other.key ? -1 : 1))
    },
  }
}

async function foldersOf(places: Places, prefix: string): Promise<readonly string[]> {
  const names = new Set<string>()
  for (const place of places) for (const name of await place.folders(prefix)) names.add(name)
  return [...names].toSorted()
}

function isYear(name: string): boolean {
  return /^\d{4}$/.test(name)
}

function isTwoDigits(name: string): boolean {
  return /^\d{2}$/.test(name)
}
