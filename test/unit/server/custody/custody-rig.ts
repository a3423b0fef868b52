import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

import { onTestFinished } from 'vitest'

import { RecordingCustody, type CustodyParts } from '../../../../src/server/custody/recording-custody.ts'
import { ShreddedMarks } from '../../../../src/server/custody/shredded-marks.ts'
import type { CustodyRequest } from '../../../../src/server/ledger/custody-requests.ts'
import { FolderStore } from '../../../../src/server/storage/folder-store.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import type { CustodyStore } from '../../../../src/server/storage/object-store.ts'
import type { CustodyPlace } from '../../../../src/server/storage/open-store.ts'
import {
  RECORDING_ID,
  sampleRecording,
  vault,
  vectorSigner,
  type SampleRecording,
} from '../../../vectors/evidence/sample-recording.ts'

/** In memory where there is such a thing: the matrix makes hundreds of stores, each of which syncs all that it writes. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const PREFIX = recordingPrefix('default', RECORDING_ID)
const NOTE = { by: 'Ada', reason: 'case 4711' }

class Killed extends Error {}

/** Dies before one of the operations that change something, and does nothing any more from then on: as a process that is killed. */
export class Mortality {
  count = 0
  #isDead = false
  readonly #at: number

  constructor(at: number) {
    this.#at = at
  }

  /** What only looks: it makes no difference before or after which of these somebody dies. */
  async look<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#isDead) throw new Killed()
    return work()
  }

  async change<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.count === this.#at) this.#isDead = true
    this.count += 1
    return this.look(work)
  }
}

const IMMORTAL = new Mortality(Number.POSITIVE_INFINITY)

/** What a store is asked for, one operation after the other. */
function mortal(store: CustodyStore, life: Mortality): CustodyStore {
  return {
    put: (key, bytes) => life.change(() => store.put(key, bytes)),
    get: (key) => life.look(() => store.get(key)),
    list: (prefix) => life.look(() => store.list(prefix)),
    delete: (key) => life.change(() => store.delete(key)),
    check: () => life.change(() => store.check()),
    folders: (prefix) => life.look(() => store.folders(prefix)),
    copies: (prefix) => life.look(() => store.copies(prefix)),
    lockOf: (copy) => life.look(() => store.lockOf(copy)),
    destroy: (copy, options) => life.change(() => store.destroy(copy, options)),
    destroyUnnamed: (hashes) => life.change(() => store.destroyUnnamed(hashes)),
    setLegalHold: (copy, isOn) => life.change(() => store.setLegalHold(copy, isOn)),
  }
}

export interface CustodyRig {
  readonly dataDir: string
  readonly stores: Readonly<Record<'store' | 'replica', string>>
  /** What was left for the ledger, by request; left again is the same. */
  readonly requests: Map<string, CustodyRequest>
  readonly wrappedKey: Uint8Array
  /** A recording in both stores, as one command sees it. */
  custody(life?: Mortality, changes?: Partial<CustodyParts>): RecordingCustody
  options(life?: Mortality): Parameters<typeof import('../../../../src/server/custody/shred.ts').shred>[0]
  /** Everything under the stores, by path; without times. */
  objects(place: 'store' | 'replica'): readonly string[]
  /** Where bytes of the sealed key are, under any name. */
  keysLeft(): readonly string[]
}

let sample: Promise<SampleRecording> | undefined

/** Sealed keys that the manifest does not name: one that was sealed anew, and that of what is held. */
const MORE_KEYS = { 'key-001.age': Buffer.from('sealed anew'), 'held-key-000.age': Buffer.from('of what is held') }

/** @param setup.moreKeys {@link MORE_KEYS} are in both stores, and were left there under no name too */
export async function custodyRig(
  setup: { readonly manifest?: boolean; readonly moreKeys?: boolean } = {},
): Promise<CustodyRig> {
  const dataDir = mkdtempSync(join(FOLDER, 'earwitness-custody-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const stores = { store: join(dataDir, 'recordings'), replica: join(dataDir, 'replica') }
  sample ??= sampleRecording({
    chunks: [Buffer.from('OggS one'), Buffer.from('OggS two')],
    snapshots: [Buffer.from('<recording/>')],
  })
  const objects = new Map((await sample).objects)
  const wrappedKey = objects.get('key.age') ?? new Uint8Array()
  if (setup.manifest === false) objects.delete('manifest.jws')
  for (const root of Object.values(stores)) {
    for (const [name, bytes] of objects) write(join(root, PREFIX, name), bytes)
    // Left by a crash between writing and naming.
    write(join(root, '.incoming', 'left'), wrappedKey)
    for (const [name, bytes] of setup.moreKeys === true ? Object.entries(MORE_KEYS) : []) {
      write(join(root, PREFIX, name), bytes)
      write(join(root, '.incoming', `left-${name}`), bytes)
    }
  }
  const opened = { kind: 'opened', wrappedKeyBase64: Buffer.from(wrappedKey).toString('base64') }
  write(join(dataDir, 'open', `${RECORDING_ID}.jsonl`), Buffer.from(`${JSON.stringify(opened)}\n{"kind":"chunk"}\n`))
  const spooled = `${PREFIX.replaceAll('/', '~')}~key.age`
  write(join(dataDir, 'spool', 'objects', spooled), wrappedKey)
  write(join(dataDir, 'spool', 'objects', `.refused-${spooled}`), wrappedKey)
  // Of audio that is held until consent: nobody has decided about it.
  write(join(dataDir, 'held', `${PREFIX.replaceAll('/', '~')}~held-key-000.age`), wrappedKey)
  const { signingKey, verifyKey } = await vectorSigner()
  const requests = new Map<string, CustodyRequest>()
  const placesOf = (life: Mortality): readonly CustodyPlace[] =>
    (['store', 'replica'] as const).map((place) => ({
      ...{ place, description: place, adopt: () => Promise.resolve() },
      store: mortal(new FolderStore(stores[place]), life),
    }))
  let clockUnixMs = Date.parse('2026-11-29T12:00:00.000Z')
  const custody = (life = IMMORTAL, changes: Partial<CustodyParts> = {}): RecordingCustody => {
    let calls = 0
    const parts = {
      ...{ places: placesOf(life), keys: [verifyKey], signer: signingKey, vaultRecipients: [vault.recipient] },
      nowUnixMs: () => (clockUnixMs += 1_000),
      randomBytes: (length: number) => {
        calls += 1
        return createHash('sha512').update(`${clockUnixMs} ${calls}`).digest().subarray(0, length)
      },
    }
    return new RecordingCustody({ ...parts, ...changes }, RECORDING_ID, PREFIX)
  }
  const rig: CustodyRig = {
    ...{ dataDir, stores, requests, wrappedKey, custody },
    options(life = IMMORTAL) {
      const marks = new ShreddedMarks(dataDir)
      return {
        ...{ custody: custody(life), dataDir, note: NOTE, scope: 'key', bypassesGovernance: false },
        knownHolds: () => Promise.resolve([]),
        marks: {
          read: (id) => life.look(() => marks.read(id)),
          write: (id, mark) => life.change(() => marks.write(id, mark)),
        },
        leave: (request) =>
          life.change(() => {
            requests.set(request.requestId, request)
            return Promise.resolve(true)
          }),
      }
    },
    objects: (place) => filesUnder(join(stores[place], PREFIX)),
    keysLeft: () =>
      filesUnder(dataDir).filter((path) => {
        const content = readFileSync(join(dataDir, path))
        const isWhole = [wrappedKey, ...Object.values(MORE_KEYS)].some((key) => content.equals(key))
        return isWhole || content.includes(Buffer.from(wrappedKey).toString('base64'))
      }),
  }
  return rig
}

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

function filesUnder(root: string): readonly string[] {
  if (!existsSync(root)) return []
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted()
}
