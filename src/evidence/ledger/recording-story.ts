import type { ConsentTestimony, TrustedConsentEvent } from '../consent-checks.ts'
import type { FindingList } from '../findings.ts'
import type { KeyRotation } from '../key-checks.ts'
import type { ManifestBody } from '../manifest.ts'
import { PAUSE_REQUESTERS, type PauseRequester } from '../words.ts'
import { ConsentStory, type LogExtent } from './consent-story.ts'
import type { Statement, StatementKind } from './statement.ts'

/** What is to be found about one recording. */
export interface RecordingFacts {
  readonly recordingId: string
  /** Of its manifest: nobody else's word counts on when it was opened, paused and closed. */
  readonly signerKeyId: string
  readonly startedAt: string
  readonly endedAt: string
  /** Hex SHA-256 of `manifest.jws`. */
  readonly manifestSha256: string
  /** Hex SHA-256 of `key.age`, as the manifest has it. */
  readonly wrappedKeySha256: string
  /** How many pauses of the whole recording the manifest lists, by who asked for them; only of a complete recording. */
  readonly pauses?: Readonly<Record<PauseRequester, number>>
  /** How many pauses of each media stream it lists; only of a complete recording. */
  readonly streamPauses?: ReadonlyMap<string, number>
  /** Consent events in their order; absent: nobody read them, and the log is not asked. */
  readonly consent?: readonly Pick<TrustedConsentEvent, 'sha256' | 'isLate' | 'event'>[]
  /** Custody records beside it that can be believed, whoever signed them. */
  readonly custody?: readonly CustodyFact[]
}

export interface CustodyFact {
  /** Hex, of the object. */
  readonly sha256: string
  readonly signerKeyId: string
  readonly kind: string
  readonly at: string
  /** Of the release of a hold whose record is lost: hex, of that record. */
  readonly lostSha256?: string
}

/** What is asked of the ledger about the recording of this manifest. */
export function recordingFacts(
  manifest: ManifestBody,
  signed: {
    readonly manifestSha256: string
    readonly signerKeyId: string
    readonly consent?: ConsentTestimony | undefined
    readonly custody?: readonly CustodyFact[]
  },
): RecordingFacts {
  const { recordingId, startedAt, endedAt, wrappedKey, state, pauses = [] } = manifest
  const { manifestSha256, signerKeyId, consent, custody } = signed
  const count = (by: PauseRequester): number =>
    pauses.filter((pause) => pause.by === by && pause.streamId === undefined).length
  return {
    ...{ recordingId, startedAt, endedAt, manifestSha256, signerKeyId, wrappedKeySha256: wrappedKey.sha256 },
    ...(consent === undefined ? {} : { consent: consent.events }),
    ...(custody === undefined ? {} : { custody }),
    ...(state === 'complete'
      ? {
          pauses: { src: count('src'), api: count('api'), consent: count('consent') },
          streamPauses: countBy(pauses.flatMap(({ streamId }) => (streamId === undefined ? [] : [streamId]))),
        }
      : {}),
  }
}

function countBy(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

/** So long after a decision its statement may still be on its way. */
const CUSTODY_SAYING_MS = 10 * 60 * 1_000

type CustodyStatement = Extract<Statement, { readonly kind: 'holdAdded' | 'holdReleased' | 'shredBegun' | 'shredded' }>

function isAboutCustody(statement: Statement): statement is CustodyStatement {
  return ['holdAdded', 'holdReleased', 'shredBegun', 'shredded'].includes(statement.kind)
}

/** One statement about the recording, for a reader. */
export interface ToldStatement {
  readonly seq: number
  readonly kind: StatementKind | 'unknown'
  readonly at: string
  /** Of `access`: what was done. */
  readonly action?: string
}

/** Statements about one recording that are told one by one; what is found about them does not depend on it. */
export const TOLD_STATEMENTS_MAX = 1_000
/** Statements that a key was sealed anew; more keys than 1,000 no recording can have. */
const ROTATIONS_TOLD_MAX = 2_000

/** Compares what a log says of one recording, in the order of the log, with its manifest. FORMAT.md 6 */
export class RecordingStory {
  openedSeq: number | undefined
  closedSeq: number | undefined
  readonly told: ToldStatement[] = []
  readonly rotations: KeyRotation[] = []
  readonly #recording: RecordingFacts
  readonly #findings: FindingList
  readonly #paused: Record<PauseRequester, number> = { src: 0, api: 0, consent: 0 }
  /** Of media streams of which the manifest lists a pause. */
  readonly #streamsPaused = new Map<string, number>()
  /** It says that it tells of these as well. */
  #hasStreamPauses = false
  readonly #consent: ConsentStory | undefined
  /** Hashes of the custody records that were said. */
  readonly #said = new Set<string>()

  constructor(recording: RecordingFacts, findings: FindingList) {
    this.#recording = recording
    this.#findings = findings
    const { consent } = recording
    this.#consent = consent === undefined ? undefined : new ConsentStory(consent, findings)
  }

  /** Hashes of the custody records that this log names. */
  get said(): readonly string[] {
    return [...this.#said]
  }

  /** Statements of other recordings, and of none, are passed over; false for them. Its signature, by `keyId`, has been checked. */
  take(statement: Statement, keyId: string): boolean {
    const { recordingId, signerKeyId } = this.#recording
    if (!('recordingId' in statement) || statement.recordingId !== recordingId) return false
    const { seq, kind, at } = statement
    if (this.told.length < TOLD_STATEMENTS_MAX) {
      this.told.push({ seq, kind, at, ...(statement.kind === 'access' ? { action: statement.action } : {}) })
    }
    if (statement.kind === 'keyRotated') this.#rotated(statement)
    if (isAboutCustody(statement)) this.#decided(statement)
    if (keyId !== signerKeyId) return true
    if (statement.kind === 'recordingOpened') this.#opened(statement)
    else if (statement.kind === 'recordingClosed') this.#closed(seq, statement.manifestSha256)
    else if (statement.kind === 'recordingPaused') this.#paused[statement.by] += 1
    else if (statement.kind === 'streamPaused') this.#streamPaused(statement)
    else if (statement.kind === 'consent') this.#consent?.take(seq, statement.evidenceSha256)
    return true
  }

  /** Looks for what should have been said; to be called at the end. A log that does not know of the whole recording is not asked. */
  finish(whole: LogExtent): void {
    const { pauses } = this.#recording
    if (this.openedSeq === undefined || this.closedSeq === undefined) return
    this.#consent?.finish(whole)
    if (pauses === undefined || !whole.isWhole) return
    const unsaid = PAUSE_REQUESTERS.reduce((sum, by) => sum + Math.max(0, pauses[by] - this.#paused[by]), 0)
    const missing = unsaid + this.#streamPausesUnsaid()
    if (missing === 0) return
    const sentence = `The manifest has ${missing} pauses that the ledger does not know: they were not told when they began.`
    this.#findings.add('pause-not-in-log', sentence)
  }

  /** Media streams paused by SDP: those of which it was promised that they are said. */
  #streamPausesUnsaid(): number {
    if (!this.#hasStreamPauses) return 0
    const counts = [...(this.#recording.streamPauses ?? [])]
    return counts.reduce((sum, [streamId, n]) => sum + Math.max(0, n - (this.#streamsPaused.get(streamId) ?? 0)), 0)
  }

  #streamPaused({ streamId, cause }: Statement & { readonly kind: 'streamPaused' | 'streamResumed' }): void {
    if (cause !== 'paused' || this.#recording.streamPauses?.has(streamId) !== true) return
    this.#streamsPaused.set(streamId, (this.#streamsPaused.get(streamId) ?? 0) + 1)
  }

  #rotated({ seq, at, name, sha256, replacesSha256 }: Statement & { readonly kind: 'keyRotated' }): void {
    if (this.rotations.length < ROTATIONS_TOLD_MAX) this.rotations.push({ seq, at, name, sha256, replacesSha256 })
  }

  /** A record that was said must be there. */
  #decided({ seq, kind, recordSha256 }: CustodyStatement): void {
    const { custody } = this.#recording
    if (custody === undefined) return
    if (recordSha256 !== undefined) this.#said.add(recordSha256)
    const isThere = custody.some((record) =>
      recordSha256 === undefined ? record.kind === kind : record.sha256 === recordSha256,
    )
    // That it is gone is said beside the recording, by somebody trusted, and told with the decisions.
    const isDeclared = kind === 'holdAdded' && custody.some(({ lostSha256 }) => lostSha256 === (recordSha256 ?? ''))
    if (isThere || isDeclared) return
    const sentence = `The ledger says \`${kind}\`, and the custody record of it is not beside the recording.`
    this.#findings.add('custody-removed', sentence, `statement ${seq}`)
  }

  /** Custody records that this log, whose statements go from `firstAt` to `lastAt`, should know of, and does not. */
  unsaid(log: { readonly signerKeyId: string; readonly firstAt: string; readonly lastAt: string }): CustodyFact[] {
    const [firstUnixMs, lastUnixMs] = [Date.parse(log.firstAt), Date.parse(log.lastAt)]
    return (this.#recording.custody ?? []).filter(({ sha256, signerKeyId, at }) => {
      const sinceMs = lastUnixMs - Date.parse(at)
      const isOurs = signerKeyId === log.signerKeyId && firstUnixMs < Date.parse(at)
      return isOurs && sinceMs > CUSTODY_SAYING_MS && !this.#said.has(sha256)
    })
  }

  #opened({ seq, wrappedKeySha256, streamPauses }: Statement & { readonly kind: 'recordingOpened' }): void {
    // Of several the first counts: a recovered recording is said to be opened once more.
    if (this.openedSeq !== undefined) return
    this.openedSeq = seq
    this.#hasStreamPauses = streamPauses === true
    if (wrappedKeySha256 === this.#recording.wrappedKeySha256) return
    const sentence = 'The ledger says that the recording was opened with another sealed key.'
    this.#findings.add('key-not-in-log', sentence, `statement ${seq}`)
  }

  #closed(seq: number, manifestSha256: string): void {
    const isThis = manifestSha256 === this.#recording.manifestSha256
    const isSecond = this.closedSeq !== undefined
    this.closedSeq ??= seq
    if (isThis) return
    const [code, which] = isSecond
      ? (['closed-twice', 'a second'] as const)
      : (['manifest-not-in-log', 'another'] as const)
    this.#findings.add(
      code,
      `The ledger says that the recording was closed with ${which} manifest.`,
      `statement ${seq}`,
    )
  }
}
