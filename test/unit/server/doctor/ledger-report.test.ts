import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { loadConfig } from '../../../../src/config/load.ts'
import { reportLedger } from '../../../../src/server/doctor/ledger-report.ts'
import { reportWitnesses } from '../../../../src/server/doctor/witness-report.ts'
import { writeWitnessKey } from '../../../../src/evidence/ledger/witness-key.ts'
import { WitnessClient } from '../../../../src/server/ledger/witness-client.ts'
import { vectorText } from '../../../vectors/evidence/sample-recording.ts'
import { ledgerRig, storyOf } from '../ledger/ledger-rig.ts'
import { WITNESS_NAME, witnessRig } from '../witness/witness-rig.ts'

test('the newest log is read, with the key of the recorder, and what is wrong with it is named', async () => {
  const rig = ledgerRig()
  const { config } = loadConfig({ cwd: rig.dataDir, env: { EARWITNESS_DATA_DIR: rig.dataDir } })
  const report = () => reportLedger(config, rig.clock.nowUnixMs)
  expect(await report()).toBeUndefined()
  await rig.run(storyOf(1))
  expect((await report())?.findings).toEqual(['statement-unknown-signer', 'checkpoint-unknown-signer'].toSorted())
  mkdirSync(join(rig.dataDir, 'keys'))
  writeFileSync(join(rig.dataDir, 'keys', 'signer.pem'), vectorText('recording-1/signer.pem'))
  expect(await report()).toMatchObject({ findings: [], size: 6, coveredSize: 6, silentMs: 60_000, requestsWaiting: 0 })
  const entries = join(rig.folderOf(), 'entries-000000000000.jwsl')
  writeFileSync(entries, readFileSync(entries, 'latin1').split('\n').slice(1).join('\n'))
  expect((await report())?.findings).toContain('statement-missing')
})

test('witnesses are asked as the recorder asks them, whatever became of its stored hashes', async () => {
  const witness = await witnessRig()
  const rig = ledgerRig()
  const asked = async () => {
    const env = {
      ...{ EARWITNESS_DATA_DIR: rig.dataDir, EARWITNESS_LEDGER_WITNESSES_0_URL: witness.url() },
      EARWITNESS_LEDGER_WITNESSES_0_KEY: await writeWitnessKey(WITNESS_NAME, witness.signer.verifyKey),
    }
    const [report] = await reportWitnesses(loadConfig({ cwd: rig.dataDir, env }).config)
    return report
  }
  const told = (size: number | undefined, fault?: string) => ({ name: WITNESS_NAME, size, fault })
  expect(await asked()).toEqual(told(undefined))
  await rig.run(storyOf(1), { witnesses: [new WitnessClient(witness.url(), witness.key)] })
  const old = join(witness.folder, 'old')
  cpSync(rig.dataDir, old, { recursive: true })
  await rig.run(storyOf(2))
  rmSync(join(rig.folderOf(), 'hashes.bin'))
  expect(await asked()).toEqual(told(12))
  rmSync(rig.dataDir, { recursive: true })
  cpSync(old, rig.dataDir, { recursive: true })
  expect(await asked()).toEqual(told(6, 'ahead'))
  await rig.run(storyOf(3))
  expect(await asked()).toEqual(told(12, 'forked'))
  const env = { EARWITNESS_LEDGER_WITNESSES_0_URL: witness.url(), EARWITNESS_LEDGER_WITNESSES_0_KEY: 'none' }
  const { config } = loadConfig({ cwd: rig.dataDir, env: { EARWITNESS_DATA_DIR: rig.dataDir, ...env } })
  expect(await reportWitnesses(config)).toMatchObject([{ name: 'ledger.witnesses[0]', fault: 'key-invalid' }])
  await witness.stop()
  await witness.start({ trusted: [witness.signer.verifyKey] })
  expect(await asked()).toEqual(told(12, 'refused'))
  await witness.stop()
  expect(await asked()).toEqual(told(12, 'away'))
})
