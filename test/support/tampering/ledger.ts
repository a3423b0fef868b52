import { readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { signCheckpoint } from '../../../src/evidence/ledger/checkpoint.ts'
import { GrowingTree } from '../../../src/evidence/ledger/growing-tree.ts'
import { signStatement, type StatementBody, type StatementPlace } from '../../../src/evidence/ledger/statement.ts'
import {
  ledgerRig,
  payloadOf,
  recordingId,
  signer,
  storyOf,
  type LedgerRig,
} from '../../unit/server/ledger/ledger-rig.ts'

/** Every kind of change to a log, by somebody without its key and by somebody with it: each is found, and named. */

export interface TamperedLog {
  readonly rig: LedgerRig
  readonly logId: string
  /** Lines of the node's own copy. */
  readonly lines: string[]
  /** Objects of the log in the store, the oldest first. */
  readonly pieces: string[]
  readonly notes: string[]
}

export async function nodeWithThreeRuns(): Promise<TamperedLog> {
  const rig = ledgerRig()
  for (const number of [1, 2, 3]) await rig.run(storyOf(number))
  const [logId = ''] = rig.logIds()
  const folder = join(rig.dataDir, 'recordings', 'ledger', logId, '2026', '11')
  const objects = readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name))
  return {
    ...{ rig, logId, lines: [...rig.lines()] },
    pieces: objects.filter((path) => path.endsWith('.jwsl')),
    notes: objects.filter((path) => path.endsWith('.note')),
  }
}

export function writeLocal({ rig }: TamperedLog, lines: readonly (string | undefined)[]): void {
  writeFileSync(join(rig.folderOf(), 'entries-000000000000.jwsl'), lines.map((line) => `${line}\n`).join(''))
}

export function takeAwayStore({ rig }: TamperedLog): void {
  rmSync(join(rig.dataDir, 'recordings', 'ledger'), { recursive: true })
}

function takeAwayLocal({ rig }: TamperedLog): void {
  rmSync(rig.ledgerDir, { recursive: true })
}

/** The same statement with other words, signed by the node's own key. */
export function resigned(line: string, change: Record<string, unknown>): Promise<string> {
  const body = { ...payloadOf(line), ...change }
  return signStatement(body as unknown as StatementBody, body as unknown as StatementPlace, signer.signingKey)
}

export async function signedFor(lines: readonly string[], logId: string, at: string): Promise<string> {
  const tree = new GrowingTree()
  for (const line of lines) tree.append(line)
  return signCheckpoint({ logId, size: lines.length, root: tree.root(), at }, signer)
}

const flip = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)

function change(path: string | undefined, edit: (text: string) => string): void {
  writeFileSync(path ?? '', edit(readFileSync(path ?? '', 'utf8')))
}

const LATE = '2026-11-29T10:00:00.000Z'

/** What must not be found to be wrong. */
export const LEDGER_HARMLESS: readonly (readonly [what: string, tamper: (node: TamperedLog) => void])[] = [
  ['nothing', () => {}],
  ['the store is gone', takeAwayStore],
  ['the node is gone', takeAwayLocal],
]

export const LEDGER_TAMPERINGS: readonly (readonly [
  what: string,
  expected: readonly string[],
  tamper: (node: TamperedLog) => Promise<void> | void,
])[] = [
  ['the last statement is cut off', ['log-truncated'], (node) => writeLocal(node, node.lines.slice(0, -1))],
  [
    'the last run is cut off in the store',
    ['log-truncated'],
    (node) => {
      takeAwayLocal(node)
      unlinkSync(node.pieces.at(-1) ?? '')
    },
  ],
  ['all entries are gone', ['log-empty', 'log-truncated'], (node) => writeLocal(node, [])],
  [
    'a statement is taken out',
    ['log-forked', 'statement-missing'],
    (node) => writeLocal(node, node.lines.toSpliced(5, 1)),
  ],
  [
    'a piece is taken out of the store',
    ['statement-missing'],
    (node) => {
      takeAwayLocal(node)
      unlinkSync(node.pieces[1] ?? '')
    },
  ],
  [
    'the first statement is taken out',
    ['log-forked', 'statement-missing'],
    (node) => writeLocal(node, node.lines.slice(1)),
  ],
  [
    'two statements are swapped',
    ['log-forked', 'statement-missing', 'statement-repeated'],
    (node) => writeLocal(node, [...node.lines.slice(0, 3), node.lines[4], node.lines[3], ...node.lines.slice(5)]),
  ],
  [
    'a statement is repeated',
    ['log-forked', 'statement-repeated'],
    (node) => writeLocal(node, node.lines.toSpliced(4, 0, node.lines[3] ?? '')),
  ],
  [
    'a bit of a signature is flipped',
    ['log-forked', 'statement-forged'],
    (node) => writeLocal(node, node.lines.with(4, flip(node.lines[4] ?? '', (node.lines[4] ?? '').length - 20))),
  ],
  [
    'a bit of a payload is flipped',
    ['log-forked', 'statement-unreadable'],
    (node) => writeLocal(node, node.lines.with(4, flip(node.lines[4] ?? '', 200))),
  ],
  [
    'a line of anything stands between',
    ['log-forked', 'statement-unreadable'],
    (node) => writeLocal(node, node.lines.with(4, 'anything')),
  ],
  [
    'a word is changed, by one who has the key',
    ['log-forked', 'log-rewritten'],
    async (node) => writeLocal(node, node.lines.with(2, await resigned(node.lines[2] ?? '', { by: 'api' }))),
  ],
  [
    'the same without the store',
    ['log-rewritten'],
    async (node) => {
      takeAwayStore(node)
      writeLocal(node, node.lines.with(2, await resigned(node.lines[2] ?? '', { by: 'api' })))
    },
  ],
  [
    'an instant is put back, by one who has the key',
    ['log-forked', 'log-rewritten', 'statement-back-dated'],
    async (node) =>
      writeLocal(node, node.lines.with(9, await resigned(node.lines[9] ?? '', { at: '2026-11-29T08:00:00.000Z' }))),
  ],
  [
    'a statement of another log is slipped in',
    ['log-forked', 'statement-foreign'],
    async (node) =>
      writeLocal(
        node,
        node.lines.with(9, await resigned(node.lines[9] ?? '', { logId: '019aaff1-0680-7abc-8def-0123456789aa' })),
      ),
  ],
  [
    'all is rewritten and signed for anew, on the node',
    ['log-forked'],
    async (node) => {
      const lines = node.lines.with(2, await resigned(node.lines[2] ?? '', { by: 'api' }))
      writeLocal(node, lines)
      writeFileSync(join(node.rig.folderOf(), 'checkpoint'), await signedFor(lines, node.logId, LATE))
    },
  ],
  [
    'two checkpoints of one size',
    ['log-forked'],
    async (node) => {
      takeAwayStore(node)
      writeFileSync(
        join(node.rig.dataDir, 'held'),
        await signedFor(node.lines.with(2, node.lines[3] ?? ''), node.logId, LATE),
      )
    },
  ],
  [
    'a checkpoint older than what it covers',
    ['checkpoint-back-dated'],
    async (node) =>
      writeFileSync(
        join(node.rig.folderOf(), 'checkpoint'),
        await signedFor(node.lines, node.logId, '2026-11-29T08:00:00.000Z'),
      ),
  ],
  [
    'an old checkpoint in the place of the newest',
    ['checkpoint-swapped'],
    (node) => change(node.notes.at(-1), () => readFileSync(node.notes[0] ?? '', 'utf8')),
  ],
  [
    'the newest checkpoints are taken away, and time has passed',
    ['checkpoint-stale'],
    async (node) => {
      node.rig.clock.nowUnixMs += 3_600_000
      await node.rig.run(storyOf(4))
      takeAwayLocal(node)
      const folder = join(node.notes[0] ?? '', '..')
      for (const name of readdirSync(folder).filter((name) => name.endsWith('.note')))
        if (!node.notes.slice(0, 3).includes(join(folder, name))) unlinkSync(join(folder, name))
    },
  ],
  [
    'the root in a checkpoint is changed',
    ['checkpoint-forged'],
    (node) => change(join(node.rig.folderOf(), 'checkpoint'), (text) => flip(text, text.indexOf('\n', 50) + 10)),
  ],
  [
    'a checkpoint is signed by nobody',
    ['checkpoint-unknown-signer'],
    (node) => change(node.notes[0], (text) => text.replace(/\u2014 .* /, `\u2014 example.com/other `)),
  ],
  ['a checkpoint is no checkpoint', ['checkpoint-unreadable'], (node) => change(node.notes[0], () => 'nothing')],
  [
    'a checkpoint is of another log',
    ['checkpoint-foreign'],
    async (node) =>
      change(
        node.notes[0],
        await signedFor(node.lines, '019aaff1-0680-7abc-8def-0123456789aa', LATE).then((text) => () => text),
      ),
  ],
  [
    'a time stamp is no time stamp',
    ['timestamp-wrong'],
    (node) => writeFileSync((node.notes[0] ?? '').replace('.note', '.tsr'), 'nothing'),
  ],
  [
    'all checkpoints are gone',
    ['checkpoint-missing'],
    (node) => {
      takeAwayStore(node)
      unlinkSync(join(node.rig.folderOf(), 'checkpoint'))
    },
  ],
  [
    'a piece is renamed to another place',
    ['statement-missing'],
    (node) => {
      takeAwayLocal(node)
      renameSync(
        node.pieces[0] ?? '',
        (node.pieces[0] ?? '')
          .replace('000000000000-', '900000000000-')
          .replace(/-0000\d+\.jwsl/, '-900000000009.jwsl'),
      )
    },
  ],
  [
    'a statement about consent is slipped in, by one who has the key',
    ['log-forked', 'statement-repeated'],
    async (node) => {
      const [, , at = ''] = node.lines
      const consent = { ...payloadOf(at), kind: 'consent', recordingId: recordingId(1), type: 'given', atSample: 0 }
      const forged = await signStatement(
        consent as unknown as StatementBody,
        consent as unknown as StatementPlace,
        signer.signingKey,
      )
      writeLocal(node, node.lines.toSpliced(3, 0, forged))
    },
  ],
  [
    'an access is turned into something else',
    ['log-forked', 'statement-unreadable'],
    (node) => writeLocal(node, node.lines.with(3, (node.lines[3] ?? '').replace('.', '.e30'))),
  ],
  [
    'all is rewritten with its key, and one checkpoint was kept elsewhere',
    ['log-rewritten'],
    async (node) => {
      const kept = readFileSync(node.notes[1] ?? '')
      takeAwayStore(node)
      const lines = node.lines.with(2, await resigned(node.lines[2] ?? '', { by: 'api' }))
      writeLocal(node, lines)
      writeFileSync(join(node.rig.folderOf(), 'checkpoint'), await signedFor(lines, node.logId, LATE))
      writeFileSync(join(node.rig.dataDir, 'held'), kept)
    },
  ],
]
