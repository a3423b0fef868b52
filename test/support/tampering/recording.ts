import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

import { onTestFinished } from 'vitest'

import type { ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import {
  decodeManifest,
  signManifest,
  type ConsentEventEntry,
  type ManifestBody,
} from '../../../src/evidence/manifest.ts'
import { wrappedKeyName } from '../../../src/evidence/object-names.ts'
import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { rewrapKey } from '../../../src/evidence/rewrapped-key.ts'
import { readSigningKey, type SigningKey } from '../../../src/evidence/signer-keys.ts'
import { recordingPrefix } from '../../../src/server/storage/layout.ts'
import type { StatementBody } from '../../../src/evidence/ledger/statement.ts'
import { ledgerRig, signer, type LedgerRig } from '../../unit/server/ledger/ledger-rig.ts'
import { AGREED, sampleConsent, WITHDRAWN } from '../../vectors/evidence/sample-consent.ts'
import {
  RECORDING_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vectorRandom,
  vectorText,
  type SampleRecording,
} from '../../vectors/evidence/sample-recording.ts'
import { custodyRecord, HOLD_ID, type Decided } from './custody.ts'

/** A node that made one recording, which its ledger knows, with its keys, and nothing running. */
export interface TamperedRecording {
  readonly dataDir: string
  /** The objects of the recording. */
  readonly folder: string
}

const times = { startedAt: '2026-11-29T09:00:01.000Z', endedAt: '2026-11-29T09:00:30.000Z' }

/** What the parties of the recording withdrew after it. */
export const LATE: readonly ConsentEventBody[] = WITHDRAWN.map((body) =>
  body.type === 'decided' ? { ...body, because: [AGREED.length] } : body,
)

const pristine = new Map<string, ReadonlyMap<string, Uint8Array>>()

/** To which the key of a recording is sealed after a rotation. */
export const NEW_VAULT = generateIdentity(vectorRandom('the vault after a rotation'))
/** In the data folder: the key before a rotation, as somebody may have kept it. */
export const KEPT_KEY = 'kept-key.age'

/** Made once, and copied for each test. `isRotated`: its key was sealed to {@link NEW_VAULT} afterwards. */
export async function nodeWithRecording({
  isRotated = false,
  decided = 'nothing',
}: { readonly isRotated?: boolean; readonly decided?: Decided } = {}): Promise<TamperedRecording> {
  const files = pristine.get(`${isRotated} ${decided}`) ?? (await makeNode(isRotated, decided))
  pristine.set(`${isRotated} ${decided}`, files)
  const dataDir = mkdtempSync(join(tmpdir(), 'earwitness-tampered-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(dataDir, path)), { recursive: true })
    writeFileSync(join(dataDir, path), bytes, { mode: 0o600 })
  }
  return { dataDir, folder: join(dataDir, 'recordings', recordingPrefix('default', RECORDING_ID)) }
}

/** All files of the data folder, by their paths. */
async function makeNode(isRotated: boolean, decided: Decided): Promise<ReadonlyMap<string, Uint8Array>> {
  const rig = ledgerRig()
  const bytes = (text: string): Uint8Array => Buffer.from(text)
  const recording = await sampleRecording({
    ...{ chunks: [bytes('OggS one'), bytes('OggS two'), bytes('OggS three')], snapshots: [bytes('<recording/>')] },
    kept: [bytes('#!rtpplay1.0 0.0.0.0/0\n')],
    consent: AGREED,
  })
  const body = { ...recording.body, ...times }
  await storeManifest(recording.objects, body)
  const about = { recordingId: RECORDING_ID }
  const manifestSha256 = sha256(recording.objects.get('manifest.jws') ?? new Uint8Array())
  const late = await sampleConsent(LATE, {
    ...{ ...about, signer: signer.signingKey, before: body.consentEvents, manifestSha256 },
  })
  for (const [name, content] of late.objects) recording.objects.set(name, content)
  const consent = ({ type, number, sha256: evidenceSha256 }: ConsentEventEntry) =>
    ({ kind: 'consent', ...about, type, number, evidenceSha256 }) as const
  const folder = join(rig.dataDir, 'recordings', recordingPrefix('default', RECORDING_ID))
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of recording.objects) writeFileSync(join(folder, name), content)
  mkdirSync(join(rig.dataDir, 'keys'))
  for (const name of ['signer.pem', 'signer.pub.pem']) {
    writeFileSync(join(rig.dataDir, 'keys', name), vectorText(`recording-1/${name}`), { mode: 0o600 })
  }
  const { rsId, tenant, src, recipient, wrappedKey, durationSamples } = body
  await rig.run()
  rig.clock.nowUnixMs = Date.parse('2026-11-29T09:00:01.000Z')
  await rig.run([
    {
      kind: 'recordingOpened',
      ...about,
      rsId,
      tenant,
      src,
      startedAt: times.startedAt,
      recipient,
      wrappedKeySha256: wrappedKey.sha256,
    },
    ...body.consentEvents.map(consent),
    {
      ...{
        kind: 'recordingClosed',
        ...about,
        state: 'complete',
        endCause: 'bye',
        endedAt: times.endedAt,
        durationSamples,
      },
      manifestSha256,
    },
    ...late.entries.map(consent),
  ])
  if (isRotated) await rotate(rig, folder, recording)
  rig.clock.nowUnixMs = Date.parse('2026-11-29T09:31:00.000Z')
  await rig.run(await decideAbout(folder, decided))
  // Long enough for everything to have been said.
  rig.clock.nowUnixMs = Date.parse('2026-11-29T10:00:00.000Z')
  await rig.run()
  const files = readdirSync(rig.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  return new Map(paths.map((path) => [relative(rig.dataDir, path), Uint8Array.from(readFileSync(path))]))
}

/** As `keys rotate` leaves it. */
async function rotate(rig: LedgerRig, folder: string, { identity, body }: SampleRecording): Promise<void> {
  const name = wrappedKeyName(1)
  const rewrapped = rewrapKey({ identity, recipients: [NEW_VAULT.recipient], name })
  writeFileSync(join(folder, name), rewrapped)
  renameSync(join(folder, 'key.age'), join(rig.dataDir, KEPT_KEY))
  const hashes = { sha256: sha256(rewrapped), replacesSha256: body.wrappedKey.sha256 }
  await rig.run([{ kind: 'keyRotated', recordingId: RECORDING_ID, name, ...hashes }])
}

/** Stores what was decided, and gives what the ledger says of it. */
async function decideAbout(folder: string, decided: Decided): Promise<readonly StatementBody[]> {
  const about = { recordingId: RECORDING_ID }
  const write = async (seq: number, record: Promise<string>): Promise<Uint8Array> => {
    const bytes = Buffer.from(await record)
    writeFileSync(join(folder, `custody-00${seq}.jws`), bytes)
    return bytes
  }
  if (decided === 'nothing') return []
  if (decided === 'held') {
    const hold = await write(0, custodyRecord(0, { kind: 'holdAdded', holdId: HOLD_ID }))
    return [{ kind: 'holdAdded', ...about, holdId: HOLD_ID, recordSha256: sha256(hold) }]
  }
  const wrappedKeySha256 = sha256(readFileSync(join(folder, 'key.age')))
  const order = await write(0, custodyRecord(0, { kind: 'shredBegun', scope: 'key' }))
  rmSync(join(folder, 'key.age'))
  const report = { kind: 'shredded', scope: 'key', destroyed: [] } as const
  const outcome = await write(1, custodyRecord(1, report, { previous: order }))
  return [
    { kind: 'shredBegun', ...about, scope: 'key', wrappedKeySha256, recordSha256: sha256(order) },
    { kind: 'shredded', ...about, scope: 'key', wrappedKeySha256, recordSha256: sha256(outcome) },
  ]
}

function flip({ folder }: TamperedRecording, name: string): void {
  const bytes = readFileSync(join(folder, name))
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  writeFileSync(join(folder, name), bytes)
}

export function remove({ folder }: TamperedRecording, name: string): void {
  rmSync(join(folder, name))
}

export function copy({ folder }: TamperedRecording, from: string, to: string): void {
  cpSync(join(folder, from), join(folder, to))
}

export function swap({ folder }: TamperedRecording, one: string, other: string): void {
  renameSync(join(folder, one), join(folder, 'aside'))
  renameSync(join(folder, other), join(folder, one))
  renameSync(join(folder, 'aside'), join(folder, other))
}

async function takeFromAnother({ folder }: TamperedRecording, name: string): Promise<void> {
  const seed = 'another recording'
  const other = await sampleRecording({
    ...{ chunks: [Buffer.from('OggS one')], snapshots: [Buffer.from('<recording/>')], seed },
    recordingId: '019aaff1-0680-7abc-8def-0123456789ff',
  })
  writeFileSync(join(folder, name), other.objects.get(name) ?? new Uint8Array())
}

export function manifestOf({ folder }: TamperedRecording): ManifestBody {
  const read = decodeManifest(readFileSync(join(folder, 'manifest.jws'), 'latin1'))
  if (!read.ok) throw new Error('no manifest')
  return read.value.body
}

export async function sign(
  node: TamperedRecording,
  change: (body: ManifestBody) => object,
  key: SigningKey = signer.signingKey,
): Promise<void> {
  const body = { ...manifestOf(node), ...change(manifestOf(node)) } as ManifestBody
  writeFileSync(join(node.folder, 'manifest.jws'), await signManifest(body, key))
}

/** The body changed, the signature kept. */
function edit({ folder }: TamperedRecording, change: (json: string) => string): void {
  const [header, payload = '', signature] = readFileSync(join(folder, 'manifest.jws'), 'latin1').split('.')
  const json = Buffer.from(payload, 'base64url').toString()
  const changed = Buffer.from(change(json)).toString('base64url')
  if (changed === payload) throw new Error('nothing was changed')
  writeFileSync(join(folder, 'manifest.jws'), [header, changed, signature].join('.'))
}

export async function stranger(): Promise<SigningKey> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  if (!key.ok) throw new Error('no key')
  return key.value
}

function firstStream(body: ManifestBody, change: (stream: ManifestBody['streams'][number]) => object): object {
  return { streams: body.streams.map((stream, index) => (index === 0 ? { ...stream, ...change(stream) } : stream)) }
}

function chunk(body: ManifestBody, at: number, change: object): object {
  return { chunks: body.chunks.map((entry, index) => (index === at ? { ...entry, ...change } : entry)) }
}

export const RECORDING_TAMPERINGS: readonly (readonly [
  what: string,
  expected: readonly string[],
  tamper: (node: TamperedRecording) => Promise<void> | void,
])[] = [
  ['a bit of a chunk is flipped', ['chunk-changed'], (node) => flip(node, 'chunk-000001.age')],
  ['a chunk is taken out', ['chunk-missing'], (node) => remove(node, 'chunk-000001.age')],
  [
    'a chunk is cut',
    ['chunk-truncated'],
    (node) =>
      writeFileSync(
        join(node.folder, 'chunk-000001.age'),
        readFileSync(join(node.folder, 'chunk-000001.age')).subarray(0, 50),
      ),
  ],
  ['two chunks change places', ['chunk-swapped'], (node) => swap(node, 'chunk-000000.age', 'chunk-000001.age')],
  [
    'a chunk is replayed in the place of another',
    ['chunk-swapped'],
    (node) => copy(node, 'chunk-000000.age', 'chunk-000002.age'),
  ],
  ['a chunk is replayed at the end', ['chunk-added'], (node) => copy(node, 'chunk-000000.age', 'chunk-000003.age')],
  ['a chunk of another recording', ['chunk-changed'], (node) => takeFromAnother(node, 'chunk-000000.age')],
  ['a bit of RTP that was kept is flipped', ['kept-changed'], (node) => flip(node, 'rtp-000000.age')],
  ['RTP that was kept is taken out', ['kept-missing'], (node) => remove(node, 'rtp-000000.age')],
  ['a bit of metadata is flipped', ['snapshot-changed'], (node) => flip(node, 'metadata-000.age')],
  ['metadata is taken out', ['snapshot-missing'], (node) => remove(node, 'metadata-000.age')],
  ['metadata is put in', ['snapshot-added'], (node) => copy(node, 'metadata-000.age', 'metadata-001.age')],
  ['a bit of the sealed key is flipped', ['key-changed'], (node) => flip(node, 'key.age')],
  ['the sealed key is taken away', ['key-missing'], (node) => remove(node, 'key.age')],
  ['the sealed key of another recording', ['key-changed'], (node) => takeFromAnother(node, 'key.age')],
  ['there is no manifest', ['manifest-missing'], (node) => remove(node, 'manifest.jws')],
  [
    'the manifest is no manifest',
    ['manifest-unreadable'],
    (node) => writeFileSync(join(node.folder, 'manifest.jws'), 'a.b.c'),
  ],
  ['the manifest of another recording', ['manifest-foreign'], (node) => takeFromAnother(node, 'manifest.jws')],
  [
    'a gap is edited',
    ['manifest-forged'],
    (node) => edit(node, (json) => json.replace('"toSample":9600', '"toSample":9601')),
  ],
  ['an end cause is edited', ['manifest-forged'], (node) => edit(node, (json) => json.replace('"bye"', '"drain"'))],
  [
    'a consent event is edited in the manifest',
    ['manifest-forged'],
    (node) => edit(node, (json) => json.replace('"type":"decided"', '"type":"enforced"')),
  ],
  [
    'all is signed by a stranger',
    ['manifest-unknown-signer'],
    async (node) => sign(node, () => ({}), await stranger()),
  ],
  [
    '… in the name of the recorder',
    ['manifest-forged'],
    async (node) => sign(node, () => ({}), { ...(await stranger()), keyId: signer.verifyKey.keyId }),
  ],
  [
    'a gap is taken out, with the key of the recorder',
    ['ledger-wrong', 'manifest-not-in-log'],
    (node) => sign(node, (body) => firstStream(body, ({ gaps }) => ({ gaps: gaps.slice(1) }))),
  ],
  [
    'gaps overlap, with the key',
    ['gap-overlap', 'manifest-not-in-log'],
    (node) => sign(node, (body) => firstStream(body, ({ gaps }) => ({ gaps: [...gaps, ...gaps] }))),
  ],
  [
    'a chunk is left out, with the key',
    ['sequence-wrong', 'manifest-not-in-log'],
    (node) => sign(node, ({ chunks }) => ({ chunks: chunks.slice(1) })),
  ],
  [
    'a running hash is changed, with the key',
    ['running-hash-wrong', 'manifest-not-in-log'],
    (node) => sign(node, (body) => chunk(body, 1, { runningHash: '0'.repeat(64) })),
  ],
  [
    'a chunk is made longer, with the key',
    ['time-overlap', 'manifest-not-in-log'],
    (node) => sign(node, (body) => chunk(body, 0, { toSample: 480_001 })),
  ],
  [
    'a chunk is made shorter, with the key',
    ['time-gap', 'manifest-not-in-log'],
    (node) => sign(node, (body) => chunk(body, 0, { toSample: 479_999 })),
  ],
  [
    'the recording is made shorter, with the key',
    ['duration-wrong', 'manifest-not-in-log'],
    (node) => sign(node, ({ durationSamples }) => ({ durationSamples: durationSamples - 1 })),
  ],
  [
    'the end is put before the beginning, with the key',
    ['clock-backwards', 'manifest-not-in-log'],
    (node) => sign(node, () => ({ endedAt: '2026-11-29T08:00:00.000Z' })),
  ],
  [
    'a pause is made up, with the key',
    ['pause-not-in-log', 'manifest-not-in-log'],
    (node) =>
      sign(node, () => ({
        pauses: [
          {
            by: 'api',
            from: '2026-11-29T09:00:05.000Z',
            fromSample: 4_800,
            to: '2026-11-29T09:00:06.000Z',
            toSample: 4_801,
          },
        ],
      })),
  ],
  [
    'another manifest that is right in itself, with the key',
    ['manifest-not-in-log'],
    (node) => sign(node, () => ({ endCause: 'drain' })),
  ],
  [
    'another sealed key that its manifest names, with the key',
    ['key-not-in-log', 'manifest-not-in-log'],
    async (node) => {
      await takeFromAnother(node, 'key.age')
      const bytes = readFileSync(join(node.folder, 'key.age'))
      await sign(node, () => ({ wrappedKey: { name: 'key.age', sha256: sha256(bytes), sizeBytes: bytes.length } }))
    },
  ],
]
