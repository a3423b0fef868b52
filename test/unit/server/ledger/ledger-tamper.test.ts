import { readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { findLogs, logsOfNotes, verifyCopies } from '../../../../src/cli/ledger-copies.ts'
import { loadConfig } from '../../../../src/config/load.ts'
import { signCheckpoint } from '../../../../src/evidence/ledger/checkpoint.ts'
import { GrowingTree } from '../../../../src/evidence/ledger/growing-tree.ts'
import { describeLog } from '../../../../src/evidence/ledger/ledger-text.ts'
import { signStatement, type StatementBody, type StatementPlace } from '../../../../src/evidence/ledger/statement.ts'
import { ledgerRig, payloadOf, signer, storyOf, type LedgerRig } from './ledger-rig.ts'

/** Every kind of change to a log, by somebody without its key and by somebody with it: each is found, and named. */

interface Tampered {
  readonly rig: LedgerRig
  readonly logId: string
  /** Lines of the node's own copy. */
  readonly lines: string[]
  /** Objects of the log in the store, the oldest first. */
  readonly pieces: string[]
  readonly notes: string[]
}

async function nodeWithThreeRuns(): Promise<Tampered> {
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

function writeLocal({ rig }: Tampered, lines: readonly (string | undefined)[]): void {
  writeFileSync(join(rig.folderOf(), 'entries-000000000000.jwsl'), lines.map((line) => `${line}\n`).join(''))
}

function takeAwayStore({ rig }: Tampered): void {
  rmSync(join(rig.dataDir, 'recordings', 'ledger'), { recursive: true })
}

function takeAwayLocal({ rig }: Tampered): void {
  rmSync(rig.ledgerDir, { recursive: true })
}

/** The same statement with other words, signed by the node's own key. */
function resigned(line: string, change: Record<string, unknown>): Promise<string> {
  const body = { ...payloadOf(line), ...change }
  return signStatement(body as unknown as StatementBody, body as unknown as StatementPlace, signer.signingKey)
}

async function signedFor(lines: readonly string[], logId: string, at: string): Promise<string> {
  const tree = new GrowingTree()
  for (const line of lines) tree.append(line)
  return signCheckpoint({ logId, size: lines.length, root: tree.root(), at }, signer)
}

async function findingsOf({ rig }: Tampered, heldPaths: readonly string[] = [], keys = [signer.verifyKey]) {
  const { config } = loadConfig({ cwd: rig.dataDir, env: { EARWITNESS_DATA_DIR: rig.dataDir } })
  const held = logsOfNotes(heldPaths.map((path) => ({ name: path, note: readFileSync(path, 'utf8') })))
  const verdicts = []
  for (const log of await findLogs(config, rig.clock.nowUnixMs)) {
    verdicts.push(...(await verifyCopies(log, keys, held.get(log.logId) ?? [])))
  }
  for (const verdict of verdicts)
    expect(describeLog(verdict)[0]).toMatch(verdict.verified ? /^VERIFIED/ : /^NOT VERIFIED/)
  return [...new Set(verdicts.flatMap(({ findings }) => findings.map(({ code }) => code)))].toSorted()
}

const flip = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)

function change(path: string | undefined, edit: (text: string) => string): void {
  writeFileSync(path ?? '', edit(readFileSync(path ?? '', 'utf8')))
}

const LATE = '2026-11-29T10:00:00.000Z'

const TABLE: readonly (readonly [
  what: string,
  expected: readonly string[],
  tamper: (node: Tampered) => Promise<void> | void,
])[] = [
  ['nothing', [], () => {}],
  ['the store is gone', [], takeAwayStore],
  ['the node is gone', [], takeAwayLocal],
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
]

describe('a log that was tampered with', () => {
  it.each(TABLE)('%s', async (_what, expected, tamper) => {
    const node = await nodeWithThreeRuns()
    await tamper(node)
    const held = readdirSync(node.rig.dataDir).includes('held') ? [join(node.rig.dataDir, 'held')] : []
    const found = await findingsOf(node, held)
    if (expected.length === 0) expect(found).toEqual([])
    else for (const code of expected) expect(found).toContain(code)
  })

  it('is not believed by who does not trust its signer', async () => {
    const node = await nodeWithThreeRuns()
    expect(await findingsOf(node, [], [])).toEqual(['checkpoint-unknown-signer', 'statement-unknown-signer'])
  })

  it('everywhere and with its key, is told by a checkpoint that was kept elsewhere', async () => {
    const node = await nodeWithThreeRuns()
    const kept = join(node.rig.dataDir, 'kept')
    writeFileSync(kept, readFileSync(node.notes[1] ?? ''))
    takeAwayStore(node)
    const lines = node.lines.with(2, await resigned(node.lines[2] ?? '', { by: 'api' }))
    writeLocal(node, lines)
    writeFileSync(join(node.rig.folderOf(), 'checkpoint'), await signedFor(lines, node.logId, LATE))
    expect(await findingsOf(node)).toEqual([])
    expect(await findingsOf(node, [kept])).toEqual(['log-rewritten'])
  })
})
