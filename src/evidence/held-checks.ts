import type { FindingList } from './findings.ts'
import { heldEntryOf, heldRange, type HeldEntry, type MaybeHeld } from './held-entry.ts'
import type { ManifestBody } from './manifest.ts'
import { heldKeyName, heldPeaksName } from './object-names.ts'

interface Placed extends MaybeHeld {
  readonly name: string
  readonly fromSample: number
  readonly toSample: number
}

/**
 * Checks that what was held until consent is one stretch of the timeline, of which everything is under the held key and nothing else is: else audio of before
 * consent could pass for audio of after it. FORMAT.md 5
 */
export function checkHeld(body: ManifestBody, findings: FindingList): void {
  const { held = [] } = body
  const recipients = new Set([body.recipient])
  let lastEnd = 0
  for (const [index, entry] of held.entries()) {
    checkEntry(entry, index, findings)
    const { recipient, wrappedKey, fromSample, toSample } = entry
    if (recipients.has(recipient)) {
      findings.add('held-wrong', 'What was held has no key pair of its own.', wrappedKey.name)
    }
    recipients.add(recipient)
    const range = heldRange(body.chunks, index)
    const isEmpty = fromSample === toSample && range.fromSample === range.toSample
    if (!isEmpty && (range.fromSample !== fromSample || range.toSample !== toSample)) {
      findings.add('held-wrong', 'The chunks that were held are not those of the time that was held.', wrappedKey.name)
    }
    if (fromSample < lastEnd || toSample < fromSample) {
      findings.add('held-wrong', 'The time that was held ends before it begins, or is held twice.', wrappedKey.name)
    }
    lastEnd = Math.max(lastEnd, toSample)
  }
  for (const object of [...body.chunks, ...(body.kept ?? []), ...(body.dtmf ?? [])]) checkNamed(body, object, findings)
  for (const chunk of body.chunks) checkPlace(held, chunk, chunk.toSample, findings)
  // A packet belongs to the time in which it begins: its end may lie behind the cut.
  for (const kept of body.kept ?? []) checkPlace(held, kept, kept.fromSample + 1, findings)
}

function checkEntry(
  { heldSeq, wrappedKey, peaks, outcome, decidedAt }: HeldEntry,
  index: number,
  findings: FindingList,
): void {
  if (heldSeq !== index || wrappedKey.name !== heldKeyName(index)) {
    findings.add('sequence-wrong', `Where held key ${index} belongs, there is another number or name.`, wrappedKey.name)
  }
  if (peaks !== undefined && peaks.name !== heldPeaksName(index)) {
    findings.add('sequence-wrong', `The peaks of held part ${index} have another name.`, peaks.name)
  }
  if ((outcome === 'pending') !== (decidedAt === undefined)) {
    findings.add('held-wrong', 'What was held is said to be decided without a time, or the reverse.', wrappedKey.name)
  }
}

function checkNamed(body: ManifestBody, object: MaybeHeld & { readonly name: string }, findings: FindingList): void {
  if (object.heldSeq !== undefined && heldEntryOf(body, object) === undefined) {
    findings.add('held-wrong', 'This object is under a held key that the manifest does not know.', object.name)
  }
}

/** No time of the recording's own key lies in what was held. That held chunks lie there has been checked before. */
function checkPlace(held: readonly HeldEntry[], object: Placed, toSample: number, findings: FindingList): void {
  if (object.heldSeq !== undefined) return
  const within = held.find((entry) => object.fromSample < entry.toSample && toSample > entry.fromSample)
  if (within === undefined) return
  findings.add('held-wrong', 'This object is of the time that was held, and not under the held key.', object.name)
}
