import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

import { openSealed } from '../../src/evidence/age-open.ts'
import { decodeConsentEvent, type ConsentEvent } from '../../src/evidence/consent-event.ts'
import { consentState } from '../../src/evidence/consent-state.ts'
import type { ManifestBody } from '../../src/evidence/manifest.ts'
import { isUuidV7 } from '../../src/ids.ts'
import type { OpenJournalEntry } from '../../src/server/recording/open-journal.ts'
import type { KeysSeen } from './consent-crash-keys.ts'
import { identityIn, vaultIdentity } from './crash.ts'
import { eventually, type RunningDaemon } from './daemon.ts'
import { manifestOf, objectFolder } from './recorded.ts'

/** What the parties of a call do. `half`: one of two says yes. `hungUp`: all have agreed, and the call ends by itself. */
export const BEHAVIOURS = ['silent', 'announced', 'half', 'agreed', 'hungUp', 'refused', 'withdrawn'] as const
export type Behaviour = (typeof BEHAVIOURS)[number]

/** A call that the recorder answered, and that has a journal. */
export interface Answered {
  readonly recordingId: string
  readonly rsId: string
  readonly behaviour: Behaviour
  /** The API answered a withdrawal with 200. */
  isWithdrawn: boolean
}

/** What a killed recorder left of one recording. */
interface Left {
  /** Of the journal; undefined when the recording was over. */
  readonly entries: readonly OpenJournalEntry[] | undefined
  /** Names of the objects in the store. */
  readonly stored: readonly string[]
}

/** What became of one recording, as anybody sees it who has the vault key. */
interface Found {
  readonly manifest: ManifestBody
  readonly events: readonly ConsentEvent[]
  readonly state: string
  readonly isShredded: boolean
  /** What `verify` says when something is wrong. */
  readonly verifyFault: string | undefined
  /** The index of the recorder. */
  readonly shownState: unknown
  /** Audio and keys pressed that can be opened with what is in the store, by the names of the objects. */
  readonly opens: ReadonlySet<string>
}

interface Looked {
  /** Recordings by consent state and what became of what they held. */
  readonly ended: Readonly<Record<string, number>>
  readonly faults: readonly string[]
}

/** On a slow machine the deadline passes before anybody has said anything. Nobody's silence is ever a yes. */
const POSSIBLE: Readonly<Record<Behaviour, readonly string[]>> = {
  silent: ['unknown', 'missing'],
  announced: ['unknown', 'missing'],
  half: ['unknown', 'missing'],
  agreed: ['unknown', 'missing', 'agreed'],
  hungUp: ['unknown', 'missing', 'agreed'],
  refused: ['unknown', 'missing', 'refused'],
  withdrawn: ['unknown', 'missing', 'agreed', 'withdrawn'],
}

/** Everything that a recorder that is gone has left of its recordings. */
export async function lookAtDisk(
  daemon: RunningDaemon,
  answered: readonly Answered[],
): Promise<ReadonlyMap<string, Left>> {
  const open = join(daemon.dataDir, 'open')
  const journals = (await readdir(open)).map((name) => name.replace('.jsonl', ''))
  const left = new Map<string, Left>()
  for (const recordingId of new Set([...answered.map((call) => call.recordingId), ...journals])) {
    const lines = await readFile(join(open, `${recordingId}.jsonl`), 'utf8').catch(() => undefined)
    const stored = await readdir(objectFolder(daemon, recordingId)).catch(() => [])
    left.set(recordingId, { entries: lines?.split('\n').flatMap(parsed), stored })
  }
  return left
}

/** The last line may be there in part. */
function parsed(line: string): OpenJournalEntry[] {
  try {
    return [JSON.parse(line) as OpenJournalEntry]
  } catch {
    return []
  }
}

/** Asks the next run of the recorder what it has made of what was left, and compares. */
export async function lookAtRecordings(
  daemon: RunningDaemon,
  left: ReadonlyMap<string, Left>,
  { answered, keys }: { readonly answered: readonly Answered[]; readonly keys: KeysSeen },
): Promise<Looked> {
  const faults: string[] = []
  const ended: Record<string, number> = {}
  const isDone = await eventually('the end of what is to be destroyed', async () =>
    (await shredWanted(daemon)).length === 0 ? true : undefined,
  ).catch(() => false)
  if (!isDone) faults.push('what was to be destroyed is not')
  const listed = await heldOn(daemon)
  for (const [recordingId, was] of left) {
    const found = await lookAtRecording(daemon, recordingId)
    const call = answered.find((each) => each.recordingId === recordingId)
    const held = found.manifest.held?.[0]?.outcome ?? 'nothing held'
    const name = `${found.state}/${found.isShredded ? 'shredded' : held}`
    ended[name] = (ended[name] ?? 0) + 1
    if (found.isShredded) keys.forget(recordingId, 'all')
    else if (held === 'destroyed') keys.forget(recordingId, 'held')
    const isListed = listed.has(recordingId)
    const wrong = [
      ...stateFaults(found, call),
      ...lossFaults(found, was),
      ...heldFaults(found, { isListed, call }),
      ...(await heldKeyFaults(daemon, found)),
    ]
    faults.push(...wrong.map((fault) => `${recordingId} (${call?.behaviour ?? 'not answered'}): ${fault}`))
  }
  return { ended, faults: [...faults, ...(await keys.foundAgain(daemon.dataDir))] }
}

async function lookAtRecording(daemon: RunningDaemon, recordingId: string): Promise<Found> {
  const manifest = await manifestOf(daemon, recordingId)
  const folder = objectFolder(daemon, recordingId)
  const events: ConsentEvent[] = []
  for (const { name } of manifest.consentEvents) {
    const decoded = decodeConsentEvent(await readFile(join(folder, name), 'latin1'))
    if (decoded.ok) events.push(decoded.value.event)
  }
  const shown = await eventually('the index knows that it is over', async () => {
    const { code, stdout } = await daemon.commandHere('recordings', 'show', recordingId, '--json')
    const recording = code === 0 ? (JSON.parse(stdout) as Record<string, unknown>) : { state: 'open' }
    return recording['state'] === 'open' ? undefined : recording
  })
  const verified = await daemon.commandHere('verify', recordingId, '--json')
  return {
    ...{ manifest, events, state: consentState(events), shownState: shown['consentState'] },
    isShredded: verified.stdout.includes('"shredded"'),
    verifyFault: verified.code === 0 ? undefined : `verify says ${verified.code}: ${verified.stdout}`,
    opens: await openedWithStoredKeys(daemon, manifest),
  }
}

function stateFaults(found: Found, call: Answered | undefined): readonly string[] {
  const { manifest, state, shownState, verifyFault } = found
  const faults = verifyFault === undefined ? [] : [verifyFault]
  if (manifest.state === 'complete' && call?.behaviour !== 'hungUp' && manifest.endCause !== 'noConsent')
    faults.push('it is complete, and nobody ended it')
  if (shownState !== state) faults.push(`the index says ${String(shownState)}, and its events ${state}`)
  if (call === undefined) return faults
  if (!POSSIBLE[call.behaviour].includes(state)) faults.push(`its state is ${state}`)
  if (call.isWithdrawn && state !== 'withdrawn') faults.push(`a withdrawal that was answered is lost: ${state}`)
  if (call.isWithdrawn && !found.isShredded) faults.push('a withdrawal was answered, and it is not destroyed')
  return faults
}

/** What was on the disk, or in the store, is in the manifest. */
function lossFaults({ manifest }: Found, { entries, stored }: Left): readonly string[] {
  const listed = new Map(manifest.consentEvents.map(({ name, sha256 }) => [name, sha256]))
  const journalled = (entries ?? []).flatMap((entry) => (entry.kind === 'consent' ? [entry.consent] : []))
  const lost = journalled.filter(({ name, sha256 }) => listed.get(name) !== sha256).map(({ name }) => name)
  const unlisted = stored.filter((name) => name.startsWith('consent-') && !listed.has(name))
  const decided = (entries ?? []).flatMap((entry) => (entry.kind === 'held' ? [entry.decision.outcome] : []))[0]
  const outcome = manifest.held?.[0]?.outcome
  return [
    ...[...lost, ...unlisted].map((name) => `${name} is not in the manifest`),
    ...(decided === undefined || decided === outcome ? [] : [`what it held was ${decided}, and is ${String(outcome)}`]),
  ]
}

function heldFaults(
  { manifest, events, state, isShredded, opens }: Found,
  { isListed, call }: { readonly isListed: boolean; readonly call: Answered | undefined },
): readonly string[] {
  const [held] = manifest.held ?? []
  if (held === undefined) return ['nothing of it was held']
  const faults: string[] = []
  const isAllowed = events.some((event) => event.type === 'decided' && event.state === 'agreed')
  if (held.outcome === 'kept' && !isAllowed) faults.push('what it held is kept, and nobody had agreed')
  // What is forbidden is done at once: the kill may have come before the event that says so.
  // Of a recording that had only just begun there may be no held key yet.
  const causes = ['missing', 'refused', 'withdrawn', ...(call === undefined ? ['lost'] : [])]
  if (held.outcome === 'destroyed' && !causes.includes(held.cause ?? ''))
    faults.push(`what it held is destroyed (${String(held.cause)}), and its state is ${state}`)
  // Also where the kill came between what was said and what was to be done about it.
  if (['refused', 'withdrawn'].includes(state) && !isShredded) faults.push('it is not destroyed as its policy wants')
  if (isShredded && !['refused', 'withdrawn'].includes(state)) faults.push(`it is destroyed, and its state is ${state}`)
  if (held.outcome === 'pending' && !isShredded && !isListed) faults.push('it is undecided, and not listed as such')
  if (call?.behaviour === 'half' && held.outcome === 'kept') faults.push('one of two agreed, and it is kept')
  for (const { name, heldSeq } of sealedOf(manifest)) {
    const isOpen = !isShredded && (heldSeq === undefined || held.outcome === 'kept')
    if (opens.has(name) !== isOpen) faults.push(`${name} ${isOpen ? 'cannot be opened' : 'can be opened'}`)
  }
  return faults
}

/** A person can still decide about what is undecided: its key is on this disk, and opens it. */
async function heldKeyFaults(daemon: RunningDaemon, { manifest, isShredded }: Found): Promise<readonly string[]> {
  const [held] = manifest.held ?? []
  if (held === undefined || isShredded) return []
  const folder = join(daemon.dataDir, 'held')
  const file = (await readdir(folder)).find((name) => name.includes(manifest.recordingId))
  if (held.outcome !== 'pending') return file === undefined ? [] : ['it is decided, and its held key is still there']
  if (file === undefined) return ['it is undecided, and its held key is gone']
  const key = await openSealed(await readFile(join(folder, file)), [await vaultIdentity(daemon)])
  if (!key.ok) return ['its held key does not open']
  const identity = new TextDecoder().decode(key.value)
  const closed: string[] = []
  for (const { name, heldSeq } of sealedOf(manifest)) {
    if (heldSeq === undefined) continue
    const opened = await openSealed(await readFile(join(objectFolder(daemon, manifest.recordingId), name)), [
      identityIn(identity),
    ])
    if (!opened.ok) closed.push(`${name} cannot be opened with the held key`)
  }
  return closed
}

async function openedWithStoredKeys(daemon: RunningDaemon, manifest: ManifestBody): Promise<ReadonlySet<string>> {
  const folder = objectFolder(daemon, manifest.recordingId)
  const vault = await vaultIdentity(daemon)
  const identities: string[] = []
  for (const name of await readdir(folder)) {
    if (!/^(?:held-)?key(?:-\d+)?\.age$/.test(name)) continue
    const key = await openSealed(await readFile(join(folder, name)), [vault])
    if (key.ok) identities.push(identityIn(new TextDecoder().decode(key.value)))
  }
  const opens = new Set<string>()
  for (const { name } of identities.length === 0 ? [] : sealedOf(manifest)) {
    if ((await openSealed(await readFile(join(folder, name)), identities)).ok) opens.add(name)
  }
  return opens
}

/** What was said and pressed, by name, with the held part that it belongs to. */
function sealedOf({ chunks, kept = [], dtmf = [] }: ManifestBody): readonly { name: string; heldSeq?: number }[] {
  return [...chunks, ...kept, ...dtmf]
}

async function heldOn(daemon: RunningDaemon): Promise<ReadonlySet<string>> {
  const { code, stdout, stderr } = await daemon.commandHere('consent', 'held', '--json')
  if (code !== 0) throw new Error(`consent held: ${stderr}`)
  const { recordings } = JSON.parse(stdout) as { readonly recordings: readonly { readonly recordingId: string }[] }
  return new Set(recordings.map(({ recordingId }) => recordingId))
}

/** Recordings that are still to be destroyed. */
async function shredWanted({ dataDir }: RunningDaemon): Promise<readonly string[]> {
  const names = await readdir(join(dataDir, 'shred-wanted'), { recursive: true })
  return names.filter((name) => isUuidV7(basename(name)))
}
