import { generateKeyPairSync } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openBundle } from '../../src/cli/verify/bundle-file.ts'
import type { BundleList } from '../../src/evidence/bundle/bundle-list.ts'
import { makeDataDir, removeDataDir, runCommandHere, startDaemon, type CommandResult } from '../support/daemon.ts'
import { manifestOf, objectFolder } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'
import { rawZip, type RawMember } from '../support/zips.ts'

/**
 * A recording is made and bundled, then the recorder is stopped and its data folder moved away: what the auditor has on the desk must do. Each
 * change to the bundle must be found and named.
 */
let desk: string
let recordingId: string
let members: readonly RawMember[]
let bundled: CommandResult
let opened: CommandResult
let strippedVerdict: CommandResult

beforeAll(async () => {
  desk = await mkdtemp(join(tmpdir(), 'earwitness-desk-'))
  const dataDir = await makeDataDir()
  const daemon = await startDaemon(dataDir, { EARWITNESS_RECORDING_CHUNK_SECONDS: '2' })
  recordingId = await simulatedRecording(daemon, '--duration', '5s')
  bundled = await daemon.command('export', recordingId, '--format', 'bundle', '-o', onDesk('sealed.zip'))
  opened = await daemon.command('export', recordingId, '-o', onDesk('opened.zip'), '--decrypted')
  await copyFile(join(dataDir, 'keys', 'signer.pub.pem'), onDesk('signer.pub.pem'))
  await copyFile(join(dataDir, 'keys', 'vault.agekey'), onDesk('vault.agekey'))
  const { chunks } = await manifestOf(daemon, recordingId)
  await rename(join(objectFolder(daemon, recordingId), chunks[1]?.name ?? ''), onDesk('taken.age'))
  strippedVerdict = await daemon.command('export', recordingId, '-o', onDesk('stripped.zip'))
  await daemon.stop()
  await removeDataDir(dataDir)
  members = await membersOf('sealed.zip')
})

afterAll(async () => {
  await rm(desk, { recursive: true, force: true })
})

function onDesk(name: string): string {
  return join(desk, name)
}

async function membersOf(file: string): Promise<readonly RawMember[]> {
  const bundle = await openBundle(onDesk(file))
  const read = await Promise.all(
    bundle.names.map(async (name) => ({ name, content: (await bundle.read(name)) ?? Buffer.alloc(0) })),
  )
  bundle.close()
  return read
}

/** As on a machine of its own: no configuration, no data folder, no database. */
function command(...args: readonly string[]): Promise<CommandResult> {
  return runCommandHere(args, { EARWITNESS_CONFIG: onDesk('nothing.yaml'), EARWITNESS_DATA_DIR: onDesk('nothing') })
}

async function verify(
  file: string,
  ...more: readonly string[]
): Promise<{ code: number; findings: readonly string[] }> {
  const { code, stdout, stderr } = await command(
    'verify',
    onDesk(file),
    '--key',
    onDesk('signer.pub.pem'),
    '--json',
    ...more,
  )
  if (stdout === '') return { code, findings: [stderr] }
  const { findings } = JSON.parse(stdout) as { findings: { code: string; name?: string }[] }
  return { code, findings: findings.map(({ code, name = '' }) => `${code} ${name}`.trim()) }
}

/** Verifies the bundle as `change` leaves it. */
async function changed(change: (members: readonly RawMember[]) => readonly RawMember[]): Promise<{
  code: number
  findings: readonly string[]
}> {
  await writeFile(onDesk('changed.zip'), rawZip(change(members)))
  return verify('changed.zip')
}

function edited(
  name: string,
  edit: (content: Buffer) => Uint8Array,
): (all: readonly RawMember[]) => readonly RawMember[] {
  return (all) =>
    all.map((member) => (member.name === name ? { name, content: edit(Buffer.from(member.content)) } : member))
}

function flipped(content: Buffer): Buffer {
  const middle = content.length >> 1
  content[middle] = (content[middle] ?? 0) ^ 1
  return content
}

function contentOf(name: string): Uint8Array {
  const member = members.find((member) => member.name === name)
  if (member === undefined) throw new Error(`no member ${name}`)
  return member.content
}

describe('an untouched bundle', () => {
  test('is written without any secret, and says what is in it', () => {
    expect(bundled).toMatchObject({ code: 0 })
    const list = JSON.parse(Buffer.from(contentOf('bundle.json')).toString()) as BundleList
    expect(list).toMatchObject({ format: 'earwitness-bundle/1', recordingId, opened: false })
    expect(list.members.map(({ name }) => name)).toEqual(
      members
        .map(({ name }) => name)
        .filter((name) => !name.startsWith('bundle.'))
        .toSorted(),
    )
    for (const name of [
      'report.html',
      'VERIFY.md',
      'objects/manifest.jws',
      'objects/key.age',
      'objects/metadata-000.age',
    ]) {
      expect(contentOf(name).length).toBeGreaterThan(0)
    }
  })

  test('says when its report names people', async () => {
    expect(bundled.stderr).not.toContain('names the participants')
    expect(opened.stderr).toContain('warning: report.html names the participants')
    expect(Buffer.from(contentOf('report.html')).toString()).not.toContain('This page names people')
  })

  test('verifies on a machine that knows nothing, sealed and opened, with and without the vault key', async () => {
    expect(await verify('sealed.zip')).toEqual({ code: 0, findings: [] })
    expect(await verify('opened.zip')).toEqual({ code: 0, findings: [] })
    expect(await verify('sealed.zip', '--identity', onDesk('vault.agekey'))).toEqual({ code: 0, findings: [] })
    const { stdout } = await command('verify', onDesk('sealed.zip'), '--key', onDesk('signer.pub.pem'))
    expect(stdout).toContain(`VERIFIED: recording ${recordingId} is complete and unchanged.`)
    expect(stdout).toContain('The bundle says that it was made at')
  })

  test('is not believed about its own signer: a key has to be given', async () => {
    const refused = await command('verify', onDesk('sealed.zip'))
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('usage-no-key')
  })

  test('has a report without scripts and addresses; names stand in it only where the metadata was opened', async () => {
    const sealed = Buffer.from(contentOf('report.html')).toString()
    const report = (await membersOf('opened.zip')).find(({ name }) => name === 'report.html')
    const opened = Buffer.from(report?.content ?? []).toString()
    for (const html of [sealed, opened]) {
      expect(html).not.toMatch(/<script|<link|<img|<iframe|\bsrc=|\bhref=|https?:|url\(/i)
      expect(html).toContain(`VERIFIED: recording ${recordingId}`)
    }
    const xml = (await membersOf('opened.zip')).find(({ name }) => name === 'opened/metadata-000.xml')
    const aors = Array.from(
      Buffer.from(xml?.content ?? [])
        .toString()
        .matchAll(/aor="([^"]+)"/g),
      (match) => match[1] ?? '',
    )
    expect(aors.length).toBeGreaterThanOrEqual(2)
    for (const aor of aors) {
      expect(opened).toContain(aor)
      expect(sealed).not.toContain(aor)
    }
  })
})

test('a recording that is not whole is bundled as it is: exit 3 when it is written and when it is verified', async () => {
  expect(strippedVerdict.code).toBe(3)
  expect(strippedVerdict.stderr).toContain('NOT VERIFIED')
  expect(await verify('stripped.zip')).toEqual({ code: 3, findings: ['chunk-missing chunk-000001.age'] })
  const report = (await membersOf('stripped.zip')).find(({ name }) => name === 'report.html')
  expect(Buffer.from(report?.content ?? []).toString()).toContain('NOT VERIFIED')
})

describe('a changed bundle is found, and what was changed is named', () => {
  const first = 'objects/chunk-000000.age'
  const second = 'objects/chunk-000001.age'

  test.each([
    [first, 'chunk-changed chunk-000000.age'],
    ['objects/key.age', 'key-changed key.age'],
    ['objects/metadata-000.age', 'snapshot-changed metadata-000.age'],
  ])('a flipped bit in %s', async (name, finding) => {
    expect(await changed(edited(name, flipped))).toEqual({ code: 3, findings: [`member-changed ${name}`, finding] })
  })

  test.each(['report.html', 'VERIFY.md'])('a flipped bit in %s', async (name) => {
    expect(await changed(edited(name, flipped))).toEqual({ code: 3, findings: [`member-changed ${name}`] })
  })

  test('a removed chunk', async () => {
    const result = await changed((all) => all.filter(({ name }) => name !== second))
    expect(result).toEqual({ code: 3, findings: [`member-missing ${second}`, 'chunk-missing chunk-000001.age'] })
  })

  test('an added chunk, an added file', async () => {
    const result = await changed((all) => [
      ...all,
      { name: 'objects/chunk-000099.age', content: contentOf(first) },
      { name: 'readme.txt', content: Buffer.from('read me') },
    ])
    expect(result).toEqual({
      code: 3,
      findings: ['member-added objects/chunk-000099.age', 'member-added readme.txt', 'chunk-added chunk-000099.age'],
    })
  })

  test('two members with one name', async () => {
    const result = await changed((all) => [...all, { name: first, content: contentOf(second) }])
    expect(result).toEqual({ code: 3, findings: [`member-repeated ${first}`] })
  })

  test('swapped chunks', async () => {
    const other = new Map([
      [first, second],
      [second, first],
    ])
    const { code, findings } = await changed((all) =>
      all.map(({ name, content }) => ({ name, content: contentOf(other.get(name) ?? name) ?? content })),
    )
    expect(code).toBe(3)
    expect(findings.slice(2)).toEqual(['chunk-swapped chunk-000000.age', 'chunk-swapped chunk-000001.age'])
  })

  test('a cut chunk', async () => {
    const { code, findings } = await changed(edited(first, (content) => content.subarray(0, 100)))
    expect(code).toBe(3)
    expect(findings).toContain('chunk-truncated chunk-000000.age')
  })

  test('an edited manifest, with the list made to fit', async () => {
    const { code, findings } = await changed(
      edited('objects/manifest.jws', (jws) => {
        const [header, payload = '', signature] = jws.toString().split('.')
        const body = Buffer.from(payload, 'base64url').toString().replace('"endCause":"bye"', '"endCause":"noAck"')
        return Buffer.from([header, Buffer.from(body).toString('base64url'), signature].join('.'))
      }),
    )
    expect(code).toBe(3)
    expect(findings).toEqual(['member-changed objects/manifest.jws', 'manifest-forged manifest.jws'])
  })

  test('no manifest; no list', async () => {
    const without = (gone: string) => (all: readonly RawMember[]) => all.filter(({ name }) => name !== gone)
    expect(await changed(without('bundle.jws'))).toEqual({ code: 3, findings: ['bundle-unsigned bundle.jws'] })
    expect(await verify('changed.zip', '--allow-unsigned')).toEqual({ code: 0, findings: [] })
    expect((await changed(without('objects/manifest.jws'))).findings).toContain('manifest-missing manifest.jws')
    expect(await changed(without('bundle.json'))).toEqual({ code: 3, findings: ['bundle-list-missing bundle.json'] })
  })

  test('the signature of somebody else', async () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    await writeFile(onDesk('foreign.pub.pem'), publicKey.export({ format: 'pem', type: 'spki' }))
    const { code, stdout } = await command('verify', onDesk('sealed.zip'), '--key', onDesk('foreign.pub.pem'), '--json')
    expect(code).toBe(3)
    expect(stdout).toContain('manifest-unknown-signer')
  })

  test('a member that is damaged inside the zip', async () => {
    const bytes = await readFile(onDesk('sealed.zip'))
    // The first local header: its name no longer is that of the directory.
    bytes[30] = (bytes[30] ?? 0) ^ 1
    await writeFile(onDesk('damaged.zip'), bytes)
    expect(await verify('damaged.zip')).toEqual({ code: 3, findings: ['member-unreadable report.html'] })
  })
})

test('a zip that is cut, and what is none, is no bundle: exit 2', async () => {
  const bytes = await readFile(onDesk('sealed.zip'))
  await writeFile(onDesk('cut.zip'), bytes.subarray(0, bytes.length >> 1))
  await writeFile(onDesk('other.zip'), rawZip([{ name: 'holiday.jpg', content: Buffer.from('') }]))
  for (const file of ['cut.zip', 'other.zip', 'signer.pub.pem', 'nowhere.zip']) {
    const { code, findings } = await verify(file)
    expect(code).toBe(2)
    expect(findings[0]).toContain('bundle-unreadable')
  }
})
