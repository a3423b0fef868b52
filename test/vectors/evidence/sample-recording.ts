import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { sealToRecipients, type RandomBytes } from '../../../src/evidence/age-seal.ts'
import type { ConsentEventBody } from '../../../src/evidence/consent-event.ts'
import { sealPersonal } from '../../../src/evidence/consent-personal.ts'
import { MANIFEST_FORMAT, signManifest } from '../../../src/evidence/manifest.ts'
import type { ChunkEntry, KeptEntry, ManifestBody, SnapshotEntry, StreamEntry } from '../../../src/evidence/manifest.ts'
import { chunkName, keptName, KEY_NAME, MANIFEST_NAME, snapshotName } from '../../../src/evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../../../src/evidence/running-hash.ts'
import { readRsaVaultKey } from '../../../src/evidence/rsa-vault-key.ts'
import { readSigningKey, readVerifyKey } from '../../../src/evidence/signer-keys.ts'
import { VAULT_PROVIDERS, type RsaVaultKey, type VaultProvider } from '../../../src/evidence/vault-recipient.ts'
import { verifyRecording, type ObjectReader } from '../../../src/evidence/verify.ts'
import { AGREED, sampleConsent, WITHDRAWN } from './sample-consent.ts'

export const RECORDING_ID = '019aaff1-0680-7abc-8def-0123456789ab'
export const RS_ID = '019aaff1-0680-7abc-8def-0123456789ac'
/** Ten seconds of the recording timeline. */
export const CHUNK_SAMPLES = 480_000

const here = new URL('./', import.meta.url)

export function vectorFile(path: string): Uint8Array {
  return Uint8Array.from(readFileSync(new URL(path, here)))
}

export function vectorPath(path: string): string {
  return fileURLToPath(new URL(path, here))
}

export function vectorText(path: string): string {
  return readFileSync(new URL(path, here), 'utf8')
}

/** Call number `i` (from 0) for `n` bytes gives the first `n` of SHA-256(seed LF i). For vectors only. */
export function vectorRandom(seed: string): RandomBytes {
  let calls = 0
  return (length) => {
    const bytes = createHash('sha256').update(`${seed}\n${calls}`).digest().subarray(0, length)
    calls += 1
    return Uint8Array.from(bytes)
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What is inside the recordings of the vectors. */
export function vectorContents(name: 'recording-1' | 'recording-2' | 'recording-3') {
  return {
    seed: `earwitness vector ${name}`,
    chunks: [vectorFile('recording-1/clear/chunk-000000.ogg'), vectorFile('recording-1/clear/chunk-000001.ogg')],
    // RFC 7845 4: granule position minus pre-skip, of the last page in each chunk.
    ends: [479_688, 960_000],
    snapshots: [vectorFile('recording-1/clear/metadata-000.xml')],
    ...(name === 'recording-3' ? { consent: AGREED, declared: 'yes', lateConsent: WITHDRAWN } : {}),
    ...(name !== 'recording-2'
      ? {}
      : { kept: ['000000', '000001'].map((seq) => vectorFile(`recording-2/clear/rtp-${seq}.rtpdump`)) }),
  }
}

export const vault = generateIdentity(vectorRandom('earwitness vector vault'))
/** The two keys of the vault after a rotation. */
export const newVault = [1, 2].map((number) => generateIdentity(vectorRandom(`earwitness vector new vault ${number}`)))

/** RSA keys of a vault of key services, by their provider. */
export const rsaVault = Object.fromEntries(
  VAULT_PROVIDERS.map((provider) => {
    const key = readRsaVaultKey(vectorText(`rsa-vault/${provider}.pub.pem`), provider)
    if (!key.ok) throw new Error('The RSA key vectors are damaged.')
    return [provider, key.value]
  }),
) as Readonly<Record<VaultProvider, RsaVaultKey>>

export async function vectorSigner() {
  const signingKey = await readSigningKey(vectorText('recording-1/signer.pem'))
  const verifyKey = await readVerifyKey(vectorText('recording-1/signer.pub.pem'))
  if (!signingKey.ok || !verifyKey.ok) throw new Error('The signer vectors are damaged.')
  return { signingKey: signingKey.value, verifyKey: verifyKey.value }
}

export interface SampleRecording {
  readonly body: ManifestBody
  /** What the store holds, by name. */
  readonly objects: Map<string, Uint8Array>
  readonly identity: string
}

/** A recording with these chunk and snapshot contents, all of it deterministic. */
export async function sampleRecording(options: {
  readonly chunks: readonly Uint8Array[]
  readonly snapshots: readonly Uint8Array[]
  /** Where each chunk ends; by default every {@link CHUNK_SAMPLES}. */
  readonly ends?: readonly number[]
  readonly recordingId?: string
  /** RTP of the second stream kept as it came: half a second in each object, one after the other. */
  readonly kept?: readonly Uint8Array[]
  readonly seed?: string
  /** Consent events that the manifest names; before them one with what the SRC declared, which is hidden. */
  readonly consent?: readonly ConsentEventBody[]
  readonly declared?: string
  /** Consent events after the manifest. */
  readonly lateConsent?: readonly ConsentEventBody[]
}): Promise<SampleRecording> {
  const random = vectorRandom(options.seed ?? 'earwitness vector recording-1')
  const objects = new Map<string, Uint8Array>()
  const { identity, recipient } = generateIdentity(random)
  const wrapped = sealToRecipients(new TextEncoder().encode(`${identity}\n`), [vault.recipient], random)
  objects.set(KEY_NAME, wrapped)
  const snapshots = options.snapshots.map((clear, seq): SnapshotEntry => {
    const sealed = sealToRecipients(clear, [recipient], random)
    objects.set(snapshotName(seq), sealed)
    const hashes = { sha256: sha256(clear), sealedSha256: sha256(sealed), sizeBytes: sealed.length }
    const dataMode = seq === 0 ? 'complete' : 'partial'
    return { seq, name: snapshotName(seq), ...hashes, receivedAt: '2025-11-23T09:00:00.100Z', dataMode, valid: true }
  })
  const endOf = (chunkSeq: number) => options.ends?.[chunkSeq] ?? (chunkSeq + 1) * CHUNK_SAMPLES
  let runningHash = RUNNING_HASH_START
  const chunks = options.chunks.map((clear, chunkSeq): ChunkEntry => {
    const sealed = sealToRecipients(clear, [recipient], random)
    const name = chunkName(chunkSeq)
    objects.set(name, sealed)
    runningHash = nextRunningHash('chunk', runningHash, sha256(sealed))
    const times = { fromSample: chunkSeq === 0 ? 0 : endOf(chunkSeq - 1), toSample: endOf(chunkSeq) }
    return { chunkSeq, name, sha256: sha256(sealed), sizeBytes: sealed.length, ...times, runningHash }
  })
  const kept = (options.kept ?? []).map((clear, keptSeq) => {
    const sealed = sealToRecipients(clear, [recipient], random)
    objects.set(keptName(keptSeq), sealed)
    return sampleKept(keptSeq, sealed)
  })
  for (const [index, entry] of kept.entries()) {
    const previous = kept[index - 1]?.runningHash ?? RUNNING_HASH_START
    entry.runningHash = nextRunningHash('rtp', previous, entry.sha256)
  }
  const wrappedKey = { name: KEY_NAME, sha256: sha256(wrapped), sizeBytes: wrapped.length }
  const recordingId = options.recordingId ?? RECORDING_ID
  const { signingKey: signer } = await vectorSigner()
  const { declared } = options
  const hidden: readonly ConsentEventBody[] =
    declared === undefined
      ? []
      : [{ type: 'declared', by: 'header', personal: sealPersonal({ value: declared }, recipient, random) }]
  const consent = await sampleConsent([...(options.consent ?? []), ...hidden], { recordingId, signer })
  for (const [name, bytes] of consent.objects) objects.set(name, bytes)
  const body = sampleBody({
    recordingId,
    consentEvents: consent.entries,
    recipient,
    wrappedKey,
    chunks,
    snapshots,
    ...(kept.length === 0 ? {} : { kept }),
  })
  await storeManifest(objects, body)
  const after = { recordingId, signer, before: consent.entries, atUnixMs: Date.parse('2025-11-23T10:00:00.000Z') }
  const manifestSha256 = sha256(objects.get(MANIFEST_NAME) ?? new Uint8Array())
  const late = await sampleConsent(options.lateConsent ?? [], { ...after, manifestSha256 })
  for (const [name, bytes] of late.objects) objects.set(name, bytes)
  return { body, objects, identity }
}

/** Signs `body` with the vectors' signer and puts it in place, as an honest but mistaken recorder would. */
export async function storeManifest(objects: Map<string, Uint8Array>, body: ManifestBody): Promise<void> {
  const { signingKey } = await vectorSigner()
  objects.set(MANIFEST_NAME, new TextEncoder().encode(await signManifest(body, signingKey)))
}

/** What `verify` finds in it with the vectors' key, opened with the vault's: `code name`. */
export async function findingsOf(recording: SampleRecording): Promise<string[]> {
  const { findings } = await verifyRecording({
    recordingId: RECORDING_ID,
    objects: readerOf(recording.objects),
    keys: [(await vectorSigner()).verifyKey],
    identities: [vault.identity],
  })
  return findings.map(({ code, name }) => `${code} ${name}`)
}

export function readerOf(objects: ReadonlyMap<string, Uint8Array>): ObjectReader {
  return {
    list: () => Promise.resolve([...objects.keys()]),
    get: (name) => Promise.resolve(objects.get(name)),
  }
}

function sampleKept(keptSeq: number, sealed: Uint8Array): { -readonly [member in keyof KeptEntry]: KeptEntry[member] } {
  const fromSample = 96_000 + keptSeq * 24_000
  return {
    keptSeq,
    name: keptName(keptSeq),
    sha256: sha256(sealed),
    sizeBytes: sealed.length,
    streamId: '1',
    channel: 1,
    fromSample,
    toSample: fromSample + 24_000,
    packets: 25,
    firstSequence: (65_530 + keptSeq * 25) % 65_536,
    lastSequence: (65_530 + keptSeq * 25 + 24) % 65_536,
    formats: [{ fromSample, payloadType: 18, encoding: 'G729', clockRate: 8_000, channels: 1, fmtp: 'annexb=no' }],
    runningHash: RUNNING_HASH_START,
  }
}

function secondStream(durationSamples: number, kept: readonly KeptEntry[]): StreamEntry {
  const undecoded = kept.length * 24_000
  const first = kept[0]?.fromSample ?? 0
  return {
    streamId: '1',
    streamLabel: '2',
    channel: 1,
    participantIds: [],
    codecs: kept.length === 0 ? ['PCMA'] : ['PCMA', 'G729'],
    packets: { received: 1_500, lost: 0, late: 0, duplicate: 0, discarded: 0 },
    ledger: {
      audioSamples: durationSamples - undecoded,
      gapSamples: { lost: 0, silence: 0, held: 0, noMedia: 0, ...(undecoded === 0 ? {} : { undecoded }) },
      unlistedGapSamples: 0,
    },
    gaps: undecoded === 0 ? [] : [{ fromSample: first, toSample: first + undecoded, cause: 'undecoded' }],
  }
}

function sampleBody(
  parts: Pick<ManifestBody, 'recordingId' | 'recipient' | 'wrappedKey' | 'chunks' | 'snapshots' | 'kept' | 'consentEvents'>,
): ManifestBody {
  const durationSamples = parts.chunks.at(-1)?.toSample ?? 0
  const held = durationSamples === 0 ? [] : [{ fromSample: 4_800, toSample: 9_600, cause: 'held' as const }]
  const lost = durationSamples === 0 ? [] : [{ fromSample: 48_000, toSample: 48_960, cause: 'lost' as const }]
  const heldSamples = durationSamples === 0 ? 0 : 4_800
  const lostSamples = durationSamples === 0 ? 0 : 960
  return {
    format: MANIFEST_FORMAT,
    rsId: RS_ID,
    tenant: 'default',
    src: 'other',
    sipCallIdSha256: sha256(new TextEncoder().encode('sample@src.example.com')),
    startedAt: '2025-11-23T09:00:00.000Z',
    endedAt: '2025-11-23T09:00:30.000Z',
    originAt: '2025-11-23T09:00:00.250Z',
    state: 'complete',
    endCause: 'bye',
    layout: 'separate',
    durationSamples,
    streams: [
      {
        streamId: '0',
        streamLabel: '1',
        channel: 0,
        participantIds: ['srfBElmCRp2QB23b7Mpk0w=='],
        codecs: ['PCMU'],
        packets: { received: 1_499, lost: 1, late: 0, duplicate: 2, discarded: 0 },
        ledger: {
          audioSamples: durationSamples - heldSamples - lostSamples,
          gapSamples: { lost: lostSamples, silence: 0, held: heldSamples, noMedia: 0 },
          unlistedGapSamples: 0,
        },
        gaps: [...held, ...lost],
      },
      secondStream(durationSamples, parts.kept ?? []),
    ],
    participants: [{ participantId: 'srfBElmCRp2QB23b7Mpk0w==' }],
    incidents: [],
    software: { name: 'earwitness', version: '0.1.0' },
    clock: { status: 'unknown' },
    ...parts,
  }
}
