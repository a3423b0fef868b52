import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { openBundle } from '../../../src/cli/verify/bundle-file.ts'
import { runCommandHere } from '../../support/daemon.ts'
import { BUNDLE_TAMPERINGS } from '../../support/tampering/bundle.ts'
import { CONSENT_TAMPERINGS } from '../../support/tampering/consent.ts'
import { CUSTODY_TAMPERINGS } from '../../support/tampering/custody.ts'
import { LEDGER_TAMPERINGS, nodeWithThreeRuns } from '../../support/tampering/ledger.ts'
import { KEPT_KEY, nodeWithRecording, RECORDING_TAMPERINGS } from '../../support/tampering/recording.ts'
import { ROTATION_TAMPERINGS } from '../../support/tampering/rotation.ts'
import { rawZip, type RawMember } from '../../support/zips.ts'
import { RECORDING_ID, vectorText } from '../../vectors/evidence/sample-recording.ts'

/** Every kind of change to what is kept, found by the command that a person would run, named, with exit code 3. README.md lists them. */

const README = join(import.meta.dirname, '..', '..', '..', 'README.md')
const KINDS_MIN = 40

interface Found {
  readonly code: number
  readonly findings: readonly string[]
}

async function asked(dataDir: string, ...args: readonly string[]): Promise<Found> {
  const { code, stdout, stderr } = await runCommandHere([...args, '--json'], { EARWITNESS_DATA_DIR: dataDir })
  if (stdout === '') throw new Error(stderr)
  const verdict = JSON.parse(stdout) as { findings?: { code: string }[]; logs?: { findings: { code: string }[] }[] }
  const findings = [verdict, ...(verdict.logs ?? [])].flatMap(({ findings: some = [] }) => some)
  return { code, findings: findings.map((finding) => finding.code) }
}

function expectNamed(found: Found, expected: readonly string[]): void {
  expect(found.code).toBe(3)
  expect(found.findings).toEqual(expect.arrayContaining([...expected]))
}

describe('a recording', () => {
  test('that nobody touched', async () => {
    const { dataDir } = await nodeWithRecording()
    expect(await asked(dataDir, 'verify', RECORDING_ID)).toEqual({ code: 0, findings: [] })
  })

  test.each(RECORDING_TAMPERINGS)('%s', async (_what, expected, tamper) => {
    const node = await nodeWithRecording()
    await tamper(node)
    expectNamed(await asked(node.dataDir, 'verify', RECORDING_ID), expected)
  })
})

describe('the consent to a recording', () => {
  test.each(CONSENT_TAMPERINGS)('%s', async (_what, expected, tamper) => {
    const node = await nodeWithRecording()
    await tamper(node)
    expectNamed(await asked(node.dataDir, 'verify', RECORDING_ID), expected)
  })
})

describe('a recording whose key was sealed to another vault', () => {
  test('that nobody touched', async () => {
    const { dataDir, folder } = await nodeWithRecording({ isRotated: true })
    expect(await asked(dataDir, 'verify', RECORDING_ID)).toEqual({ code: 0, findings: [] })
    const { stdout } = await runCommandHere(['verify', RECORDING_ID], { EARWITNESS_DATA_DIR: dataDir })
    expect(stdout).toMatch(/Its key was sealed anew at \S+: key-001\.age \(statement \d+\)\./)
    // A store that keeps the key before, as Object Lock does, takes nothing from the proof.
    copyFileSync(join(dataDir, KEPT_KEY), join(folder, 'key.age'))
    expect(await asked(dataDir, 'verify', RECORDING_ID)).toEqual({ code: 0, findings: [] })
  })

  test.each(ROTATION_TAMPERINGS)('%s', async (_what, expected, tamper) => {
    const node = await nodeWithRecording({ isRotated: true })
    await tamper(node)
    expectNamed(await asked(node.dataDir, 'verify', RECORDING_ID), expected)
  })
})

describe('what was decided about a recording', () => {
  test.each(['held', 'shredded'] as const)('that nobody touched: %s', async (decided) => {
    const { dataDir } = await nodeWithRecording({ decided })
    expect(await asked(dataDir, 'verify', RECORDING_ID)).toEqual({ code: 0, findings: [] })
  })

  test.each(CUSTODY_TAMPERINGS)('%s', async (_what, expected, decided, tamper) => {
    const node = await nodeWithRecording({ decided })
    await tamper(node)
    expectNamed(await asked(node.dataDir, 'verify', RECORDING_ID), expected)
  })
})

describe('a ledger', () => {
  test.each(LEDGER_TAMPERINGS)('%s', async (_what, expected, tamper) => {
    const node = await nodeWithThreeRuns()
    await tamper(node)
    const { dataDir } = node.rig
    const key = join(dataDir, 'trusted.pub.pem')
    writeFileSync(key, vectorText('recording-1/signer.pub.pem'))
    const held = join(dataDir, 'held')
    const kept = existsSync(held) ? ['--checkpoint', held] : []
    expectNamed(await asked(dataDir, 'ledger', 'verify', '--key', key, ...kept), expected)
  })
})

describe('a bundle', () => {
  let whole: Uint8Array | undefined
  let members: readonly RawMember[] = []

  /** Made once: the node is the same for each. */
  async function bundled(): Promise<string> {
    const { dataDir } = await nodeWithRecording()
    const file = join(dataDir, 'whole.zip')
    if (whole !== undefined) {
      writeFileSync(file, whole)
      return dataDir
    }
    const env = { EARWITNESS_DATA_DIR: dataDir }
    expect(await runCommandHere(['export', RECORDING_ID, '-o', file], env)).toMatchObject({ code: 0 })
    whole = readFileSync(file)
    const bundle = await openBundle(file)
    const read = bundle.names.map(async (name) => ({ name, content: (await bundle.read(name)) ?? Buffer.alloc(0) }))
    members = await Promise.all(read)
    bundle.close()
    return dataDir
  }

  const verify = (dataDir: string, file: string): Promise<Found> =>
    asked(dataDir, 'verify', join(dataDir, file), '--key', join(dataDir, 'keys', 'signer.pub.pem'))

  test('that nobody touched', async () => {
    const dataDir = await bundled()
    expect(await verify(dataDir, 'whole.zip')).toEqual({ code: 0, findings: [] })
  })

  test.each(BUNDLE_TAMPERINGS)('%s', async (_what, expected, tamper) => {
    const dataDir = await bundled()
    writeFileSync(join(dataDir, 'changed.zip'), rawZip(await tamper(members)))
    expectNamed(await verify(dataDir, 'changed.zip'), expected)
  })
})

test('these are the kinds that README.md lists', () => {
  const areas = [
    ['recording', RECORDING_TAMPERINGS],
    ['consent', CONSENT_TAMPERINGS],
    ['rotated key', ROTATION_TAMPERINGS],
    ['decisions', CUSTODY_TAMPERINGS],
    ['ledger', LEDGER_TAMPERINGS],
    ['bundle', BUNDLE_TAMPERINGS],
  ] as const
  const kinds = areas.flatMap(([, tamperings]) => tamperings.map(([what]) => what))
  expect(kinds.length).toBeGreaterThanOrEqual(KINDS_MIN)
  const rows = areas.map(([area, tamperings]) => {
    const cells = tamperings.map(([what, expected]) => `${what}: ${expected.map((code) => `\`${code}\``).join(', ')}`)
    return `| ${area} | ${tamperings.length} | ${cells.join(' · ')} |`
  })
  const table = ['| what | kinds | what is done to it, and the findings |', '|---|---|---|', ...rows].join('\n')
  expect(readFileSync(README, 'utf8')).toContain(`${table}\n`)
})
