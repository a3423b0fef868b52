import { LINES_MAX } from '../verdict-text.ts'
import type { Finding } from '../findings.ts'
import { unwitnessedText } from './ledger-findings.ts'
import type { ToldTestimony, WitnessesOfProof } from './recording-in-log.ts'
import type { StatementKind } from './statement.ts'
import type { KeyRotation } from '../key-checks.ts'
import type { LogVerdict } from './verify-log.ts'

/** What was found about one log, as lines of plain text for a reader who is not an engineer. */
export function describeLog(verdict: LogVerdict): readonly string[] {
  const { logId, size, coveredSize, coveredAt, timestamps, firstAt, lastAt, statementsLost, previousLogId } = verdict
  const count = verdict.findings.length + verdict.findingsDropped
  const lines = [
    verdict.verified
      ? `VERIFIED: log ${logId} is complete and unchanged, as far as its checkpoints go.`
      : `NOT VERIFIED: log ${logId} has ${plural(count, 'finding')}.`,
    ...verdict.findings.slice(0, LINES_MAX).map(describeFinding),
  ]
  if (count > LINES_MAX) lines.push(`  and ${plural(count - LINES_MAX, 'more finding')}.`)
  if (firstAt !== undefined && lastAt !== undefined)
    lines.push(`  ${plural(size, 'statement')}, from ${firstAt} to ${lastAt}.`)
  if (coveredAt !== undefined) {
    const behind = size - coveredSize
    const tail =
      behind > 0
        ? `; ${plural(behind, 'statement')} behind it ${behind === 1 ? 'is' : 'are'} signed, not covered yet`
        : ''
    lines.push(`  The newest checkpoint covers ${coveredSize} and was signed ${coveredAt}${tail}.`)
  }
  if (timestamps > 0)
    lines.push(`  Beside ${plural(timestamps, 'checkpoint')} lies a time stamp; \`openssl ts\` says whose.`)
  lines.push(...witnessLines(verdict))
  if (statementsLost > 0) lines.push(`  The node says that it could not keep ${plural(statementsLost, 'statement')}.`)
  if (previousLogId !== undefined) lines.push(`  It goes on from log ${previousLogId}.`)
  return lines
}

/** Who else has seen that the log only ever grew, and how far. */
function witnessLines({
  size: all,
  checkpoints,
  cosigned,
  witnessed,
  unwitnessed,
  findings,
}: LogVerdict): readonly string[] {
  const lines = witnessed.map(
    ({ witness, size, at }) =>
      `  Witness ${witness} has seen it grow to ${plural(size, 'statement')}, last at ${at}${behindText(all - size)}.`,
  )
  // What is a finding has been said.
  const isSaid = findings.some(({ code }) => code === 'witness-missing')
  if (!isSaid) lines.push(...unwitnessed.map((name) => `  ${unwitnessedText(name, checkpoints)}`))
  if (cosigned === 0 || witnessed.length + unwitnessed.length > 0) return lines
  return [
    `  Beside ${plural(cosigned, 'checkpoint')} lie cosignatures; give the key of a witness (--witness) to check them.`,
  ]
}

function behindText(count: number): string {
  return count > 0 ? `; ${plural(count, 'statement')} behind that ${count === 1 ? 'is' : 'are'} not signed under` : ''
}

/** What a log says of one recording, in one line. */
export function testimonyLine(
  testimony: Pick<ToldTestimony, 'logId' | 'openedSeq' | 'closedSeq' | 'coveredAt' | 'witnesses'>,
): string {
  const { logId, openedSeq, closedSeq, coveredAt, witnesses } = testimony
  const covered =
    coveredAt === undefined ? 'no checkpoint covers it yet' : `covered by a checkpoint that was signed ${coveredAt}`
  const place = `opened as statement ${openedSeq ?? '(none)'}, closed as statement ${closedSeq ?? '(none)'}`
  return `Ledger ${logId}: ${place}; ${covered}${witnesses === undefined ? '' : witnessWords(witnesses)}.`
}

function witnessWords({ witnessed, unwitnessed, size: all }: WitnessesOfProof): string {
  const signed = witnessed.map(({ witness, size, at }) => {
    const what = size === all ? 'it' : `its first ${plural(size, 'statement')}`
    return `; witness ${witness} signed under ${what} ${at}${behindText(all - size)}`
  })
  const others = unwitnessed.map((name) => `; witness ${name} has signed under nothing that covers this recording`)
  return [...signed, ...others].join('')
}

/** When the key of a recording was sealed to another vault, a line for each time, the first {@link LINES_MAX}. */
export function rotationLines(rotations: readonly KeyRotation[]): readonly string[] {
  const lines = rotations
    .slice(0, LINES_MAX)
    .map(({ seq, at, name }) => `  Its key was sealed anew at ${at}: ${name} (statement ${seq}).`)
  const more = rotations.length - lines.length
  return more > 0 ? [...lines, `  and ${plural(more, 'more time')}.`] : lines
}

/** What a statement about a recording means. */
export const STATEMENT_WORDS: Readonly<Record<StatementKind | 'unknown', string>> = {
  nodeStarted: 'the recorder was started',
  nodeStopped: 'the recorder was stopped',
  recordingOpened: 'the recording was opened',
  recordingClosed: 'the recording was closed, and its manifest signed',
  recordingPaused: 'the recording was paused',
  recordingResumed: 'the recording went on',
  streamPaused: 'a media stream was paused, or put on hold',
  streamResumed: 'a media stream went on',
  consent: 'something was said about consent',
  holdAdded: 'it was put on legal hold',
  holdReleased: 'a legal hold ended',
  access: 'somebody had access to it',
  shredBegun: 'the destruction of its key was ordered',
  shredded: 'its key was destroyed',
  keyRotated: 'its key was sealed anew',
  checkpointSeen: 'another log was seen',
  statementsLost: 'statements were lost',
  unknown: 'something that this software does not know',
}

function describeFinding({ code, name, sentence }: Finding): string {
  return `  ${name === undefined ? '' : `${name}: `}${sentence} [${code}]`
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
