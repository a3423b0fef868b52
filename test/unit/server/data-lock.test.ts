import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { acquireDataLock, LOCK_FILE, readDataLock, type LockHolder } from '../../../src/server/data-lock.ts'

describe('The lock of a data folder', () => {
  let root: string
  let dataDir: string

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'earwitness-lock-'))
    dataDir = join(root, 'data')
  })

  afterEach(() => rmSync(root, { recursive: true, force: true }))

  /** The lock as it would be, had this process taken it, but for `changes`. */
  async function leaveLock(changes: Partial<LockHolder>): Promise<void> {
    const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    const content = JSON.parse(readFileSync(lock.path, 'utf8'))
    writeFileSync(lock.path, JSON.stringify({ ...content, ...changes }))
  }

  it('makes the folder, names its holder, and is gone when it is released', async () => {
    const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    expect(readDataLock(dataDir)).toMatchObject({ pid: process.pid, purpose: 'serve' })
    lock.release()
    expect(readDataLock(dataDir)).toBeUndefined()
    expect(readdirSync(dataDir)).toEqual([])
  })

  it('is refused to everybody else while a daemon has it', async () => {
    const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    for (const purpose of ['serve', 'command'] as const) {
      await expect(acquireDataLock({ dataDir, purpose })).rejects.toMatchObject({ code: 'data-in-use' })
    }
    lock.release()
  })

  it('of a command is waited for', async () => {
    const lock = await acquireDataLock({ dataDir, purpose: 'command' })
    const waiting = acquireDataLock({ dataDir, purpose: 'serve' })
    lock.release()
    ;(await waiting).release()
  })

  it('of a command is not waited for for ever', async () => {
    const lock = await acquireDataLock({ dataDir, purpose: 'command' })
    await expect(acquireDataLock({ dataDir, purpose: 'serve', waitMs: 150 })).rejects.toMatchObject({
      code: 'data-in-use',
      message: expect.stringContaining('command'),
    })
    lock.release()
  })

  it.each<[string, Partial<LockHolder>]>([
    ['whose process is gone', { pid: 2 ** 22 - 1 }],
    ['whose process id is now that of another process', { startTicks: '1' }],
    ['from before the machine was started again', { bootId: 'another' }],
  ])('%s is taken over', async (_, changes) => {
    await leaveLock(changes)
    const lock = await acquireDataLock({ dataDir, purpose: 'serve' })
    expect(readDataLock(dataDir)?.pid).toBe(process.pid)
    lock.release()
    expect(readdirSync(dataDir)).toEqual([])
  })

  it('that is no lock at all is taken over', async () => {
    await leaveLock({})
    writeFileSync(join(dataDir, LOCK_FILE), 'half a lo')
    ;(await acquireDataLock({ dataDir, purpose: 'serve' })).release()
  })

  it('of a process that was killed and that nobody has waited for yet is taken over', async () => {
    // The shell replaces itself and so never collects its child: a zombie.
    const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 600'])
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (bytes) => resolve(Number(bytes))))
    const stateOf = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? ''
    while (!stateOf().startsWith('Z')) await new Promise((resolve) => setImmediate(resolve))
    await leaveLock({ pid, startTicks: stateOf().split(' ')[19] ?? '' })
    ;(await acquireDataLock({ dataDir, purpose: 'serve' })).release()
    parent.kill()
  })

  it('is given to exactly one of many who find a stale one at once', async () => {
    await leaveLock({ bootId: 'another' })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => acquireDataLock({ dataDir, purpose: 'serve' })),
    )
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    expect(winners).toHaveLength(1)
    winners[0]?.value.release()
    expect(existsSync(join(dataDir, LOCK_FILE))).toBe(false)
  })
})
