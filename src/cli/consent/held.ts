import { ExitCode } from '../../errors.ts'
import type { ConsentStateName } from '../../evidence/consent-event-shape.ts'
import { consentState } from '../../evidence/consent-state.ts'
import { decodeManifest } from '../../evidence/manifest.ts'
import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import { storedConsentEvents } from '../../evidence/stored-consent-events.ts'
import { isUuidV7, uuidV7UnixMs } from '../../ids.ts'
import { HeldKeys } from '../../server/recording/held-keys.ts'
import type { CommandContext } from '../command.ts'
import { formatInstant, formatTable, terminalColumns, writeJson, writeLines } from '../output.ts'
import { isAbsent } from '../recordings/manifest-facts.ts'
import { findRecording } from '../stored-recording.ts'

/** A recording of which audio is held until consent. */
interface Holding {
  readonly recordingId: string
  /** RFC 3339, as its id has it. */
  readonly startedAt: string
  /** `open` while nothing has closed it: it is under way, or the recorder will close it at its next start. `damaged`: its manifest is none. `absent`: the store does not have it. */
  readonly state: 'open' | 'complete' | 'interrupted' | 'damaged' | 'absent'
  readonly consentState: ConsentStateName
}

/**
 * `earwitness consent held`: recordings of which audio is held until consent on this machine, oldest first: those under way, and those about which nobody has decided, which
 * wait for `consent decide` (a recorder that dies leaves them so).
 */
export async function listHeld(context: CommandContext): Promise<ExitCode> {
  const { json, stdout, stderr } = context
  const keys = await new HeldKeys({ dataDir: context.config().dataDir }).undecided()
  const ids = keys.flatMap((key) => key.split('/').filter((part) => isUuidV7(part)))
  const recordings: Holding[] = []
  for (const id of [...new Set(ids)].toSorted()) recordings.push(await lookAt(context, id))
  if (json) writeJson(stdout, { recordings })
  else if (recordings.length === 0) writeLines(stderr, ['Nothing is held until consent on this machine.'])
  else {
    const columns = ['id', 'started', 'state', 'consent'].map((title) => ({ title }))
    const rows = recordings.map(({ recordingId, startedAt, state, consentState: consent }) => [
      ...[recordingId, formatInstant(new Date(startedAt)), state, consent],
    ])
    writeLines(stdout, formatTable(columns, rows, { columnsMax: terminalColumns(stdout) }))
  }
  return ExitCode.done
}

async function lookAt(context: CommandContext, recordingId: string): Promise<Holding> {
  const startedAt = new Date(uuidV7UnixMs(recordingId) ?? 0).toISOString()
  try {
    const objects = await findRecording(context.config(), recordingId)
    const jws = await objects.get(MANIFEST_NAME)
    const events = await storedConsentEvents(recordingId, (name) => objects.get(name))
    return { recordingId, startedAt, state: stateOf(jws), consentState: consentState(events.map(({ event }) => event)) }
  } catch (error) {
    if (!isAbsent(error)) throw error
    return { recordingId, startedAt, state: 'absent', consentState: 'unknown' }
  }
}

function stateOf(jws: Uint8Array | undefined): Holding['state'] {
  if (jws === undefined) return 'open'
  const manifest = decodeManifest(new TextDecoder().decode(jws))
  return manifest.ok ? manifest.value.body.state : 'damaged'
}
