import { randomBytes } from 'node:crypto'

import { EarwitnessError } from '../../errors.ts'
import { sealToRecipients } from '../../evidence/age-seal.ts'
import type { ConsentEventType } from '../../evidence/consent-event.ts'
import { writeIndexFacts } from '../../evidence/index-facts.ts'
import {
  signManifest,
  type ChunkEntry,
  type DtmfEntry,
  type IndexEntry,
  type KeptEntry,
  type ManifestBody,
  type PeaksEntry,
  type SnapshotEntry,
} from '../../evidence/manifest.ts'
import { INDEX_NAME, MANIFEST_NAME, snapshotName } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import type { SigningKey } from '../../evidence/signer-keys.ts'
import type { RecordingIncident, SealedObject } from '../../recorder/recording-types.ts'
import { chunkRecord, closedRecord, openedRecord } from '../database/index-records.ts'
import type { Outbox } from '../database/outbox.ts'
import { CHUNKS_KEY, keptKey } from '../spool/segment-cover.ts'
import type { SegmentKeeper } from '../spool/segment-keeper.ts'
import { objectKey } from '../storage/layout.ts'
import { isRefusedForGood } from '../storage/storage-error.ts'
import type { StatementSink } from '../ledger/ledger.ts'
import { ConsentKeeper, type ConsentNote } from './consent-keeper.ts'
import type { TakenConsentEvent } from './consent-trail.ts'
import { interruptedManifest, type InterruptedRecording } from './interrupted-manifest.ts'
import type { HeldCustody } from './held-custody.ts'
import { withDecision, type HeldDecision } from './held-decision.ts'
import { JournalledObjects, type SealedBytes } from './journalled-objects.ts'
import type { LiveRecording } from './live-recording.ts'
import type { OpenFacts, OpenJournal, OpenJournalEntry } from './open-journal.ts'
import { hasRoomFor, statementOf, type StoryEvent } from './session-story.ts'
import { snapshotRecord } from './snapshot-record.ts'
import { ToldFacts } from './told-facts.ts'

/** An upload queue, or a spool before it; `spooled` is called when the disk has the object before the store. */
export interface Uploads {
  put(order: string, key: string, bytes: Uint8Array, spooled?: () => void): Promise<void>
}

/**
 * Takes what a recording session seals into custody: first a line in the open journal, then the object store, then the
 * database; at the end the signed manifest. So whatever a crash leaves in the store has a line that names it. Nothing here can
 * read what it keeps.
 */
export class Custody {
  readonly #uploads: Uploads
  readonly #outbox: Pick<Outbox, 'add' | 'written'>
  readonly #journal: OpenJournal
  readonly #signer: SigningKey
  readonly #ledger: Pick<StatementSink, 'append' | 'written'> | undefined
  readonly #nowUnixMs: () => number
  readonly #spool: Pick<SegmentKeeper, 'opened' | 'durable' | 'over'> | undefined
  /** What the database has been told of each recording of this run, until it is closed. */
  readonly #told = new Map<string, ToldFacts>()
  /** For each recording: settles when its newest object is on its way to the store, behind all before it. */
  readonly #handedOver = new Map<string, Promise<void>>()
  /** Of each recording: what the store refused, which a manifest that was put together before must say too. */
  readonly #refused = new Map<string, readonly RecordingIncident[]>()
  readonly #journalled = new JournalledObjects()
  readonly #consent: ConsentKeeper
  readonly #held: HeldCustody | undefined

  constructor(options: {
    readonly uploads: Uploads
    readonly outbox: Pick<Outbox, 'add' | 'written'>
    readonly journal: OpenJournal
    readonly signer: SigningKey
    /** Hears what is opened and closed; absent, nobody does. */
    readonly ledger?: Pick<StatementSink, 'append' | 'written'>
    readonly nowUnixMs: () => number
    /** Where audio may be held until consent. */
    readonly held?: HeldCustody
    /** Is told which frames are needed no more. */
    readonly spool?: Pick<SegmentKeeper, 'opened' | 'durable' | 'over'>
    /** Hears of each consent event that is written. */
    readonly onConsentEvent?: (type: ConsentEventType) => void
  }) {
    this.#spool = options.spool
    this.#held = options.held
    this.#uploads = options.uploads
    this.#outbox = options.outbox
    this.#journal = options.journal
    this.#signer = options.signer
    this.#ledger = options.ledger
    this.#nowUnixMs = options.nowUnixMs
    this.#consent = new ConsentKeeper({
      ...{ signer: options.signer, outbox: options.outbox, ledger: options.ledger, onEvent: options.onConsentEvent },
      keep: (recording, entry, object) =>
        new Promise((resolve) => void this.#keep(recording, entry, { ...object, journalled: resolve })),
      failed: (recording) => {
        const at = new Date(this.#nowUnixMs()).toISOString()
        this.incident(recording, { code: 'consent-not-kept', at, detail: 'A consent event could not be signed.' })
      },
    })
  }

  /** Small objects that were too large for the journal: a crash takes them as long as the store does not. */
  get journalOmissions(): number {
    return this.#journalled.omitted
  }

  /** The recording exists from now on: its wrapped key is stored before any of its audio. */
  opened(recording: LiveRecording): void {
    const { facts, sipCallId, startedAt, objectPrefix, sealedKey, held } = recording
    if (sealedKey === undefined) throw new Error('a recording is opened by its sealed key')
    const { recipient, wrappedKey, bytes } = sealedKey
    const { recordingId, rsId, tenant, src, sipCallIdSha256, layout, software } = facts
    const { dialect, correlationIds } = recording.communication.takeOpening()
    this.#outbox.add(openedRecord({ facts, sipCallId, startedAt, objectPrefix, recipient, dialect, correlationIds }))
    this.#told.set(recordingId, new ToldFacts({ sipCallId, dialect, correlationIds }))
    this.#sayOpened({ facts, startedAt, recipient, wrappedKey })
    this.#spool?.opened(recordingId)
    const entry: OpenJournalEntry = {
      kind: 'opened',
      facts: { recordingId, rsId, tenant, src, sipCallIdSha256, layout, software },
      ...{ sipCallId, startedAt, objectPrefix, recipient, wrappedKey, dialect, correlationIds },
      ...(held === undefined ? {} : { held: { recipient: held.recipient, wrappedKey: held.wrappedKey } }),
      wrappedKeyBase64: Buffer.from(bytes).toString('base64'),
    }
    // The line says that something may be held: a crash behind it must find the key of that.
    const after = this.#held?.prepare(recording)
    const journalled = new Promise((resolve) => {
      void this.#keep(recording, entry, { name: wrappedKey.name, bytes, journalled: resolve, after })
    })
    this.#held?.opened(recording, journalled)
    // After the line that opens the journal, which must be its first.
    for (const event of recording.story) this.#tellStory(recordingId, event)
    this.noteFacts(recording)
    this.#consent.opened(recording)
  }

  /** Tells the database what has come to light about the communication session; before the recording is opened, later. */
  noteFacts(recording: LiveRecording): void {
    const { recordingId } = recording.facts
    const told = this.#told.get(recordingId)
    const news = told === undefined ? undefined : recording.communication.takeNews()
    if (news === undefined) return
    told?.add(news)
    this.#outbox.add({ kind: 'factsNoted', recordingId, ...news })
    void this.#journal.append(recordingId, { kind: 'facts', news })
  }

  /** What was agreed on, or asked for: the journal has it for the case that nobody ends the recording. */
  note(recording: LiveRecording, event: StoryEvent): void {
    const { recordingId } = recording.facts
    if (!hasRoomFor(recording.story, event)) return
    recording.story.push(event)
    if (recording.heldBack === undefined || this.#told.has(recordingId)) this.#tellStory(recordingId, event)
  }

  /** What the parties were told, what they answered, what was decided: signed, in the journal, then stored. See `ConsentKeeper.take`. */
  consented(recording: LiveRecording, note: ConsentNote): TakenConsentEvent | undefined {
    return this.#consent.take(recording, note)
  }

  /** Chunks, kept RTP, digits, peaks and snapshots; the key has its own way, see {@link opened}. */
  sealed(recording: LiveRecording, object: SealedObject): void {
    if (object.chunk !== undefined) this.#takeChunk(recording, object.chunk, object.bytes)
    else if (object.kept !== undefined) this.#takeKept(recording, object.kept, object.bytes)
    else if (object.dtmf !== undefined) this.#takeDtmf(recording, object.dtmf, object.bytes)
    else if (object.peaks !== undefined) this.#takePeaks(recording, object.peaks, object)
    else if (object.snapshotSeq !== undefined) this.#takeSnapshot(recording, object.snapshotSeq, object)
  }

  /** Seals the snapshots that its worker had been given and will not seal any more. */
  sealPending(recording: LiveRecording): void {
    const { sealedKey } = recording
    for (const { received } of [...recording.pendingSnapshots]) {
      if (sealedKey === undefined) return
      const seq = recording.snapshots.length
      const bytes = sealToRecipients(received.raw, [sealedKey.recipient], randomBytes)
      this.#takeSnapshot(recording, seq, { name: snapshotName(seq), bytes, rawSha256: received.rawSha256 })
    }
  }

  /** What was held until consent is kept, or destroyed: once. The manifest will say so when it is done. */
  decideHeld(recording: LiveRecording, decision: HeldDecision): void {
    if (recording.heldDecision !== undefined) return
    recording.heldDecision = decision
    if (recording.heldBack === undefined) this.#held?.decide(recording, decision)
  }

  incident(recording: LiveRecording, incident: RecordingIncident): void {
    recording.incidents.push(incident)
    this.#noteIncident(recording.facts.recordingId, incident)
  }

  /** Signs and stores the manifest after everything it names, then closes the recording in the database. */
  async close(objectPrefix: string, manifest: ManifestBody): Promise<void> {
    const { recordingId } = manifest
    const consent = await this.#consent.over(recordingId)
    await this.#handedOver.get(recordingId)
    this.#handedOver.delete(recordingId)
    const index = await this.#storeIndex(objectPrefix, manifest)
    // All that was put before the index has been stored or refused.
    const late = (this.#refused.get(recordingId) ?? []).filter((incident) => !manifest.incidents.includes(incident))
    const incidents = [...manifest.incidents, ...late]
    const complete = { ...manifest, incidents, ...(index === undefined ? {} : { index }), ...consent }
    const whole = withDecision(complete, await this.#held?.decisionOf(recordingId))
    const signed = new TextEncoder().encode(await signManifest(whole, this.#signer))
    this.#told.delete(recordingId)
    this.#refused.delete(recordingId)
    await this.#uploads.put(recordingId, objectKey(objectPrefix, MANIFEST_NAME), signed)
    this.closed(whole, signed)
  }

  /**
   * The manifest is in the store: ledger and database are told, and the journal is not needed any more once both have that on disk. Nobody waits for it: a
   * journal that is left has the next start say all of it again.
   */
  closed(manifest: ManifestBody, signed: Uint8Array): void {
    const manifestSha256 = sha256Hex(signed)
    const { recordingId, state, endCause, endedAt, durationSamples } = manifest
    this.#ledger?.append({
      kind: 'recordingClosed',
      ...{ recordingId, manifestSha256, state, endCause, endedAt, durationSamples },
    })
    this.#outbox.add(closedRecord(manifest, manifestSha256))
    this.#journal.closeAfter(recordingId, () => Promise.all([this.#ledger?.written(), this.#outbox.written()]))
    this.#journalled.over(manifest.recordingId)
    this.#held?.over(manifest.recordingId)
    this.#spool?.over(manifest.recordingId)
  }

  /** Tells the database again what a crash may have kept from it; what it knows already changes nothing. */
  readmit(recording: OpenFacts & Pick<InterruptedRecording, 'chunks' | 'news' | 'consent'>): void {
    const { recordingId } = recording.facts
    this.#outbox.add(openedRecord(recording))
    for (const { dialect, correlationIds, attributions } of recording.news ?? []) {
      this.#outbox.add({ kind: 'factsNoted', recordingId, dialect, correlationIds, attributions })
    }
    for (const chunk of recording.chunks) this.#recordChunk(recordingId, chunk)
    // A round of recovery before this one did.
    if (this.#told.has(recordingId)) return
    // Whether the last run came to say so nobody knows; the first time counts.
    this.#sayOpened({ ...recording, again: true })
    const consented = recording.consent?.events ?? []
    for (const place of consented.keys()) this.#consent.say(consented.slice(0, place + 1))
  }

  /** Closes a recording that nobody can finish: the manifest says what was sealed, and that the rest is missing. */
  interrupted(recording: InterruptedRecording, detail: string): Promise<void> {
    const at = new Date(this.#nowUnixMs()).toISOString()
    const incident = { code: 'interrupted', at, detail }
    const { recordingId } = recording.facts
    this.#noteIncident(recordingId, incident)
    if (!this.#told.has(recordingId)) {
      const told = new ToldFacts(recording)
      for (const news of recording.news ?? []) told.add(news)
      this.#told.set(recordingId, told)
    }
    const attributions = this.#told.get(recordingId)?.facts.attributions ?? []
    return this.close(recording.objectPrefix, interruptedManifest(recording, { incident, attributions }))
  }

  #sayOpened(
    opened: Pick<OpenFacts, 'facts' | 'startedAt' | 'recipient' | 'wrappedKey'> & { readonly again?: true },
  ): void {
    const { facts, startedAt, recipient, wrappedKey, again } = opened
    const { recordingId, rsId, tenant, src } = facts
    this.#ledger?.append({
      kind: 'recordingOpened',
      ...{ recordingId, rsId, tenant, src, startedAt, recipient, wrappedKeySha256: wrappedKey.sha256 },
      ...(again === undefined ? { streamPauses: true } : { again }),
    })
  }

  #tellStory(recordingId: string, event: StoryEvent): void {
    const statement = statementOf(recordingId, event)
    if (statement !== undefined) this.#ledger?.append(statement)
    if (this.#told.has(recordingId)) void this.#journal.append(recordingId, event)
  }

  #noteIncident(recordingId: string, incident: RecordingIncident): void {
    this.#outbox.add({ kind: 'incidentNoted', recordingId, ...incident })
    void this.#journal.append(recordingId, { kind: 'incident', incident })
  }

  #takeChunk(recording: LiveRecording, chunk: ChunkEntry, bytes: Uint8Array): void {
    const { recordingId } = recording.facts
    recording.chunks.push(chunk)
    const durable = (): void => this.#spool?.durable(recordingId, CHUNKS_KEY, chunk.toSample)
    void this.#keep(recording, { kind: 'chunk', chunk }, { name: chunk.name, bytes, durable }).then((isStored) => {
      if (isStored) this.#recordChunk(recordingId, chunk)
    })
  }

  #takeKept(recording: LiveRecording, kept: KeptEntry, bytes: Uint8Array): void {
    recording.kept.push(kept)
    const { recordingId } = recording.facts
    const durable = (): void => this.#spool?.durable(recordingId, keptKey(kept.streamId), kept.toSample)
    void this.#keep(recording, { kind: 'kept', kept }, { name: kept.name, bytes, durable })
  }

  #takeDtmf(recording: LiveRecording, dtmf: DtmfEntry, bytes: Uint8Array): void {
    recording.dtmf.push(dtmf)
    const journalled = this.#journalled.encode(recording.facts.recordingId, bytes)
    void this.#keep(recording, { kind: 'dtmf', dtmf, ...journalled }, { name: dtmf.name, bytes })
  }

  #takePeaks(recording: LiveRecording, peaks: PeaksEntry, { kind, bytes }: SealedObject): void {
    const isHeld = kind === 'heldPeaks'
    if (isHeld) recording.heldPeaks = peaks
    else recording.peaks = peaks
    void this.#keep(recording, { kind: isHeld ? 'heldPeaks' : 'peaks', peaks }, { name: peaks.name, bytes })
  }

  #recordChunk(recordingId: string, chunk: ChunkEntry): void {
    this.#outbox.add(chunkRecord(recordingId, chunk, new Date(this.#nowUnixMs()).toISOString()))
  }

  /** Seals and stores what an index needs and no other object says. Undefined when the store refuses it for good. */
  async #storeIndex(objectPrefix: string, manifest: ManifestBody): Promise<IndexEntry | undefined> {
    const { recordingId, recipient } = manifest
    const told = this.#told.get(recordingId)
    if (told === undefined || told.index !== undefined) return told?.index
    const clear = writeIndexFacts(told.facts)
    const bytes = sealToRecipients(clear, [recipient], randomBytes)
    clear.fill(0)
    const index = { name: INDEX_NAME, sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    await this.#journal.append(recordingId, { kind: 'index', index })
    try {
      await this.#uploads.put(recordingId, objectKey(objectPrefix, INDEX_NAME), bytes)
    } catch (error) {
      // It waits on disk, and the next start stores it: a manifest without it would call it added.
      if (!isRefusedForGood(error)) throw error
      // The recording is worth more than its place in a rebuilt index: its manifest goes without.
      this.#told.delete(recordingId)
      return undefined
    }
    told.index = index
    return index
  }

  #takeSnapshot(
    recording: LiveRecording,
    seq: number,
    object: Pick<SealedObject, 'name' | 'bytes' | 'rawSha256'>,
  ): void {
    // By hash: one that the worker failed to seal must not lend its place to the next.
    const place = recording.pendingSnapshots.findIndex(({ received }) => received.rawSha256 === object.rawSha256)
    const [pending] = place < 0 ? [] : recording.pendingSnapshots.splice(place, 1)
    if (pending === undefined) return
    const { recordingId } = recording.facts
    const { snapshot, rawSha256, mediaType } = pending.received
    const entry: SnapshotEntry = {
      seq,
      name: object.name,
      sha256: rawSha256,
      sealedSha256: sha256Hex(object.bytes),
      sizeBytes: object.bytes.length,
      receivedAt: pending.receivedAt,
      ...(mediaType === undefined ? {} : { mediaType }),
      ...(snapshot === undefined ? {} : { dataMode: snapshot.dataMode }),
      valid: snapshot !== undefined,
    }
    recording.snapshots.push(entry)
    this.#outbox.add(snapshotRecord({ recordingId, seq, objectName: object.name, pending }))
    const journalled = this.#journalled.encode(recordingId, object.bytes)
    void this.#keep(recording, { kind: 'snapshot', snapshot: entry, ...journalled }, object)
  }

  /** Resolves to whether the store took the object; never rejects. */
  #keep(recording: LiveRecording, entry: OpenJournalEntry, object: SealedBytes): Promise<boolean> {
    const { recordingId } = recording.facts
    return new Promise((resolve) => {
      const handedOver = this.#journal.append(recordingId, entry, object.after).then((isWritten) => {
        object.journalled?.(isWritten)
        resolve(this.#put(recording, object))
      })
      this.#handedOver.set(recordingId, handedOver)
    })
  }

  async #put(recording: LiveRecording, { name, bytes, durable }: SealedBytes): Promise<boolean> {
    try {
      await this.#uploads.put(recording.facts.recordingId, objectKey(recording.objectPrefix, name), bytes, durable)
      durable?.()
      return true
    } catch (error) {
      const code = error instanceof EarwitnessError ? error.code : 'storage-failed'
      // It waits on disk, or its frames do, for the next start.
      if (code === 'storage-stopped') return false
      const at = new Date(this.#nowUnixMs()).toISOString()
      const incident = { code, at, detail: 'A sealed object could not be stored.' }
      this.incident(recording, incident)
      const { recordingId } = recording.facts
      this.#refused.set(recordingId, [...(this.#refused.get(recordingId) ?? []), incident])
      return false
    }
  }
}
