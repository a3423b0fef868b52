import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, onTestFinished, test } from 'vitest'

import { firstCovering, newestCosigned } from '../../../src/cli/ledger/kept-checkpoints.ts'
import { witnessesDueOf } from '../../../src/cli/ledger/ledger-copies.ts'
import { writeWitnessKey } from '../../../src/evidence/ledger/witness-key.ts'
import { storedCopy, type LogCopy } from '../../../src/server/ledger/log-copy.ts'
import { WitnessClient } from '../../../src/server/ledger/witness-client.ts'
import { loadOrCreateSigner, type SignerFiles } from '../../../src/server/storage/key-files.ts'

import { runCommandHere } from '../../support/daemon.ts'
import { ledgerRig, recordingId, storyOf, type LedgerRig } from '../server/ledger/ledger-rig.ts'
import { cosignedIn, LOG_ID, requestOf, WITNESS_NAME, witnessRig } from '../server/witness/witness-rig.ts'

const KEY = fileURLToPath(new URL('../../vectors/evidence/recording-1/signer.pub.pem', import.meta.url))

function verify(rig: LedgerRig, ...more: readonly string[]) {
  return verifyWith({}, rig, ...more)
}

function verifyWith(changes: NodeJS.ProcessEnv, rig: LedgerRig, ...more: readonly string[]) {
  const env = { EARWITNESS_DATA_DIR: rig.dataDir, ...changes }
  return runCommandHere(['ledger', 'verify', '--key', KEY, ...more], env)
}

test('statements that a running recorder has not stored yet are told, in words and as JSON', async () => {
  const rig = ledgerRig()
  await rig.run()
  const { ledger, uploads } = rig.start()
  for (const body of storyOf(1)) ledger.append(body)
  await expect.poll(() => rig.lines().length, { timeout: 30_000 }).toBe(7)
  await uploads.drain(30_000)
  const told = await verify(rig)
  expect(told).toMatchObject({ code: 0 })
  expect(told.stdout).toMatch(/The last 4 statements are not in the object store yet/)
  const { logs } = JSON.parse((await verify(rig, '--json')).stdout) as { logs: readonly object[] }
  expect(logs).toMatchObject([
    { copy: 'data folder', size: 7, notStored: 4 },
    { copy: 'object store', size: 3 },
  ])
  await ledger.close(30_000)
  await uploads.drain(30_000)
  expect((await verify(rig)).stdout).not.toContain('not in the object store')
})

test('a store that has nothing of a log is told too', async () => {
  const rig = ledgerRig()
  await rig.run(storyOf(1))
  rmSync(join(rig.dataDir, 'recordings', 'ledger'), { recursive: true })
  expect(JSON.parse((await verify(rig, '--json')).stdout)).toMatchObject({ logs: [{ size: 6, notStored: 6 }] })
})

test.each([
  ['both, though it comes last', [[2], [3, 'tsr'], [4, 'cosig'], [5, 'tsr', 'cosig']], 5],
  ['cosignatures rather than a time stamp', [[2], [3, 'tsr'], [4, 'cosig'], [5, 'cosig']], 4],
  ['a time stamp rather than nothing', [[2], [3, 'tsr'], [4, 'tsr']], 3],
  ['nothing, where there is nothing', [[2], [3]], 2],
  ['nothing of what does not cover it', [[1, 'tsr', 'cosig'], [2]], 2],
] as const)(
  'of the checkpoints that cover a statement the first with %s is in a bundle',
  async (_what, sizes, best) => {
    const read: string[] = []
    const copy: LogCopy = {
      ...{ logId: recordingId(1), entries: [] },
      checkpoints: sizes.map(([size, ...beside]: readonly [number, ...string[]]) => ({
        ...{ name: `checkpoint ${size}`, size },
        ...{ isStamped: beside.includes('tsr'), isCosigned: beside.includes('cosig') },
      })),
      read: async (name) => {
        read.push(name)
        return Buffer.from(name)
      },
    }
    expect(await firstCovering(copy, 1)).toEqual({ note: `checkpoint ${best}` })
    // Whatever lies beside the others is not looked at: there may be a year of them.
    expect(read).toEqual([`checkpoint ${best}`])
  },
)

test.each([
  [true, false, 'always'],
  [true, true, 'always'],
  [false, true, 'inTime'],
  [false, false, 'never'],
] as const)('witnesses that are named (%s), of the newest log of this node (%s), have to have signed %s', (...of) => {
  const [areNamed, isNewestOfNode, due] = of
  expect(witnessesDueOf({ areNamed, isNewestOfNode })).toBe(due)
})

describe('what a witness keeps', () => {
  async function kept() {
    const witness = await witnessRig()
    const rig = ledgerRig()
    const run = (number: number) =>
      rig.run(storyOf(number), { witnesses: [new WitnessClient(witness.url(), witness.key)] })
    await run(1)
    return { rig, run, logs: join(witness.folder, 'logs') }
  }

  test('is compared with all ledgers, those of other recorders passed over', async () => {
    const { rig, logs } = await kept()
    const quiet = await verify(rig, '--checkpoint', logs)
    expect(quiet).toMatchObject({ code: 0, stderr: '' })
    const strangers = await requestOf(['a'], { by: await otherSigner() })
    writeFileSync(join(logs, `${LOG_ID}.note`), strangers.note)
    const told = await verify(rig, '--checkpoint', logs)
    expect(told).toMatchObject({ code: 0 })
    expect(told.stderr).toContain('1 checkpoint is by other signers')
    // Whoever names it means it.
    expect(await verify(rig, '--checkpoint', join(logs, `${LOG_ID}.note`))).toMatchObject({ code: 3 })
  })

  test('names a ledger that was deleted everywhere, after which another one was begun', async () => {
    const { rig, run, logs } = await kept()
    const [gone = ''] = rig.logIds()
    rmSync(join(rig.dataDir, 'ledger'), { recursive: true })
    rmSync(join(rig.dataDir, 'recordings', 'ledger'), { recursive: true })
    await run(2)
    expect(rig.logIds()).not.toContain(gone)
    expect(await verify(rig)).toMatchObject({ code: 0 })
    const told = await verify(rig, '--checkpoint', logs)
    expect(told).toMatchObject({ code: 3 })
    expect(told.stdout).toContain(`Neither in the data folder nor in the object store:\nNOT VERIFIED: log ${gone}`)
    expect(told.stdout).toContain('[log-truncated]')
  })

  test('proves a fork by the pair of checkpoints', async () => {
    const { rig, logs } = await kept()
    for (const [end, last] of Object.entries({ seen: 'b', shown: 'c' })) {
      writeFileSync(join(logs, `${LOG_ID}.forked-1.${end}`), (await requestOf(['a', last])).note)
    }
    const told = await verify(rig, '--checkpoint', logs)
    expect(told).toMatchObject({ code: 3 })
    expect(told.stdout).toContain(
      `${LOG_ID}.forked-1.shown, a checkpoint that was kept: Two signed checkpoints of 2 statements differ: the log was told in two ways. [log-forked]`,
    )
  })

  test('is not what lies in a folder without a checkpoint', async () => {
    const { rig } = await kept()
    for (const wrong of [rig.dataDir, join(rig.dataDir, 'not-there')]) {
      const refused = await verify(rig, '--checkpoint', wrong)
      expect(refused.code).toBe(1)
      expect(refused.stderr).toContain('checkpoint-unreadable')
    }
  })
})

async function otherSigner(): Promise<SignerFiles> {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-signer-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return loadOrCreateSigner(folder)
}

describe('a witness that is trusted', () => {
  /** Two runs, ten minutes apart, under whose checkpoints a witness has signed. */
  async function witnessed() {
    const witness = await witnessRig()
    const rig = ledgerRig()
    const run = (number: number) =>
      rig.run(storyOf(number), { witnesses: [new WitnessClient(witness.url(), witness.key)] })
    await run(1)
    rig.clock.nowUnixMs += 600_000
    await run(2)
    const { at, names } = cosignedIn(rig)
    const forget = (some: readonly string[]): void => some.forEach((name) => rmSync(join(at, name)))
    return { rig, key: await writeWitnessKey(WITNESS_NAME, witness.signer.verifyKey), names, forget }
  }
  const none = `Witness ${WITNESS_NAME} has signed under none of 4 checkpoints.`

  test('is said to have seen all, some, or nothing of a log, and that is a finding when it was named', async () => {
    const { rig, key, names, forget } = await witnessed()
    const all = await verify(rig, '--witness', key)
    expect(all).toMatchObject({ code: 0 })
    expect(all.stdout).toMatch(/Witness \S+ has seen it grow to 12 statements, last at [^;]+\.$/m)
    forget(names.slice(-2))
    const some = await verify(rig, '--witness', key)
    expect(some).toMatchObject({ code: 0 })
    expect(some.stdout).toContain('6 statements behind that are not signed under')
    forget(names.slice(0, -2))
    const named = await verify(rig, '--witness', key)
    expect(named).toMatchObject({ code: 3 })
    expect(named.stdout).toContain(`${none} [witness-missing]`)
    expect(named.stdout.split(none)).toHaveLength(2)
    expect(await verify(rig)).toMatchObject({ code: 0 })
    rmSync(join(rig.dataDir, 'recordings', 'ledger'), { recursive: true })
    expect((await verify(rig, '--witness', key)).stdout).toContain('[witness-missing]')
  })

  test('by the configuration has to have signed under the log of this node, once it could', async () => {
    const { rig, key, names, forget } = await witnessed()
    const env = { EARWITNESS_LEDGER_WITNESSES_0_URL: 'http://127.0.0.1:9', EARWITNESS_LEDGER_WITNESSES_0_KEY: key }
    expect(await verifyWith(env, rig)).toMatchObject({ code: 0 })
    forget(names)
    expect(await verifyWith(env, rig)).toMatchObject({ code: 3 })
    const young = ledgerRig()
    await young.run(storyOf(1))
    const told = await verifyWith(env, young)
    expect(told).toMatchObject({ code: 0 })
    expect(told.stdout).toContain(`Witness ${WITNESS_NAME} has signed under none of 2 checkpoints.`)
  })

  test('is in a bundle by the first checkpoint that it has signed under', async () => {
    const { rig, names, forget } = await witnessed()
    forget(names.slice(0, 2))
    const stored = await storedCopy(rig.store, rig.logIds()[0] ?? '', rig.clock.nowUnixMs)
    expect(await firstCovering(stored, 4)).toMatchObject({
      note: expect.stringContaining('\n7\n') as string,
      cosignatures: expect.stringContaining(WITNESS_NAME) as string,
    })
    forget(names.slice(2))
    const bare = await storedCopy(rig.store, rig.logIds()[0] ?? '', rig.clock.nowUnixMs)
    expect(await firstCovering(bare, 4)).toEqual({ note: expect.stringContaining('\n6\n') as string })
  })

  test('is in a bundle by the newest checkpoint that it has signed under, too', async () => {
    const { rig, names, forget } = await witnessed()
    const stored = () => storedCopy(rig.store, rig.logIds()[0] ?? '', rig.clock.nowUnixMs)
    expect(await newestCosigned(await stored())).toMatchObject({ note: expect.stringContaining('\n12\n') as string })
    forget(names.slice(-1))
    expect(await newestCosigned(await stored())).toMatchObject({
      note: expect.stringContaining('\n7\n') as string,
      cosignatures: expect.stringContaining(WITNESS_NAME) as string,
    })
    forget(names.slice(0, -1))
    expect(await newestCosigned(await stored())).toBeUndefined()
  })

  test('that signs nothing more, though the log goes on, is a finding', async () => {
    const { rig, key, names, forget } = await witnessed()
    rig.clock.nowUnixMs += 600_000
    await rig.run(storyOf(3))
    const env = { EARWITNESS_LEDGER_WITNESSES_0_URL: 'http://127.0.0.1:9', EARWITNESS_LEDGER_WITNESSES_0_KEY: key }
    expect(await verifyWith(env, rig)).toMatchObject({ code: 0 })
    forget(names.slice(2))
    const stale = await verifyWith(env, rig)
    expect(stale).toMatchObject({ code: 3 })
    expect(stale.stdout).toContain(
      `Witness ${WITNESS_NAME} has signed under nothing behind statement 5, though the log went on for long. [witness-stale]`,
    )
    expect(await verify(rig)).toMatchObject({ code: 0 })
  })

  test('is not asked for of one recording that lies here', async () => {
    const { rig, key } = await witnessed()
    const env = { EARWITNESS_DATA_DIR: rig.dataDir }
    const refused = await runCommandHere(['verify', recordingId(1), '--witness', key], env)
    expect(refused).toMatchObject({ code: 2 })
    expect(refused.stderr).toContain('usage-witness-no-bundle')
  })
})
