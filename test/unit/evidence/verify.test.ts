import { generateKeyPairSync } from 'node:crypto'

import { beforeEach, describe, expect, it } from 'vitest'

import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { FINDINGS_MAX } from '../../../src/evidence/findings.ts'
import { signManifest } from '../../../src/evidence/manifest.ts'
import type { ManifestBody, StreamEntry } from '../../../src/evidence/manifest.ts'
import { readSigningKey } from '../../../src/evidence/signer-keys.ts'
import { describeVerdict, OBJECTS_MAX, verifyRecording } from '../../../src/evidence/verify.ts'
import type { ObjectReader, Verdict } from '../../../src/evidence/verify.ts'
import {
  CHUNK_SAMPLES,
  readerOf,
  RECORDING_ID,
  RS_ID,
  sampleRecording,
  sha256,
  storeManifest,
  vault,
  vectorRandom,
  vectorSigner,
} from '../../vectors/evidence/sample-recording.ts'
import type { SampleRecording } from '../../vectors/evidence/sample-recording.ts'

const { verifyKey } = await vectorSigner()
const contents = {
  chunks: [Buffer.from('OggS first'), Buffer.from('OggS second'), Buffer.from('OggS third')],
  snapshots: [Buffer.from('<recording/>'), Buffer.from('<recording>2</recording>')],
}

let recording: SampleRecording

beforeEach(async () => {
  recording = await sampleRecording(contents)
})

function verify(options: { identities?: readonly string[]; objects?: ObjectReader } = {}): Promise<Verdict> {
  const objects = options.objects ?? readerOf(recording.objects)
  const identities = options.identities === undefined ? {} : { identities: options.identities }
  return verifyRecording({ recordingId: RECORDING_ID, objects, keys: [verifyKey], ...identities })
}

/** What was found, as `code name`. */
async function found(identities?: readonly string[]): Promise<string[]> {
  const verdict = await verify(identities === undefined ? {} : { identities })
  expect(verdict.verified).toBe(verdict.findings.length === 0)
  return verdict.findings.map(({ code, name }) => (name === undefined ? code : `${code} ${name}`))
}

function object(name: string): Uint8Array {
  const bytes = recording.objects.get(name)
  if (bytes === undefined) throw new Error(`no object ${name}`)
  return bytes
}

function flipped(bytes: Uint8Array, offset: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[offset] = (changed[offset] ?? 0) ^ 1
  return changed
}

/** Signs a manifest with other content, as a faulty recorder would. */
async function resign(change: Partial<ManifestBody>): Promise<void> {
  await storeManifest(recording.objects, { ...recording.body, ...change })
}

describe('an untouched recording', () => {
  it('is verified without any secret', async () => {
    const verdict = await verify()
    expect(verdict).toMatchObject({
      recordingId: RECORDING_ID,
      verified: true,
      findings: [],
      findingsDropped: 0,
      signerKeyId: verifyKey.keyId,
      counts: { chunks: 3, chunksIntact: 3, snapshots: 2, snapshotsIntact: 2, keyIntact: true },
    })
    expect(verdict.counts.chunksOpened).toBeUndefined()
  })

  it('is verified and opened with a vault identity', async () => {
    expect(await verify({ identities: [vault.identity] })).toMatchObject({
      verified: true,
      counts: { chunksOpened: 3 },
    })
  })

  it('is verified when there was no audio at all', async () => {
    recording = await sampleRecording({ chunks: [], snapshots: [] })
    expect(await found()).toEqual([])
  })

  it('is verified through a reader that lists page by page', async () => {
    const objects: ObjectReader = {
      async *list() {
        for (const name of recording.objects.keys()) yield await Promise.resolve(name)
      },
      get: (name) => Promise.resolve(recording.objects.get(name)),
    }
    expect((await verify({ objects })).verified).toBe(true)
  })
})

describe('chunks: it finds and names', () => {
  it('one that is missing', async () => {
    recording.objects.delete('chunk-000001.age')
    expect(await found()).toEqual(['chunk-missing chunk-000001.age'])
  })

  it('one with a single flipped bit, anywhere in it', async () => {
    const bytes = object('chunk-000001.age')
    for (const offset of [0, 40, 130, bytes.length - 1]) {
      recording.objects.set('chunk-000001.age', flipped(bytes, offset))
      expect(await found()).toEqual(['chunk-changed chunk-000001.age'])
    }
  })

  it('two that were swapped, and whose content each holds', async () => {
    const [first, third] = [object('chunk-000000.age'), object('chunk-000002.age')]
    recording.objects.set('chunk-000000.age', third).set('chunk-000002.age', first)
    const verdict = await verify()
    expect(verdict.findings).toEqual([
      {
        code: 'chunk-swapped',
        name: 'chunk-000000.age',
        sentence: 'This object holds the content of chunk-000002.age.',
      },
      {
        code: 'chunk-swapped',
        name: 'chunk-000002.age',
        sentence: 'This object holds the content of chunk-000000.age.',
      },
    ])
  })

  it('one that was put in twice', async () => {
    recording.objects.set('chunk-000002.age', object('chunk-000001.age'))
    expect(await found()).toEqual(['chunk-swapped chunk-000002.age'])
  })

  it('one that was added at the end', async () => {
    recording.objects.set('chunk-000003.age', object('chunk-000002.age'))
    expect(await found()).toEqual(['chunk-added chunk-000003.age'])
  })

  it('one that was cut, and by how much', async () => {
    const bytes = object('chunk-000000.age')
    recording.objects.set('chunk-000000.age', bytes.subarray(0, 50))
    const verdict = await verify()
    expect(verdict.findings.map(({ code }) => code)).toEqual(['chunk-truncated'])
    expect(verdict.findings[0]?.sentence).toContain(`50 of ${bytes.length} bytes`)
  })

  it('one that was emptied, and one that grew', async () => {
    recording.objects.set('chunk-000000.age', new Uint8Array())
    recording.objects.set('chunk-000001.age', Buffer.concat([object('chunk-000001.age'), Buffer.from('x')]))
    expect(await found()).toEqual(['chunk-truncated chunk-000000.age', 'chunk-changed chunk-000001.age'])
  })

  it('one of another recording in its place', async () => {
    const other = await sampleRecording({ ...contents, seed: 'another' })
    recording.objects.set('chunk-000000.age', other.objects.get('chunk-000000.age') ?? new Uint8Array())
    expect(await found()).toEqual(['chunk-changed chunk-000000.age'])
  })

  it('all of several faults, not only the first', async () => {
    recording.objects.delete('chunk-000000.age')
    recording.objects.delete('key.age')
    recording.objects.set('chunk-000001.age', flipped(object('chunk-000001.age'), 99))
    recording.objects.set('metadata-000.age', flipped(object('metadata-000.age'), 99))
    recording.objects.set('notes.txt', new Uint8Array())
    expect(await found()).toEqual([
      'object-added notes.txt',
      'chunk-missing chunk-000000.age',
      'chunk-changed chunk-000001.age',
      'snapshot-changed metadata-000.age',
      'key-missing key.age',
    ])
  })
})

describe('snapshots and the key: it finds and names', () => {
  it('a snapshot that is missing, changed, swapped or added', async () => {
    const [first, second] = [object('metadata-000.age'), object('metadata-001.age')]
    recording.objects.delete('metadata-001.age')
    expect(await found()).toEqual(['snapshot-missing metadata-001.age'])
    recording.objects.set('metadata-001.age', flipped(second, 120))
    expect(await found()).toEqual(['snapshot-changed metadata-001.age'])
    recording.objects.set('metadata-001.age', first)
    expect(await found()).toEqual(['snapshot-swapped metadata-001.age'])
    recording.objects.set('metadata-001.age', second).set('metadata-002.age', second)
    expect(await found()).toEqual(['snapshot-added metadata-002.age'])
  })

  it('a wrapped key that is missing, changed or that of another recording', async () => {
    const key = object('key.age')
    recording.objects.delete('key.age')
    expect(await found([vault.identity])).toEqual(['key-missing key.age'])
    recording.objects.set('key.age', flipped(key, 30))
    expect(await found()).toEqual(['key-changed key.age'])
    const other = await sampleRecording({ ...contents, seed: 'another' })
    recording.objects.set('key.age', other.objects.get('key.age') ?? new Uint8Array())
    expect(await found()).toEqual(['key-changed key.age'])
    expect(await found([vault.identity])).toEqual(['key-wrong key.age', 'key-changed key.age'])
  })

  it('a second wrapped key beside the first', async () => {
    recording.objects.set('key-001.age', object('key.age'))
    expect(await found()).toEqual(['key-unexplained key-001.age'])
  })
})

describe('with a vault identity it also finds', () => {
  it('that the identity does not fit', async () => {
    expect(await found([generateIdentity(vectorRandom('stranger')).identity])).toEqual(['key-unreadable key.age'])
  })

  it('that the wrapped key is no key, although a recorder signed it', async () => {
    const wrapped = sealToRecipients(Buffer.from('hello'), [vault.recipient], vectorRandom('nonsense'))
    recording.objects.set('key.age', wrapped)
    await resign({ wrappedKey: { name: 'key.age', sha256: sha256(wrapped), sizeBytes: wrapped.length } })
    expect(await found()).toEqual([])
    expect(await found([vault.identity])).toEqual(['key-unreadable key.age'])
  })

  it('a chunk sealed to somebody else, although a recorder signed it', async () => {
    const sealed = sealToRecipients(Buffer.from('OggS'), [vault.recipient], vectorRandom('elsewhere'))
    recording = await sampleRecording({ chunks: [Buffer.from('OggS')], snapshots: [] })
    const [chunk] = recording.body.chunks
    if (chunk === undefined) throw new Error('no chunk')
    recording.objects.set(chunk.name, sealed)
    await resign({ chunks: [{ ...chunk, sha256: sha256(sealed), sizeBytes: sealed.length }] })
    expect(await found([vault.identity])).toEqual([
      'running-hash-wrong chunk-000000.age',
      'chunk-unreadable chunk-000000.age',
    ])
  })

  it('a snapshot that is not what arrived, although a recorder signed it', async () => {
    const [first, second] = recording.body.snapshots
    if (first === undefined || second === undefined) throw new Error('no snapshots')
    await resign({ snapshots: [{ ...first, sha256: second.sha256 }, second] })
    expect(await found()).toEqual([])
    expect(await found([vault.identity])).toEqual(['snapshot-mismatch metadata-000.age'])
  })
})

describe('the manifest: it finds', () => {
  it('that there is none', async () => {
    recording.objects.delete('manifest.jws')
    const verdict = await verify()
    expect(verdict).toMatchObject({ verified: false, findings: [{ code: 'manifest-missing' }] })
    expect(verdict.manifest).toBeUndefined()
  })

  it('that it was edited: a gap taken out, the signature kept', async () => {
    const jws = Buffer.from(object('manifest.jws')).toString('latin1')
    const [header, , signature] = jws.split('.')
    const streams = recording.body.streams.map((stream) => ({ ...stream, gaps: [] }))
    await resign({ streams })
    const [, payload] = Buffer.from(object('manifest.jws')).toString('latin1').split('.')
    recording.objects.set('manifest.jws', Buffer.from([header, payload, signature].join('.')))
    const verdict = await verify()
    expect(verdict.findings[0]?.code).toBe('manifest-forged')
    expect(verdict.signerKeyId).toBeUndefined()
  })

  it('that one byte of it was changed, and still compares the objects where it can be read', async () => {
    const bytes = object('manifest.jws')
    recording.objects.set('manifest.jws', flipped(bytes, bytes.length - 20))
    recording.objects.delete('chunk-000002.age')
    expect(await found()).toEqual(['manifest-forged manifest.jws', 'chunk-missing chunk-000002.age'])
  })

  it('that it is not a manifest', async () => {
    for (const text of [
      '',
      'hello',
      '{}',
      '\u00ff\u00fe',
      `${Buffer.from(object('manifest.jws')).toString('latin1')}\n`,
    ]) {
      recording.objects.set('manifest.jws', Buffer.from(text, 'latin1'))
      expect(await found()).toEqual(['manifest-unreadable manifest.jws'])
    }
  })

  it('that it is signed by a key nobody trusts, or by a stranger in the name of a trusted one', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const stranger = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
    if (!stranger.ok) throw new Error(stranger.reason)
    recording.objects.set('manifest.jws', Buffer.from(await signManifest(recording.body, stranger.value)))
    expect(await found()).toEqual(['manifest-unknown-signer manifest.jws'])
    const posing = { ...stranger.value, keyId: verifyKey.keyId }
    recording.objects.set('manifest.jws', Buffer.from(await signManifest(recording.body, posing)))
    expect(await found()).toEqual(['manifest-forged manifest.jws'])
  })

  it('that a whole, valid recording was put in the place of this one', async () => {
    recording = await sampleRecording({ ...contents, recordingId: RS_ID, seed: 'other recording' })
    expect(await found()).toEqual(['manifest-foreign manifest.jws'])
    expect(describeVerdict(await verify())).toContain('The objects were not compared with it')
  })
})

describe('a manifest that contradicts itself, although a recorder signed it: it finds', () => {
  function chunksWith(index: number, change: Partial<ManifestBody['chunks'][number]>) {
    return recording.body.chunks.map((chunk, at) => (at === index ? { ...chunk, ...change } : chunk))
  }

  function streamsWith(change: Partial<StreamEntry>) {
    return recording.body.streams.map((stream, at) => (at === 0 ? { ...stream, ...change } : stream))
  }

  it('a hole between two chunks', async () => {
    await resign({ chunks: chunksWith(1, { fromSample: CHUNK_SAMPLES + 48 }) })
    const verdict = await verify()
    expect(verdict.findings).toEqual([
      { code: 'time-gap', name: 'chunk-000001.age', sentence: 'The chunk begins 0.001 s after the one before ends.' },
    ])
  })

  it('a recording that does not begin at 0', async () => {
    await resign({ chunks: chunksWith(0, { fromSample: 1 }) })
    expect(await found()).toEqual(['time-gap chunk-000000.age'])
  })

  it('two chunks that overlap, and one that ends before it begins', async () => {
    await resign({ chunks: chunksWith(1, { fromSample: CHUNK_SAMPLES - 1 }) })
    expect(await found()).toEqual(['time-overlap chunk-000001.age'])
    await resign({ chunks: chunksWith(2, { toSample: 5 }) })
    expect(await found()).toEqual(['time-overlap chunk-000002.age', 'duration-wrong'])
  })

  it('a duration that the chunks do not have', async () => {
    await resign({ durationSamples: 3 * CHUNK_SAMPLES + 1 })
    expect(await found()).toEqual(['duration-wrong', 'ledger-wrong 0', 'ledger-wrong 1'])
  })

  it('a sequence number that occurs twice, and the name with it', async () => {
    const [first] = recording.body.chunks
    if (first === undefined) throw new Error('no chunk')
    await resign({ chunks: chunksWith(1, { chunkSeq: 0, name: first.name }) })
    const codes = await found()
    expect(codes).toContain('sequence-wrong chunk-000000.age')
    expect(codes).toContain('name-repeated chunk-000000.age')
    expect(codes).toContain('chunk-added chunk-000001.age')
  })

  it('chunks left out, with everything else signed anew', async () => {
    await resign({ chunks: recording.body.chunks.filter(({ chunkSeq }) => chunkSeq !== 1) })
    expect(await found()).toEqual([
      'sequence-wrong chunk-000002.age',
      'time-gap chunk-000002.age',
      'running-hash-wrong chunk-000002.age',
      'chunk-added chunk-000001.age',
    ])
  })

  it('a wrong running hash, once', async () => {
    await resign({ chunks: chunksWith(1, { runningHash: 'a'.repeat(64) }) })
    expect(await found()).toEqual(['running-hash-wrong chunk-000001.age', 'running-hash-wrong chunk-000002.age'])
    await resign({ chunks: chunksWith(2, { runningHash: 'a'.repeat(64) }) })
    expect(await found()).toEqual(['running-hash-wrong chunk-000002.age'])
  })

  it('a snapshot out of sequence and a key under another name', async () => {
    await resign({ snapshots: recording.body.snapshots.toReversed() })
    expect(await found()).toEqual(['sequence-wrong metadata-001.age', 'sequence-wrong metadata-000.age'])
    recording.objects.set('other.age', object('key.age'))
    recording.objects.delete('key.age')
    await storeManifest(recording.objects, {
      ...recording.body,
      wrappedKey: { ...recording.body.wrappedKey, name: 'other.age' },
    })
    expect(await found()).toEqual(['sequence-wrong other.age'])
  })

  it('gaps past the end, empty, overlapping or out of order', async () => {
    const end = 3 * CHUNK_SAMPLES
    const gaps = [
      { fromSample: 10, toSample: 20, cause: 'lost' },
      { fromSample: 15, toSample: 30, cause: 'lost' },
      { fromSample: 40, toSample: 40, cause: 'lost' },
      { fromSample: end - 1, toSample: end + 1, cause: 'held' },
    ] as const
    await resign({ streams: streamsWith({ gaps }) })
    expect(await found()).toEqual(['gap-overlap 0', 'gap-outside 0', 'gap-outside 0', 'ledger-wrong 0'])
  })

  it('time that is neither audio nor gap', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    await resign({
      streams: streamsWith({ ledger: { ...stream.ledger, audioSamples: stream.ledger.audioSamples - 1 } }),
    })
    expect(await found()).toEqual(['ledger-wrong 0'])
  })

  it('gaps listed that are not the gaps counted, in sum or by cause', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    await resign({ streams: streamsWith({ gaps: stream.gaps.slice(1) }) })
    expect(await found()).toEqual(['ledger-wrong 0'])
    await resign({ streams: streamsWith({ gaps: stream.gaps.map((gap) => ({ ...gap, cause: 'silence' as const })) }) })
    expect(await found()).toEqual(['ledger-wrong 0'])
  })

  it('nothing wrong with gaps that a bounded list could only sum up', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    const ledger = { ...stream.ledger, unlistedGapSamples: 960 }
    await resign({ streams: streamsWith({ gaps: stream.gaps.slice(0, 1), ledger }) })
    expect(await found()).toEqual([])
  })

  it('more concealed than lost, more silent than audio, more paused or comfort noise than came', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    const { ledger, packets } = stream
    const withLedger = (parts: object) => resign({ streams: streamsWith({ ledger: { ...ledger, ...parts } }) })
    const withPackets = (parts: object) => resign({ streams: streamsWith({ packets: { ...packets, ...parts } }) })
    await withLedger({ concealedSamples: ledger.gapSamples.lost, silentSamples: ledger.audioSamples })
    expect(await found()).toEqual([])
    await withLedger({ concealedSamples: ledger.gapSamples.lost + 1 })
    expect(await found()).toEqual(['ledger-wrong 0'])
    await withLedger({ silentSamples: ledger.audioSamples + 1 })
    expect(await found()).toEqual(['ledger-wrong 0'])
    await withPackets({ discarded: 2, paused: 3 })
    expect(await found()).toEqual(['ledger-wrong 0'])
    await withPackets({ comfortNoise: packets.received + 1 })
    expect(await found()).toEqual(['ledger-wrong 0'])
  })

  it('nothing wrong with what is filled or silent, and the verdict says so', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    await resign({
      streams: streamsWith({ ledger: { ...stream.ledger, concealedSamples: 960, silentSamples: 4_800 } }),
    })
    const text = describeVerdict(await verify())
    expect(text).toContain('of audio (0.100 s of it silent)')
    expect(text).toContain('lost on the network (0.020 s of it filled with a made-up signal)')
  })

  it('packets that were to be expected by their numbers and are not accounted for', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    const withPackets = (parts: object) =>
      resign({ streams: streamsWith({ packets: { ...stream.packets, ...parts } }) })
    const accounted = stream.packets.received + stream.packets.lost
    await withPackets({ expected: accounted })
    expect(await found()).toEqual([])
    await withPackets({ expected: accounted + 5, discarded: 9, paused: 5 })
    expect(await found()).toEqual([])
    await withPackets({ expected: accounted + 1 })
    expect(await found()).toEqual(['ledger-wrong 0'])
    await withPackets({ expected: accounted - 1 })
    expect(await found()).toEqual(['ledger-wrong 0'])
  })

  it('a media stream described twice, and an end before the beginning', async () => {
    const [stream] = recording.body.streams
    if (stream === undefined) throw new Error('no stream')
    await resign({ streams: [stream, stream], endedAt: '2025-11-23T08:59:59.999Z' })
    expect(await found()).toEqual(['stream-repeated 0', 'clock-backwards'])
  })
})

describe('bounds', () => {
  it('keeps so many findings and counts the rest', async () => {
    for (let count = 0; count < FINDINGS_MAX + 5; count += 1) recording.objects.set(`stray-${count}`, new Uint8Array())
    const verdict = await verify()
    expect(verdict.findings).toHaveLength(FINDINGS_MAX)
    expect(verdict.findingsDropped).toBe(5)
    expect(describeVerdict(verdict)).toContain(`has ${FINDINGS_MAX + 5} findings`)
  })

  it('stops listing at some point, and says so', async () => {
    const objects: ObjectReader = {
      async *list() {
        while (true) yield 'key.age'
      },
      get: (name) => Promise.resolve(recording.objects.get(name)),
    }
    const verdict = await verify({ objects })
    expect(verdict.findings).toEqual([
      { code: 'objects-too-many', sentence: expect.stringContaining(String(OBJECTS_MAX)) },
    ])
  })

  it('lets the failure of a store through: that is no verdict', async () => {
    const objects: ObjectReader = { list: () => Promise.resolve([]), get: () => Promise.reject(new Error('disk')) }
    await expect(verify({ objects })).rejects.toThrow('disk')
  })
})

describe('the verdict in words', () => {
  it('says what was checked, by whose signature, when, and how much is without audio', async () => {
    const text = describeVerdict(await verify())
    expect(text).toMatch(/^VERIFIED: recording \S+ is complete and unchanged\.\n/)
    expect(text).toContain(`fingerprint ${verifyKey.keyId}`)
    expect(text).toContain('3 of 3 chunks there and unchanged')
    expect(text).toContain('Began 2025-11-23T09:00:00.000Z, ended 2025-11-23T09:00:30.000Z (bye)')
    expect(text).toContain(
      'Length of the audio: 30.000 s, from 2025-11-23T09:00:00.250Z; one channel per media stream.',
    )
    expect(text).toContain(
      'label "1", channel 1): 29.880 s of audio, gaps: 0.020 s lost on the network, 0.100 s on hold.',
    )
    expect(text).toContain('channel 2): 30.000 s of audio, without a gap.')
    expect(text).toContain('Time without audio, all media streams together: 0.120 s.')
    expect(text).toContain('The audio was not opened')
    expect(text).toContain('What this does not say')
    expect(text.endsWith('\n')).toBe(true)
  })

  it('says how the audio came, where the manifest knows', async () => {
    await resign({
      streams: recording.body.streams.map((stream, index) => ({
        ...stream,
        protection: index === 0 ? ['AEAD_AES_256_GCM'] : ['none', 'AES_CM_128_HMAC_SHA1_80\n'],
      })),
    })
    const text = describeVerdict(await verify())
    expect(text).toContain('0.100 s on hold. It came by SRTP (AEAD_AES_256_GCM).')
    expect(text).toContain('without a gap. It came in clear, then by SRTP (AES_CM_128_HMAC_SHA1_80\u{fffd}).')
  })

  it('says what is wrong, with its code, and trusts nothing that is not signed', async () => {
    const bytes = object('manifest.jws')
    recording.objects.set('manifest.jws', flipped(bytes, bytes.length - 20))
    const text = describeVerdict(await verify())
    expect(text).toMatch(/^NOT VERIFIED: .* has 1 finding\.\n/)
    expect(text).toContain('[manifest-forged]')
    expect(text).toContain('not proved: no trusted signature')
    expect(text).toContain('not by any key that you trust')
  })

  it('says when the recording was interrupted, and lists its incidents', async () => {
    await resign({
      state: 'interrupted',
      incidents: [{ code: 'worker-lost', at: '2025-11-23T09:00:20.000Z', detail: 'A media worker ended.' }],
    })
    const text = describeVerdict(await verify({ identities: [vault.identity] }))
    expect(text).toMatch(/^VERIFIED, BUT INTERRUPTED/)
    expect(text).toContain('Incident at 2025-11-23T09:00:20.000Z: A media worker ended. [worker-lost]')
    expect(text).toContain('Opened with the vault key: 3 of 3 chunks.')
  })

  it('has something to say without a manifest', async () => {
    recording.objects.clear()
    expect(describeVerdict(await verify())).toContain('[manifest-missing]')
  })

  it('writes long times as a person would', async () => {
    const [chunk, ...rest] = recording.body.chunks
    if (chunk === undefined) throw new Error('no chunk')
    const durationSamples = (3_600 + 120 + 3) * 48_000 + 24
    await resign({ durationSamples, chunks: [{ ...chunk, toSample: durationSamples }, ...rest] })
    expect(describeVerdict(await verify())).toContain('Length of the audio: 1 h 02 min 03.001 s')
  })

  it('lets no foreign name write to the terminal', async () => {
    recording.objects.set('chunk\u001b[2J\nVERIFIED: all is well', new Uint8Array())
    const text = describeVerdict(await verify())
    expect(text).not.toContain('\u001b')
    expect(text.split('\n').filter((line) => line.startsWith('VERIFIED'))).toEqual([])
  })
})
