import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { PACK_NOTICE } from '../../../src/config/schema-consent-packs.ts'
import { run } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'earwitness-consent-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('consent rule', () => {
  test('says the rule, why, and that it is no legal advice', async () => {
    const { stdout, exitCode } = await run(['consent', 'rule', '--from', '+18135550100', '--to', '+12125550100'], {
      cwd: folder,
    })
    expect(exitCode).toBe(0)
    expect(stdout).toContain(
      'all parties, notice, before recording\n  a party: +1 813 is Florida: Fla. Stat. 934.03(2)(d)\n',
    )
    expect(stdout).toContain(PACK_NOTICE)
  })

  test('as JSON, with everything that was looked at', async () => {
    const args = ['consent', 'rule', '--from', '+4930123456', '--to', '+12125550100', '--json']
    const { stdout } = await run(args, { cwd: folder })
    const told = JSON.parse(stdout) as { rule: object; jurisdictions: string[]; candidates: object[]; notice: string }
    expect(told.rule).toMatchObject({ require: 'agreement', parties: 'all', when: 'before' })
    expect(told.jurisdictions).toEqual(['de', 'gdpr', 'us', 'us-ny'])
    expect(told.candidates).toHaveLength(4)
    expect(told.notice).toBe(PACK_NOTICE)
  })

  test('knows the sources of the configuration', async () => {
    const file = join(folder, 'one.yaml')
    writeFileSync(
      file,
      "sources:\n  - name: sbc\n    address: 192.0.2.1\n    consent: {jurisdiction: us-ny, country: US, ownParties: '1???'}\n",
    )
    const args = ['consent', 'rule', '--from', '1001', '--to', '212 555 0100', '--config', file]
    expect((await run(args, { cwd: folder })).stdout).toContain('all parties, agreement')
    expect((await run([...args, '--source', 'sbc'], { cwd: folder })).stdout).toContain('one party, nothing further')
    expect((await run([...args, '--source', 'sbd'], { cwd: folder })).stderr).toContain('Did you mean sbc?')
  })

  test('held says that nothing is held where nothing is', async () => {
    const env = { EARWITNESS_DATA_DIR: folder }
    const nothing = await run(['consent', 'held'], { cwd: folder, env })
    expect(nothing).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'Nothing is held until consent on this machine.\n',
    })
    const id = '01990000-0000-7000-8000-000000000000'
    mkdirSync(join(folder, 'held'))
    writeFileSync(join(folder, 'held', `default~2025~08~31~${id}~held-key-000.age`), 'sealed')
    const { stdout, stderr } = await run(['consent', 'held', '--json'], { cwd: folder, env })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject({ recordings: [{ recordingId: id, state: 'absent' }] })
    const objects = join(folder, 'recordings/default/2025/08/31', id)
    mkdirSync(objects, { recursive: true })
    writeFileSync(join(objects, 'key.age'), 'sealed')
    expect((await run(['consent', 'held'], { cwd: folder, env })).stdout).toMatch(/ open +unknown/)
    writeFileSync(join(objects, 'manifest.jws'), 'not one')
    expect((await run(['consent', 'held'], { cwd: folder, env })).stdout).toMatch(/ damaged +unknown/)
  })

  test.each([
    [['consent', 'rules', '--from', '1'], 'consent-unknown'],
    [['consent', 'rule'], 'consent-no-party'],
    [['consent', 'rule', '--from', '1', '--jurisdiction', 'us-fk'], 'Did you mean us-fl?'],
  ])('%j is a mistake', async (args, expected) => {
    const { stderr, exitCode } = await run(args, { cwd: folder })
    expect(exitCode).toBe(2)
    expect(stderr).toContain(expected)
  })
})
