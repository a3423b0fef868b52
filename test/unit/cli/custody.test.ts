import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { signStatement } from '../../../src/evidence/ledger/statement.ts'
import { readSigningKey, type SigningKey } from '../../../src/evidence/signer-keys.ts'
import { runCommandHere } from '../../support/daemon.ts'
import { HOLD_ID } from '../../support/tampering/custody.ts'
import { nodeWithRecording } from '../../support/tampering/recording.ts'
import { RECORDING_ID, vectorSigner } from '../../vectors/evidence/sample-recording.ts'

/** The commands as a person types them, on a node whose recorder does not run and that has no index. */

type Run = (...args: readonly string[]) => ReturnType<typeof runCommandHere>

async function node(): Promise<{ readonly run: Run; readonly folder: string; readonly dataDir: string }> {
  const { dataDir, folder } = await nodeWithRecording()
  return { dataDir, folder, run: (...args) => runCommandHere(args, { EARWITNESS_DATA_DIR: dataDir }) }
}

const WHY = ['--reason', 'case 4711', '--by', 'Ada Lovelace']

test('a recording is held, released, shredded, and told as such', async () => {
  const { run, folder, dataDir } = await node()
  const added = await run('hold', 'add', RECORDING_ID, ...WHY)
  expect(added).toMatchObject({ code: 0 })
  expect(added.stdout).toContain(`Recording ${RECORDING_ID} is held by 1 hold: `)
  expect(added.stdout).toContain('has no legal holds of its own')
  expect((await run('verify', RECORDING_ID)).stdout).toContain('It is HELD, by 1 legal hold')
  const refused = await run('shred', RECORDING_ID, ...WHY, '--yes')
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('recording-held')
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
  expect(await run('hold', 'release', RECORDING_ID, ...WHY)).toMatchObject({ code: 0 })
  const listed = await run('hold', 'list', RECORDING_ID, '--json')
  expect(JSON.parse(listed.stdout)).toMatchObject({
    holds: [],
    decisions: [{ kind: 'holdAdded' }, { kind: 'holdReleased' }],
  })
  const shredded = await run('shred', RECORDING_ID, ...WHY, '--yes')
  expect(shredded).toMatchObject({ code: 0 })
  expect(shredded.stdout).toContain('Destroyed in the store: key.age.')
  expect(shredded.stdout).toContain(`Recording ${RECORDING_ID} is shredded`)
  expect(existsSync(join(folder, 'key.age'))).toBe(false)
  const verified = await run('verify', RECORDING_ID)
  expect(verified).toMatchObject({ code: 0 })
  expect(verified.stdout).toMatch(/^SHREDDED: recording /)
  const exported = await run('export', RECORDING_ID, '-o', join(dataDir, 'x.ogg'))
  expect(exported.code).toBe(1)
  expect(exported.stderr).toMatch(/recording-shredded|key-file-missing/)
  const again = await run('shred', RECORDING_ID, ...WHY, '--yes', '--json')
  expect(JSON.parse(again.stdout)).toMatchObject({ state: 'already', destroyed: [], troubles: [] })
  expect(await run('hold', 'add', RECORDING_ID, ...WHY)).toMatchObject({ code: 1 })
  // Name and reason are in no object in clear.
  for (const name of readdirSync(folder).filter((each) => each.startsWith('custody'))) {
    const [, payload = ''] = readFileSync(join(folder, name), 'latin1').split('.')
    const clear = Buffer.from(payload, 'base64url').toString()
    expect(clear).toContain('"kind"')
    expect(clear).not.toMatch(/case 4711|Ada L/)
  }
  // What is left for the ledger is for its owner alone.
  const requests = readdirSync(join(dataDir, 'ledger', 'requests'))
  // One of them is the export that was tried.
  expect(requests).toHaveLength(5)
})

test('a hold whose record was taken away is known by what waits to be said, until its release is', async () => {
  const { run, folder } = await node()
  await run('hold', 'add', RECORDING_ID, ...WHY)
  const record = readFileSync(join(folder, 'custody-000.jws'))
  rmSync(join(folder, 'custody-000.jws'))
  const refused = await run('shred', RECORDING_ID, ...WHY, '--yes')
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('is known to the ledger')
  expect(refused.stderr).toContain('hold-lost')
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
  writeFileSync(join(folder, 'custody-000.jws'), record)
  await run('hold', 'release', RECORDING_ID, ...WHY)
  for (const name of ['custody-000.jws', 'custody-001.jws']) rmSync(join(folder, name))
  expect(await run('shred', RECORDING_ID, ...WHY, '--yes')).toMatchObject({ code: 0 })
})

test('a hold whose record was taken away is known by what was said', async () => {
  const { dataDir, folder } = await nodeWithRecording({ decided: 'held' })
  rmSync(join(folder, 'custody-000.jws'))
  const refused = await runCommandHere(['shred', RECORDING_ID, ...WHY, '--yes'], { EARWITNESS_DATA_DIR: dataDir })
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('hold-lost')
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
})

/** A held recording whose record was taken away. */
async function lostHold() {
  const { dataDir, folder } = await nodeWithRecording({ decided: 'held' })
  rmSync(join(folder, 'custody-000.jws'))
  const shred = (env: Readonly<Record<string, string>> = {}) =>
    runCommandHere(['shred', RECORDING_ID, ...WHY, '--yes'], { EARWITNESS_DATA_DIR: dataDir, ...env })
  return { dataDir, folder, shred }
}

test('a hold that is lost for good ends by a record that says so, and is told as what it is', async () => {
  const { dataDir, folder, shred } = await lostHold()
  const run: Run = (...args) => runCommandHere(args, { EARWITNESS_DATA_DIR: dataDir })
  const refused = await shred()
  expect(refused.stderr).toContain(`hold release ID --lost ${HOLD_ID}`)
  expect((await run('verify', RECORDING_ID)).stdout).toContain('custody-removed')
  const other = '019aaff1-0680-7abc-8def-0000000000bb'
  expect((await run('hold', 'release', RECORDING_ID, '--lost', other, ...WHY)).stderr).toContain('hold-not-found')
  const both = await run('hold', 'release', RECORDING_ID, '--lost', HOLD_ID, '--all', ...WHY)
  expect(both).toMatchObject({ code: 2 })
  expect(await run('hold', 'release', RECORDING_ID, '--lost', HOLD_ID, ...WHY)).toMatchObject({ code: 0 })
  expect((await run('hold', 'list', RECORDING_ID)).stdout).toContain(`holdReleased  ${HOLD_ID}  its record is lost`)
  const verified = await run('verify', RECORDING_ID)
  expect(verified).toMatchObject({ code: 0 })
  expect(verified.stdout).toMatch(/a legal hold was declared over .* is LOST/)
  expect((await run('hold', 'release', RECORDING_ID, '--lost', HOLD_ID, ...WHY)).stderr).toContain('hold-not-found')
  expect(await shred()).toMatchObject({ code: 0 })
  expect(existsSync(join(folder, 'key.age'))).toBe(false)
  expect(await run('verify', RECORDING_ID)).toMatchObject({ code: 0 })
})

test('a hold whose record is there is not released as lost', async () => {
  const { dataDir } = await nodeWithRecording({ decided: 'held' })
  const args = ['hold', 'release', RECORDING_ID, '--lost', HOLD_ID, ...WHY]
  const refused = await runCommandHere(args, { EARWITNESS_DATA_DIR: dataDir })
  expect(refused.stderr).toContain('hold-not-lost')
})

/** Files of one copy of the log with statements in them. */
function entriesOf(root: string): readonly string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /entries/.test(name)).map((name) => join(root, name))
}

test.each([
  ['data folder', 'ledger'],
  ['store', 'recordings/ledger'],
])('a hold that was cut out of the log in the %s is known by the other copy', async (_place, cut) => {
  const { dataDir, folder, shred } = await lostHold()
  const files = entriesOf(join(dataDir, cut))
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) writeFileSync(file, '')
  const refused = await shred()
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('hold-lost')
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
})

test('a hold counts whoever said it', async () => {
  const { dataDir, folder, shred } = await lostHold()
  const signer = join(dataDir, 'keys', 'signer.pem')
  rmSync(join(dataDir, 'keys', 'signer.pub.pem'))
  writeFileSync(signer, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  expect((await shred()).stderr).toContain('hold-lost')
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
})

test('a release counts when somebody trusted has signed it', async () => {
  const { dataDir, shred } = await lostHold()
  const [log = ''] = entriesOf(join(dataDir, 'ledger'))
  const place = { logId: dirname(log).slice(-36), seq: 99, at: '2026-11-29T10:00:00.000Z' }
  const said = { kind: 'holdReleased', recordingId: RECORDING_ID, holdId: HOLD_ID } as const
  const release = (signer: SigningKey) => signStatement(said, { ...place, clock: { status: 'unknown' } }, signer)
  const { privateKey } = generateKeyPairSync('ed25519')
  const stranger = await readSigningKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  if (!stranger.ok) throw new Error(stranger.reason)
  appendFileSync(log, `${await release(stranger.value)}\n`)
  expect((await shred()).stderr).toContain('hold-lost')
  appendFileSync(log, `${await release((await vectorSigner()).signingKey)}\n`)
  expect(await shred()).toMatchObject({ code: 0 })
})

test('an index that does not answer may know of a hold: nothing is destroyed', async () => {
  const { dataDir, folder } = await nodeWithRecording()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const refused = await runCommandHere(['shred', RECORDING_ID, ...WHY, '--yes'], {
    ...{ EARWITNESS_DATA_DIR: dataDir, EARWITNESS_DATABASE_URL: `postgres://nobody@127.0.0.1:${port}/none` },
  })
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('hold-index-silent')
  expect(readdirSync(folder).filter((name) => name.startsWith('custody'))).toEqual([])
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
})

test('a bundle of a shredded recording verifies where nothing else is', async () => {
  const { run, dataDir } = await node()
  await run('shred', RECORDING_ID, ...WHY, '--yes')
  const file = join(dataDir, 'shredded.zip')
  expect(await run('export', RECORDING_ID, '-o', file)).toMatchObject({ code: 0 })
  const verified = await run('verify', file, '--key', join(dataDir, 'keys', 'signer.pub.pem'))
  expect(verified.stdout).toMatch(/^SHREDDED: recording /)
  expect(verified.code).toBe(0)
})

test.each<[string, readonly string[], number, string]>([
  ['shred without a reason', ['shred', RECORDING_ID, '--yes'], 2, 'usage-no-reason'],
  ['shred without a yes', ['shred', RECORDING_ID, ...WHY], 2, 'usage-not-confirmed'],
  ['shred of an id that is none', ['shred', 'x', ...WHY, '--yes'], 1, 'recording-id-invalid'],
  ['shred of nothing', ['shred', '01990000-0000-7000-8000-000000000000', ...WHY, '--yes'], 1, 'recording-not-found'],
  ['hold without a verb', ['hold', RECORDING_ID], 2, 'usage-positionals'],
  ['hold release of what is not held', ['hold', 'release', RECORDING_ID, ...WHY], 1, 'hold-not-found'],
  ['a reason that is too long', ['hold', 'add', RECORDING_ID, '--reason', 'x'.repeat(2_001)], 2, 'usage-invalid-value'],
])('%s', async (_what, args, code, error) => {
  const { run, folder } = await node()
  const result = await run(...args)
  expect(result.code).toBe(code)
  expect(result.stderr).toContain(error)
  expect(existsSync(join(folder, 'key.age'))).toBe(true)
})
