import { EarwitnessError } from '../../../../src/errors.ts'
import { generateIdentity } from '../../../../src/evidence/age-keys.ts'
import type { CustodyDecision } from '../../../../src/evidence/custody/custody-record.ts'
import { checkKeys, type KeyRotation } from '../../../../src/evidence/key-checks.ts'
import { isCustodyName, isWrappedKeyName } from '../../../../src/evidence/object-names.ts'
import { openNewestKey } from '../../../../src/evidence/recording-key.ts'
import { uuidV7 } from '../../../../src/ids.ts'
import type { KeyRotatedRequest } from '../../../../src/server/ledger/statement-requests.ts'
import { recordingPrefix } from '../../../../src/server/storage/layout.ts'
import type { RotationIntents } from '../../../../src/server/vault/left-keys.ts'
import type { Vaults } from '../../../../src/server/vault/rotate-key.ts'
import type { RotatedMarks } from '../../../../src/server/custody/rotated-marks.ts'
import type { RotationLedger } from '../../../../src/server/vault/rotation-ledger.ts'
import type { RotationPlace } from '../../../../src/server/vault/rotation-place.ts'
import { rotateKeys, type RotationSummary } from '../../../../src/server/vault/rotation-run.ts'
import { decide } from '../../evidence/custody/decide.ts'
import {
  RECORDING_ID,
  sampleRecording,
  sha256,
  vault,
  vectorRandom,
  vectorSigner,
  type SampleRecording,
} from '../../../vectors/evidence/sample-recording.ts'

export const OLD = vault
export const NEW = generateIdentity(vectorRandom('the new vault'))
export const THIRD = generateIdentity(vectorRandom('a third vault'))
export const ESCROW = generateIdentity(vectorRandom('escrow'))
export const PREFIX = recordingPrefix('default', RECORDING_ID)

export function vaults(change: Partial<Vaults> = {}): Vaults {
  return { oldIdentities: [OLD.identity], newRecipients: [NEW.recipient], newIdentities: undefined, ...change }
}

/** Two stores with one recording, and a recorder that says at once what it is asked to. */
export async function rotationRig({
  placeCount = 2,
  kept = [] as string[],
  stores = Array.from({ length: placeCount }, () => memoryPlace(kept)),
}: { readonly placeCount?: number; readonly kept?: string[]; readonly stores?: readonly RotationPlace[] } = {}) {
  const recording = await sampleRecording({
    chunks: [Buffer.from('OggS one')],
    snapshots: [Buffer.from('<recording/>')],
  })
  const rig = {
    recording,
    stores,
    said: [] as KeyRotatedRequest[],
    isSilent: false,
    undecided: new Map<string, Uint8Array>(),
    /** Objects on which a store was asked to put its own legal hold. */
    kept,
    /** What the recorder of this machine must not store again, by recording. */
    marked: new Map<string, number>(),
    /** Recordings to which a rotation was about to store a key, with their prefixes. */
    intended: new Map<string, string>(),
  }
  const { verifyKey } = await vectorSigner()
  for (const store of stores) await putAll(store, recording)
  let requests = 0
  const ledger: RotationLedger = {
    leave: (request) => Promise.resolve(void rig.said.push(request)),
    said: (requestIds) => Promise.resolve(new Set(rig.isSilent ? [] : requestIds)),
  }
  const marks = {
    write: (recordingId: string, lowest: number) => Promise.resolve(void rig.marked.set(recordingId, lowest)),
  }
  const intents: RotationIntents = {
    list: () => Promise.resolve([...rig.intended.keys()]),
    read: (recordingId) => Promise.resolve(rig.intended.get(recordingId)),
    write: (recordingId, prefix) => Promise.resolve(void rig.intended.set(recordingId, prefix)),
    remove: (recordingId) => Promise.resolve(void rig.intended.delete(recordingId)),
  }
  const rotate = (
    options: {
      readonly vaults?: Vaults
      readonly isDryRun?: boolean
      readonly places?: readonly RotationPlace[]
      readonly ledger?: RotationLedger
      readonly marks?: Pick<RotatedMarks, 'write'>
      readonly intents?: Pick<RotationIntents, 'write' | 'remove'>
      readonly onTheirWay?: ReadonlySet<string>
    } = {},
  ): Promise<RotationSummary> =>
    rotateKeys([{ recordingId: RECORDING_ID, objectPrefix: PREFIX }], {
      ...{ places: options.places ?? stores, ledger: options.ledger ?? ledger },
      heldKeys: {
        undecided: () => Promise.resolve([...rig.undecided.keys()]),
        read: (key) => Promise.resolve(rig.undecided.get(key)),
      },
      ...{ vaults: options.vaults ?? vaults(), trusted: [verifyKey], isDryRun: options.isDryRun ?? false },
      ...{
        marks: options.marks ?? marks,
        intents: options.intents ?? intents,
        onTheirWay: options.onTheirWay ?? new Set(),
      },
      ...{ signal: new AbortController().signal, onProgress: () => {} },
      asked: () => {
        requests += 1
        const requestId = uuidV7(1_764_000_000_000 + requests, vectorRandom(`request ${requests}`)(16))
        return { requestId, by: 'root', at: new Date(1_764_000_000_000 + requests).toISOString() }
      },
    })
  return Object.assign(rig, { ledger, marks, intents, rotate })
}

export type RotationRig = Awaited<ReturnType<typeof rotationRig>>

/** Keeps the contract of a store: created once, the same again is fine. */
function memoryPlace(kept: string[]): RotationPlace {
  const objects = new Map<string, Uint8Array>()
  return {
    place: 'store',
    get: (key) => Promise.resolve(objects.get(key)),
    list: (prefix) => {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted()
      return Promise.resolve(keys.map((key) => ({ key, sizeBytes: objects.get(key)?.length ?? 0 })))
    },
    delete: (key) => Promise.resolve(void objects.delete(key)),
    hold: (key) => Promise.resolve(void kept.push(key)),
    destroyUnnamed: () => Promise.resolve(0),
    put: (key, bytes) => {
      const there = objects.get(key)
      if (there !== undefined && !Buffer.from(there).equals(bytes))
        return Promise.reject(new EarwitnessError('storage-conflict', key, ''))
      objects.set(key, Uint8Array.from(bytes))
      return Promise.resolve()
    },
  }
}

async function putAll(store: RotationPlace, { objects }: SampleRecording): Promise<void> {
  for (const [name, bytes] of objects) await store.put(`${PREFIX}/${name}`, bytes)
}

/** Decides about the recording, one after the other, in all its stores. */
export async function decideIn({ recording, stores }: RotationRig, ...decisions: CustodyDecision[]): Promise<void> {
  for (const decision of decisions) await decide(recording.objects, decision)
  for (const [name, bytes] of recording.objects)
    if (isCustodyName(name)) for (const store of stores) await store.put(`${PREFIX}/${name}`, bytes)
}

/** Names of the wrapped keys in each place. */
export async function keysIn({ stores }: RotationRig): Promise<readonly (readonly string[])[]> {
  const listed: string[][] = []
  for (const store of stores) {
    const names = (await store.list(`${PREFIX}/`)).map(({ key }) => key.slice(PREFIX.length + 1))
    listed.push(names.filter(isWrappedKeyName).toSorted())
  }
  return listed
}

/** Those that are counted, and the codes of what failed. */
export async function outcomes(
  rig: RotationRig,
  ...options: Parameters<RotationRig['rotate']>
): Promise<readonly string[]> {
  const { counts, left } = await rig.rotate(...options)
  const codes = left.flatMap(({ code }) => (code === undefined ? [] : [code]))
  return [...Object.entries(counts).flatMap(([outcome, count]) => (count > 0 ? [outcome] : [])), ...codes]
}

/** Whether any of `identities` opens the recording, in each place. */
export async function opens({ stores, recording }: RotationRig, ...identities: string[]): Promise<readonly boolean[]> {
  const opened: boolean[] = []
  for (const store of stores) {
    const names = (await store.list(`${PREFIX}/`)).map(({ key }) => key.slice(PREFIX.length + 1))
    const get = (name: string): Promise<Uint8Array | undefined> => store.get(`${PREFIX}/${name}`)
    const key = await openNewestKey({ names, get, identities, recipient: recording.body.recipient })
    opened.push(key.ok && key.value.identity === recording.identity)
  }
  return opened
}

/** What a verifier finds about the keys in one place, by what was said. */
export async function findings(rig: RotationRig, place = 0): Promise<readonly string[]> {
  const store = rig.stores[place]
  const stored = []
  for (const name of (await keysIn(rig))[place] ?? []) {
    const bytes = (await store?.get(`${PREFIX}/${name}`)) ?? new Uint8Array()
    stored.push({ name, sha256: sha256(bytes), sizeBytes: bytes.length })
  }
  const rotations = rig.said.map(({ name, sha256: hash, replacesSha256, at }, seq): KeyRotation => ({
    seq,
    at,
    name,
    sha256: hash,
    replacesSha256,
  }))
  const found = checkKeys(rig.recording.body.wrappedKey, stored, rotations)
  return found.findings.map(({ code, name = '' }) => `${code} ${name}`)
}
