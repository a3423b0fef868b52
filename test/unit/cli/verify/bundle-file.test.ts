import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openBundle, type BundleFile, type BundleLimits } from '../../../../src/cli/verify/bundle-file.ts'
import { EarwitnessError, ExitCode } from '../../../../src/errors.ts'
import { isMemberName } from '../../../../src/evidence/bundle/member-names.ts'
import { honestZip, rawZip, type RawMember } from '../../../support/zips.ts'

let folder: string
let count = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'earwitness-zips-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function open(zip: Uint8Array, limits?: BundleLimits): Promise<BundleFile> {
  count += 1
  const path = join(folder, `${count}.zip`)
  await writeFile(path, zip)
  return openBundle(path, limits)
}

/** What a person is told, and that it is "no bundle" that is told. */
async function refusal(zip: Uint8Array, limits?: BundleLimits): Promise<string> {
  const opened = await open(zip, limits).catch((error: unknown) => error)
  if (!(opened instanceof EarwitnessError)) throw new Error('the zip was taken')
  expect(opened).toMatchObject({ code: 'bundle-unreadable', exitCode: ExitCode.usage })
  return opened.hint
}

const text = (content: string): Uint8Array => Buffer.from(content)
const member = (name: string, more: Partial<RawMember> = {}): RawMember => ({ name, content: text('content'), ...more })

describe('what a recorder writes', () => {
  test('is read back whole, whatever the names and contents', async () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}(?:\/[a-z0-9][a-z0-9.-]{0,20})?$/)
    const members = fc.uniqueArray(fc.record({ name, content: fc.uint8Array({ maxLength: 2_000 }) }), {
      selector: (one) => one.name,
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(members, async (written) => {
        const bundle = await open(await honestZip(written))
        expect(bundle.names).toEqual(written.map((one) => one.name))
        for (const { name, content } of written) {
          expect(Buffer.from((await bundle.read(name)) ?? [1]).equals(Buffer.from(content))).toBe(true)
          expect(await bundle.digest(name)).toMatchObject({ sizeBytes: content.length })
        }
        bundle.close()
      }),
      { numRuns: 15 },
    )
  })

  test('may be zipped again by other tools: deflated, with entries for folders', async () => {
    const content = text('a text that deflates, a text that deflates')
    const bundle = await open(
      rawZip([
        { name: 'objects/', content: text('') },
        { name: 'objects/key.age', content, deflated: true },
      ]),
    )
    expect(bundle.names).toEqual(['objects/key.age'])
    expect(Buffer.from((await bundle.read('objects/key.age')) ?? []).equals(content)).toBe(true)
    bundle.close()
  })
})

describe('is refused', () => {
  test.each([
    '/etc/passwd',
    '../above',
    'objects/../../above',
    'C:/windows',
    'objects\\key.age',
    'objects/deep/key.age',
    '.hidden',
    'objects/.hidden',
    '-option',
    'objects//key.age',
    'two words',
    'tab\t',
    '',
    '..',
    'a'.repeat(300),
  ])('a member named %j', async (name) => {
    expect(isMemberName(name)).toBe(false)
    await refusal(rawZip([member(name)]))
  })

  test.each<readonly [string, Partial<RawMember>, string]>([
    ['a symbolic link', { mode: 0o120_777 }, 'symbolic link'],
    ['an encrypted member', { flags: 1, deflated: true }, 'encrypted'],
    ['a method other than stored and deflate', { method: 12 }, 'neither stored nor deflated'],
    ['a stored member that claims another size', { claimedBytes: 1_000 }, 'Reason'],
    ['a folder with a content', { name: 'objects/' }, 'folder'],
  ])('%s', async (_what, more, reason) => {
    expect(await refusal(rawZip([member('objects/key.age', more)]))).toContain(reason)
  })

  test('a bomb, by its directory alone', async () => {
    const bomb = member('objects/key.age', { content: Buffer.alloc(4 * 1024 * 1024), deflated: true })
    expect(await refusal(rawZip([bomb]))).toContain('200 times larger')
  })

  test('more members, or more bytes, than the bounds', async () => {
    const limits = { membersMax: 3, bytesMax: 30, memberBytesMax: 8 }
    const members = ['a', 'b', 'c', 'd'].map((name) => member(name))
    ;(await open(rawZip(members.slice(0, 3)), limits)).close()
    expect(await refusal(rawZip(members), limits)).toContain('more than 3 members')
    const large = member('large', { content: Buffer.alloc(31) })
    expect(await refusal(rawZip([large]), limits)).toContain('larger than 30 bytes')
  })

  test('what is no zip, or is cut anywhere', async () => {
    await refusal(text(''))
    await refusal(text('this is no zip, however long it goes on for the sake of the twenty-two bytes of the end'))
    const whole = rawZip([member('objects/key.age'), member('bundle.json')])
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (length) => {
        await refusal(whole.subarray(0, length))
      }),
      { numRuns: 40 },
    )
  })
})

describe('is read as nothing', () => {
  test('a member that would be too large to read whole; its digest is taken all the same', async () => {
    const limits = { membersMax: 3, bytesMax: 100, memberBytesMax: 8 }
    const bundle = await open(rawZip([member('large', { content: Buffer.alloc(9) })]), limits)
    expect(await bundle.read('large')).toBeUndefined()
    expect(await bundle.digest('large')).toMatchObject({ sizeBytes: 9 })
    bundle.close()
  })

  test('a member that is named otherwise where it lies', async () => {
    const bundle = await open(rawZip([member('objects/key.age', { localName: 'objects/kex.age' })]))
    expect(await bundle.read('objects/key.age')).toBeUndefined()
    expect(await bundle.digest('objects/key.age')).toBeUndefined()
    bundle.close()
  })

  test('a member that becomes larger or smaller than it claims', async () => {
    const content = text('abcdefgh'.repeat(100))
    for (const claimedBytes of [10, 2_000]) {
      const bundle = await open(rawZip([{ name: 'objects/key.age', content, deflated: true, claimedBytes }]))
      expect(await bundle.read('objects/key.age')).toBeUndefined()
      expect(await bundle.digest('objects/key.age')).toBeUndefined()
      bundle.close()
    }
  })

  test('a name that is not there', async () => {
    const bundle = await open(rawZip([member('bundle.json')]))
    expect(await bundle.read('objects/key.age')).toBeUndefined()
    bundle.close()
  })
})

test('of two members with one name both are told, and the first is read', async () => {
  const bundle = await open(rawZip([member('a', { content: text('one') }), member('a', { content: text('two') })]))
  expect(bundle.names).toEqual(['a', 'a'])
  expect(Buffer.from((await bundle.read('a')) ?? []).toString()).toBe('one')
  bundle.close()
})

test('whatever byte is changed, the answer is a refusal or a member, never a crash', async () => {
  const whole = rawZip([member('objects/key.age'), member('bundle.json', { deflated: true })])
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ mask
      try {
        const bundle = await open(changed)
        expect(bundle.names.every(isMemberName)).toBe(true)
        for (const name of bundle.names) await Promise.all([bundle.read(name), bundle.digest(name)])
        bundle.close()
      } catch (error) {
        expect(error).toMatchObject({ code: 'bundle-unreadable' })
      }
    }),
    { numRuns: 100 },
  )
})
