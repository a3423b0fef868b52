import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { loadConfig } from '../../../../src/config/load.ts'
import { reportLedger } from '../../../../src/server/doctor/ledger-report.ts'
import { vectorText } from '../../../vectors/evidence/sample-recording.ts'
import { ledgerRig, storyOf } from '../ledger/ledger-rig.ts'

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
