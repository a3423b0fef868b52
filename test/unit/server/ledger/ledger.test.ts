import { createHmac, generateKeyPairSync } from 'node:crypto'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { hashCount } from '../../../../src/evidence/ledger/tree-layout.ts'
import { readSigningKey, readVerifyKey } from '../../../../src/evidence/signer-keys.ts'
import { EarwitnessError } from '../../../../src/errors.ts'
import type { CustodyRequest } from '../../../../src/server/ledger/custody-requests.ts'
import { storedCopy, storedLogs, linesOf } from '../../../../src/server/ledger/log-copy.ts'
import { QUEUE_STATEMENTS_MAX } from '../../../../src/server/ledger/statement-queue.ts'
import {
  leaveRequest,
  type AccessRequest,
  type KeyRotatedRequest,
  type StatementRequest,
} from '../../../../src/server/ledger/statement-requests.ts'
import { BEGUN_AT_UNIX_MS, ledgerRig, payloadOf, recordingId, storyOf } from './ledger-rig.ts'

async function storedLines(rig: ReturnType<typeof ledgerRig>, logId: string): Promise<string[]> {
  const lines: string[] = []
  for await (const line of linesOf(await storedCopy(rig.store, logId, rig.clock.nowUnixMs))) lines.push(line)
  return lines
}

function kinds(lines: readonly string[]): unknown[] {
  return lines.map((line) => payloadOf(line)['kind'])
}

async function otherSigner() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signingKey = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  const verifyKey = await readVerifyKey(publicKey.export({ format: 'pem', type: 'spki' }).toString())
  if (!signingKey.ok || !verifyKey.ok) throw new Error('no key')
  return { signingKey: signingKey.value, verifyKey: verifyKey.value }
}

describe('the ledger of a node', () => {
  it('keeps what it is told in order, on the disk and in the store, from run to run', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    await rig.run(storyOf(2))
    const [logId = ''] = rig.logIds()
    const lines = rig.lines()
    const story = ['recordingOpened', 'recordingPaused', 'recordingResumed', 'recordingClosed']
    expect(kinds(lines)).toEqual(['nodeStarted', ...story, 'nodeStopped', 'nodeStarted', ...story, 'nodeStopped'])
    expect(lines.map((line) => payloadOf(line)['seq'])).toEqual(lines.map((_line, seq) => seq))
    expect(await storedLogs(rig.store)).toEqual([logId])
    expect(await storedLines(rig, logId)).toEqual(lines)
    expect(readFileSync(join(rig.folderOf(), 'hashes.bin')).length).toBe(32 * hashCount(lines.length))
    expect(rig.failures).toEqual([])
  })

  it('says when it has on disk what it was told, which a store that does not answer puts off', async () => {
    const rig = ledgerRig()
    await rig.run()
    let answer = (): void => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const list = (prefix: string) => answered.then(() => rig.store.list(prefix))
    const { ledger } = rig.start({ store: { list } })
    await ledger.written()
    for (const body of storyOf(1)) ledger.append(body)
    const order: string[] = []
    const written = ledger.written().then(() => order.push('written', ...kinds(rig.lines()).slice(-1).map(String)))
    order.push('answered')
    answer()
    await written
    expect(order).toEqual(['answered', 'written', 'recordingClosed'])
    await ledger.close(30_000)
  })

  it('covers statements with a checkpoint after a while, without being stopped', async () => {
    const rig = ledgerRig()
    const { ledger } = rig.start({ checkpointMs: 20, nowUnixMs: Date.now })
    for (const body of storyOf(1)) ledger.append(body)
    await expect.poll(() => ledger.status.checkpointSize, { timeout: 30_000 }).toBe(5)
    expect(ledger.status).toMatchObject({ size: 5, problem: undefined, uncoveredSinceUnixMs: undefined })
    await ledger.close(30_000)
  })

  it('never says an earlier time, whatever the clock does', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    rig.clock.nowUnixMs = BEGUN_AT_UNIX_MS - 3_600_000
    await rig.run(storyOf(2))
    const said = rig.lines().map((line) => payloadOf(line))
    const times = said.map(({ at }) => String(at))
    expect(times).toEqual(times.toSorted())
    expect(said.at(-1)).toMatchObject({ clock: { status: 'unsynchronized' } })
  })

  it('writes hashes of who listened, for which the salt is needed', async () => {
    const rig = ledgerRig()
    const { ledger } = rig.start()
    await expect.poll(() => ledger.status.logId, { timeout: 30_000 }).toBeDefined()
    const byHash = ledger.saltedHash('byHash', '192.0.2.7')
    ledger.append({
      kind: 'access',
      recordingId: recordingId(1),
      action: 'listen',
      ...(byHash === undefined ? {} : { byHash }),
    })
    await ledger.close(30_000)
    const salt = readFileSync(join(rig.folderOf(), 'salt'))
    expect(byHash).toBe(createHmac('sha256', salt).update('earwitness-salted/1\nbyHash\n192.0.2.7').digest('hex'))
    expect(
      rig
        .lines()
        .map((line) => JSON.stringify(payloadOf(line)))
        .join(),
    ).not.toContain('192.0.2.7')
  })

  it('counts what finds no room, and says so in the log', async () => {
    const rig = ledgerRig()
    const { ledger } = rig.start()
    ledger.append({ kind: 'recordingPaused', recordingId: 'no id', by: 'src' })
    for (let count = 0; count < QUEUE_STATEMENTS_MAX + 3; count += 1) {
      ledger.append({ kind: 'recordingPaused', recordingId: recordingId(1), by: 'src' })
    }
    await ledger.close(120_000)
    const said = rig.lines().map((line) => payloadOf(line))
    expect(said).toHaveLength(QUEUE_STATEMENTS_MAX + 2)
    // nodeStopped found no room either.
    expect(said.at(-1)).toMatchObject({ kind: 'statementsLost', count: 5 })
    expect(rig.failures.filter((reason) => reason === 'queueFull')).toHaveLength(4)
    expect(rig.failures).toContain('invalid')
  }, 120_000)
})

describe('a node that was killed', () => {
  it('goes on behind the last whole statement', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    appendFileSync(join(rig.folderOf(), 'entries-000000000000.jwsl'), rig.lines()[1]?.slice(0, 100) ?? '')
    await rig.run()
    expect(kinds(rig.lines()).slice(-3)).toEqual(['nodeStopped', 'nodeStarted', 'nodeStopped'])
    expect(rig.logIds()).toHaveLength(1)
    expect(rig.logged.join()).toContain('cut off')
  })

  it('loses no statement that was whole, with or without its line break, covered or not', async () => {
    for (const cut of [0, 1]) {
      const rig = ledgerRig()
      await rig.run()
      const [file, checkpoint] = ['entries-000000000000.jwsl', 'checkpoint'].map((name) => join(rig.folderOf(), name))
      const before = readFileSync(checkpoint ?? '')
      await rig.run(storyOf(1), { store: { list: () => Promise.reject(new Error('away')) } })
      // As if the second run had ended before its checkpoint was signed.
      writeFileSync(checkpoint ?? '', before)
      truncateSync(file ?? '', readFileSync(file ?? '').length - cut)
      await rig.run()
      expect(kinds(rig.lines())).toEqual([
        ...['nodeStarted', 'nodeStopped', 'nodeStarted', 'recordingOpened', 'recordingPaused'],
        ...['recordingResumed', 'recordingClosed', 'nodeStopped', 'nodeStarted', 'nodeStopped'],
      ])
      expect(await storedLines(rig, rig.logIds()[0] ?? '')).toEqual(rig.lines())
    }
  })

  it('cuts off what a power cut left of blocks that were never written', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    appendFileSync(join(rig.folderOf(), 'entries-000000000000.jwsl'), `${'\0'.repeat(2_000)}\n${'\0'.repeat(100)}`)
    await rig.run()
    expect(kinds(rig.lines())).toHaveLength(8)
    expect(rig.logIds()).toHaveLength(1)
  })
})

describe('a ledger that does not agree with what was signed for it', () => {
  const damages: readonly (readonly [string, string, (folder: string) => void])[] = [
    ['a statement cut off', 'truncated', (folder) => editEntries(folder, (lines) => lines.slice(0, -1))],
    ['everything cut off', 'empty', (folder) => editEntries(folder, () => [])],
    [
      'two statements swapped',
      'rewritten',
      (folder) => editEntries(folder, ([a, b, c, ...rest]) => [a, c, b, ...rest]),
    ],
    [
      'a character changed',
      'rewritten',
      (folder) => editEntries(folder, (lines) => lines.map((line, seq) => (seq === 2 ? `${line}x` : line))),
    ],
    ['no checkpoint', 'checkpointMissing', (folder) => rmSync(join(folder, 'checkpoint'))],
    ['a checkpoint of nobody', 'checkpointUnreadable', (folder) => writeFileSync(join(folder, 'checkpoint'), 'x')],
    ['no entries', 'empty', (folder) => rmSync(join(folder, 'entries-000000000000.jwsl'))],
  ]

  function editEntries(
    folder: string,
    change: (lines: (string | undefined)[]) => readonly (string | undefined)[],
  ): void {
    const path = join(folder, 'entries-000000000000.jwsl')
    const lines = readFileSync(path, 'latin1').split('\n').slice(0, -1)
    writeFileSync(
      path,
      change(lines)
        .map((line) => `${line}\n`)
        .join(''),
    )
  }

  it.each(damages)('%s: it is left alone, and another one says so', async (_what, code, damage) => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    const [logId = ''] = rig.logIds()
    damage(rig.folderOf(logId))
    const before = readdirSync(rig.folderOf(logId)).map((name) =>
      readFileSync(join(rig.folderOf(logId), name), 'latin1'),
    )
    const ledger = await rig.run(storyOf(2))
    expect(ledger.status).toMatchObject({ isRefused: true, problem: code })
    expect(rig.failures).toEqual([code])
    expect(rig.logged).toEqual(['the ledger is refused'])
    expect(
      readdirSync(rig.folderOf(logId)).map((name) => readFileSync(join(rig.folderOf(logId), name), 'latin1')),
    ).toEqual(before)
    expect(rig.logIds()).toHaveLength(2)
    expect(payloadOf(rig.lines()[0] ?? '')).toMatchObject({ seq: 0, previous: { logId, cause: 'refused', code } })
    expect(kinds(rig.lines())).toHaveLength(6)
    // The next start has nothing against the new one.
    expect((await rig.run()).status).toMatchObject({ isRefused: false })
    expect(rig.logIds()).toHaveLength(2)
  })

  it('rolled back to an earlier day, with its checkpoint: the store remembers', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    const [logId = ''] = rig.logIds()
    const names = ['entries-000000000000.jwsl', 'checkpoint'].map((name) => join(rig.folderOf(), name))
    const backup = names.map((name) => readFileSync(name))
    await rig.run(storyOf(2))
    for (const [index, name] of names.entries()) writeFileSync(name, backup[index] ?? '')
    await rig.run(storyOf(3))
    expect(rig.failures).toEqual(['behindStore'])
    expect(payloadOf(rig.lines()[0] ?? '')).toMatchObject({
      previous: { logId, cause: 'refused', code: 'behindStore' },
    })
  })

  it('of another key: a new one goes on from it, without alarm', async () => {
    const rig = ledgerRig()
    await rig.run(storyOf(1))
    const [logId = ''] = rig.logIds()
    const ledger = await rig.run(storyOf(2), { signer: await otherSigner() })
    expect(ledger.status.isRefused).toBe(false)
    expect(payloadOf(rig.lines()[0] ?? '')).toMatchObject({ previous: { logId, cause: 'signerChanged' } })
  })
})

describe('requests of commands', () => {
  const request = (number: number): AccessRequest => ({
    requestId: recordingId(1_000 + number),
    ...{ recordingId: recordingId(number), action: 'export', by: 'root', at: '2026-11-29T08:59:00.000Z' },
  })

  it('are said at the next start, once, and nobody is named', async () => {
    const rig = ledgerRig()
    expect(await leaveRequest(rig.dataDir, request(1))).toBe(false)
    await rig.run()
    for (const number of [2, 1]) expect(await leaveRequest(rig.dataDir, request(number))).toBe(true)
    const ledger = await rig.run()
    await rig.run()
    const said = rig
      .lines()
      .map(payloadOf)
      .filter(({ kind }) => kind === 'access')
    const { requestId, recordingId: about, at } = request(1)
    expect(said[0]).toMatchObject({ requestId, recordingId: about, action: 'export', askedAt: at })
    expect(said[0]?.['byHash']).toBe(ledger.saltedHash('byHash', 'root'))
    expect(said).toHaveLength(2)
    expect(rig.lines().join('')).not.toContain('root')
    expect(readdirSync(join(rig.ledgerDir, 'requests'))).toEqual([])
  })

  it('that wait stay as they are when they are left again, and who is not known is not said', async () => {
    const rig = ledgerRig()
    await rig.run()
    const decided = (number: number, by: string): CustodyRequest => {
      const { requestId, recordingId: about, at } = request(number)
      const recordSha256 = String(number).repeat(64)
      return { requestId, recordingId: about, at, by, reason: '', kind: 'shredBegun', scope: 'key', recordSha256 }
    }
    for (const by of ['root', '']) await leaveRequest(rig.dataDir, decided(1, by))
    await leaveRequest(rig.dataDir, decided(2, ''))
    const ledger = await rig.run()
    const said = rig
      .lines()
      .map(payloadOf)
      .filter(({ kind }) => kind === 'shredBegun')
    expect(said).toHaveLength(2)
    expect(said.map(({ byHash }) => byHash)).toEqual([ledger.saltedHash('byHash', 'root'), undefined])
  })

  it('are said while it runs', async () => {
    const rig = ledgerRig()
    const { ledger } = rig.start()
    await expect.poll(() => ledger.status.logId, { timeout: 30_000 }).toBeDefined()
    await leaveRequest(rig.dataDir, request(1))
    await expect.poll(() => kinds(rig.lines()), { timeout: 30_000 }).toContain('access')
    await ledger.close(30_000)
  })

  it('that consent events were added are said, and told as new or not to whoever counts them', async () => {
    const rig = ledgerRig()
    await rig.run()
    const told: StatementRequest[] = []
    const observer = {
      written: () => {},
      failed: () => {},
      said: (requests: readonly StatementRequest[]) => void told.push(...requests),
    }
    const { recordingId: about, by, at } = request(1)
    const event = {
      ...{ recordingId: about, by, at },
      kind: 'consent',
      type: 'withdrawn',
      evidenceSha256: 'ab'.repeat(32),
    } as const
    await leaveRequest(rig.dataDir, { ...event, requestId: recordingId(1_000), number: 1 })
    await leaveRequest(rig.dataDir, { ...event, requestId: recordingId(1_001), number: 2, isNew: true })
    await rig.run([], { observer })
    expect(told).toMatchObject([
      { number: 1, isNew: false },
      { number: 2, isNew: true },
    ])
    const said = rig
      .lines()
      .map(payloadOf)
      .filter(({ kind }) => kind === 'consent')
    expect(said).toMatchObject([{ number: 1 }, { number: 2 }])
    expect(JSON.stringify(said)).not.toContain('isNew')
  })

  it('that a key was sealed anew are said as such', async () => {
    const rig = ledgerRig()
    await rig.run()
    const { requestId, recordingId: about, by, at } = request(1)
    const hashes = { sha256: 'ab'.repeat(32), replacesSha256: 'cd'.repeat(32) }
    const rotated: KeyRotatedRequest = {
      ...{ requestId, recordingId: about, by, at },
      ...{ kind: 'keyRotated', name: 'key-001.age', ...hashes },
    }
    await leaveRequest(rig.dataDir, rotated)
    await leaveRequest(rig.dataDir, { ...rotated, requestId: recordingId(2_000), name: 'chunk-000001.age' })
    await leaveRequest(rig.dataDir, { ...rotated, requestId: recordingId(2_001), sha256: 'AB'.repeat(32) })
    const ledger = await rig.run()
    const said = rig
      .lines()
      .map(payloadOf)
      .filter(({ kind }) => kind === 'keyRotated')
    const byHash = ledger.saltedHash('byHash', by)
    expect(said).toMatchObject([{ recordingId: about, name: 'key-001.age', ...hashes, requestId, askedAt: at, byHash }])
    expect(rig.failures).toEqual(['requestInvalid', 'requestInvalid'])
  })

  it('that are none are put aside, and counted', async () => {
    const rig = ledgerRig()
    await rig.run()
    const folder = join(rig.ledgerDir, 'requests')
    mkdirSync(folder)
    const bad = { ...request(1), action: 'shred' }
    writeFileSync(join(folder, `${bad.requestId}.json`), JSON.stringify(bad))
    writeFileSync(join(folder, `${request(2).requestId}.json`), 'x'.repeat(5_000))
    writeFileSync(join(folder, `${request(3).requestId}.json`), JSON.stringify(request(4)))
    await rig.run()
    expect(rig.failures).toEqual(['requestInvalid', 'requestInvalid', 'requestInvalid'])
    expect(kinds(rig.lines())).not.toContain('access')
    expect(readdirSync(folder).every((name) => name.endsWith('.refused'))).toBe(true)
  })
})

describe('a store in trouble', () => {
  it('that is away holds nothing up, and gets all of it later', async () => {
    const rig = ledgerRig()
    let isAway = true
    const list = async (prefix: string) => {
      if (isAway) throw new EarwitnessError('storage-missing', 'away', '')
      return rig.store.list(prefix)
    }
    await rig.run(storyOf(1), { store: { list } })
    expect(rig.failures).toContain('storage-missing')
    isAway = false
    await rig.run(storyOf(2), { store: { list } })
    expect(await storedLines(rig, rig.logIds()[0] ?? '')).toEqual(rig.lines())
    expect(rig.lines()).toHaveLength(12)
  })

  it('that is away for an hour, while the recorder is killed twice, loses no statement', async () => {
    const rig = ledgerRig()
    let isAway = true
    const list = async (prefix: string) => {
      if (isAway) throw new EarwitnessError('storage-missing', 'away', '')
      return rig.store.list(prefix)
    }
    const never = { put: () => new Promise<void>(() => {}) }
    for (const run of [1, 2]) {
      // Never closed, as a killed process closes nothing.
      const { ledger } = rig.start({ store: { list }, uploads: never })
      for (const body of storyOf(run)) ledger.append(body)
      await expect.poll(() => rig.lines().length, { timeout: 30_000 }).toBe(5 * run)
      rig.clock.nowUnixMs += 1_800_000
    }
    isAway = false
    await rig.run(storyOf(3), { store: { list } })
    expect(rig.lines()).toHaveLength(16)
    expect(await storedLines(rig, rig.logIds()[0] ?? '')).toEqual(rig.lines())
    expect(rig.failures).not.toContain('behindStore')
  })

  it('that has something else under a name ends the log, and another one begins', async () => {
    const rig = ledgerRig()
    await rig.store.check()
    const conflict = new EarwitnessError('storage-conflict', 'something else is there', '')
    let refuses = true
    const { ledger } = rig.start({
      uploads: { put: () => (refuses ? Promise.reject(conflict) : Promise.resolve()) },
      checkpointMs: 20,
      nowUnixMs: Date.now,
    })
    await expect.poll(() => ledger.status.logId, { timeout: 30_000 }).toBeDefined()
    refuses = false
    for (const body of storyOf(1)) ledger.append(body)
    await expect.poll(() => rig.logIds().length, { timeout: 30_000 }).toBe(2)
    await ledger.close(30_000)
    expect(ledger.status.problem).toBe('forked')
    expect(payloadOf(rig.lines()[0] ?? '')).toMatchObject({ previous: { cause: 'refused', code: 'forked' } })
  })
})

describe('a disk in trouble', () => {
  it('is tried again with the same signed statements', async () => {
    const rig = ledgerRig()
    await rig.run()
    // A folder where a file should be written.
    const path = join(rig.ledgerDir, rig.logIds()[0] ?? '', 'checkpoint.new')
    mkdirSync(path)
    const { ledger, uploads } = rig.start()
    for (const body of storyOf(1)) ledger.append(body)
    await expect.poll(() => rig.failures.length, { timeout: 30_000 }).toBeGreaterThan(0)
    expect(ledger.status.problem).toBe('EISDIR')
    rmSync(path, { recursive: true })
    await ledger.close(60_000)
    await uploads.drain(30_000)
    expect(kinds(rig.lines())).toHaveLength(8)
    expect(ledger.status.problem).toBeUndefined()
  })
})
