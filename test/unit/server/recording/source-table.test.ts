import { describe, expect, it } from 'vitest'

import {
  SOURCES_REMEMBERED_MAX,
  type SourceProfile,
  SourceTable,
} from '../../../../src/server/recording/source-table.ts'
import { hash } from '../../../support/digest-client.ts'

const source = (name: string, criteria: string | Partial<SourceProfile>): SourceProfile => ({
  name,
  tenant: `tenant-${name}`,
  forceSiprec: name === 'forced',
  ...(typeof criteria === 'string' ? { address: criteria } : criteria),
})

interface Peer {
  readonly address?: string
  readonly tlsNames?: readonly string[]
  readonly user?: string
}
const identity = ({ address = '192.0.2.1', tlsNames = [], user }: Peer) => ({ address, tlsNames, user })
const nameOf = (table: SourceTable, peer: string | Peer): string =>
  table.lookup(identity(typeof peer === 'string' ? { address: peer } : peer)).name

const user = (name: string, algorithms: readonly ('MD5' | 'SHA-256' | 'SHA-512-256')[] = ['MD5', 'SHA-256']) => ({
  name,
  ha1: new Map(algorithms.map((algorithm) => [algorithm, hash(algorithm, `${name}:earwitness:swordfish`)] as const)),
})

describe('the profile of an SRC', () => {
  it('is found by its address', () => {
    const table = new SourceTable([source('one', '192.0.2.1'), source('forced', '192.0.2.2')])
    expect(table.lookup(identity({}))).toMatchObject({ name: 'one', tenant: 'tenant-one', forceSiprec: false })
    expect(table.lookup(identity({ address: '192.0.2.2' }))).toMatchObject({ name: 'forced', forceSiprec: true })
  })

  it('is found by its network', () => {
    const table = new SourceTable([source('net', '198.51.100.0/25')])
    expect(['198.51.100.0', '198.51.100.127', '198.51.100.128', '198.51.101.1'].map((a) => nameOf(table, a))).toEqual([
      'net',
      'net',
      'other',
      'other',
    ])
  })

  it('is found by one of several addresses', () => {
    const table = new SourceTable([source('pair', { address: ['192.0.2.1', '198.51.100.0/24', '2001:db8::/32'] })])
    const found = ['192.0.2.1', '198.51.100.9', '2001:db8::9', '192.0.2.2'].map((address) => nameOf(table, address))
    expect(found).toEqual(['pair', 'pair', 'pair', 'other'])
  })

  it('is the first that matches, in the order of the configuration', () => {
    const table = new SourceTable([
      source('host', '192.0.2.7'),
      source('net', '192.0.2.0/24'),
      source('late', '192.0.2.8'),
    ])
    expect(nameOf(table, '192.0.2.7')).toBe('host')
    expect(nameOf(table, '192.0.2.8')).toBe('net')
  })

  it('may be of IPv6, however the address is written', () => {
    const table = new SourceTable([source('host', '2001:db8::1'), source('net', '2001:db8:1::/48')])
    expect(nameOf(table, '2001:db8:0:0:0:0:0:1')).toBe('host')
    expect(nameOf(table, '2001:db8:1:ffff::9')).toBe('net')
    expect(nameOf(table, '2001:db8:2::9')).toBe('other')
    expect(nameOf(table, 'fe80::1%eth0')).toBe('other')
  })

  it('of IPv4 is found behind a socket that serves both', () => {
    expect(nameOf(new SourceTable([source('one', '192.0.2.1')]), '::ffff:192.0.2.1')).toBe('one')
  })

  it('is that of a stranger when nothing matches', () => {
    const stranger = {
      name: 'other',
      tenant: 'default',
      forceSiprec: false,
      tellPause: false,
      dtmf: undefined,
      rtpSource: 'latch',
      dialect: 'auto',
      refusal: undefined,
    }
    expect(new SourceTable([]).lookup(identity({}))).toEqual(stranger)
    expect(new SourceTable([source('one', '192.0.2.1')]).lookup(identity({ address: 'no address' }))).toEqual(stranger)
  })

  it('carries its own policy for digits, or none of its own', () => {
    const dtmfOf = (dtmf?: 'inherit' | 'mask') =>
      new SourceTable([source('one', { address: '192.0.2.1', ...(dtmf === undefined ? {} : { dtmf }) })]).lookup(
        identity({}),
      ).dtmf
    expect([dtmfOf('mask'), dtmfOf('inherit'), dtmfOf()]).toEqual(['mask', undefined, undefined])
  })

  it('carries the hint of the operator about its dialect', () => {
    const table = new SourceTable([source('one', { address: '192.0.2.1', dialect: 'oracle' })])
    expect(table.lookup(identity({})).dialect).toBe('oracle')
  })

  it('is remembered for a bounded number of peers, and found again all the same', () => {
    const table = new SourceTable([source('one', '10.0.0.0/8')])
    const addresses = Array.from({ length: SOURCES_REMEMBERED_MAX + 50 }, (_, n) => `10.1.${n >> 8}.${n & 255}`)
    expect(new Set([...addresses, ...addresses].map((address) => nameOf(table, address)))).toEqual(new Set(['one']))
  })
})

describe('the certificate of an SRC', () => {
  const table = new SourceTable([
    source('exact', { tlsName: 'SBC-1.example.com' }),
    source('any', { tlsName: ['*.example.com', '2001:db8::5'] }),
    source('both', { tlsName: 'both.example.org', address: '198.51.100.0/24' }),
  ])
  const byName = (...tlsNames: string[]): string => nameOf(table, { tlsNames })

  it('is matched by its names, in any case', () => {
    expect(byName('sbc-1.example.com')).toBe('exact')
    expect(byName('unrelated.example.net', 'sbc-1.example.com')).toBe('exact')
  })

  it('is matched by one label in place of a star, and by no other number of them', () => {
    const names = [
      'sbc-2.example.com',
      '*.example.com',
      'a.b.example.com',
      'example.com',
      '.example.com',
      'xexample.com',
    ]
    expect(names.map((name) => byName(name))).toEqual(['any', 'any', 'other', 'other', 'other', 'other'])
  })

  it('is matched by an address, however it is written', () => {
    expect(byName('2001:db8:0:0:0:0:0:5')).toBe('any')
    expect(byName('2001:db8::6')).toBe('other')
  })

  it('does not match without one, and never by address where a name is asked for', () => {
    expect(byName()).toBe('other')
    expect(nameOf(table, { address: '2001:db8::5' })).toBe('other')
  })

  it('and the address must both fit where both are given', () => {
    const tlsNames = ['both.example.org']
    expect(nameOf(table, { tlsNames, address: '198.51.100.7' })).toBe('both')
    expect(nameOf(table, { tlsNames, address: '192.0.2.1' })).toBe('other')
    expect(nameOf(table, { address: '198.51.100.7' })).toBe('other')
  })
})

describe('the users of an SRC', () => {
  const strict = source('strict', { address: '192.0.2.0/24', users: [user('a')] })

  it('are asked for wherever the first profile that fits has some', () => {
    const table = new SourceTable([strict, source('wide', '0.0.0.0/0')])
    expect(table.accountsFor(identity({}))).toMatchObject({ source: 'strict' })
    expect(table.accountsFor(identity({ address: '198.51.100.1' }))).toBeUndefined()
    expect(new SourceTable([]).accountsFor(identity({}))).toBeUndefined()
  })

  it('are no way around: who proves nothing reaches no later profile, nor that of strangers', () => {
    for (const table of [new SourceTable([strict]), new SourceTable([strict, source('wide', '0.0.0.0/0')])]) {
      expect(table.lookup(identity({}))).toMatchObject({ name: 'strict', refusal: 'unauthenticated' })
      expect(table.lookup(identity({ user: 'b' }))).toMatchObject({ refusal: 'unauthenticated' })
      expect(table.lookup(identity({ user: 'a' }))).toMatchObject({ name: 'strict', refusal: undefined })
    }
  })

  it('are not asked where an earlier profile lets in by address', () => {
    const table = new SourceTable([source('lan', '192.0.2.0/28'), strict])
    expect(table.accountsFor(identity({}))).toBeUndefined()
    expect(nameOf(table, {})).toBe('lan')
    expect(table.accountsFor(identity({ address: '192.0.2.200' }))).toBeDefined()
  })

  it('tell apart profiles that fit the same peer', () => {
    const table = new SourceTable([source('a', { users: [user('a')] }), source('b', { users: [user('b')] })])
    expect(nameOf(table, { user: 'a' })).toBe('a')
    expect(nameOf(table, { user: 'b' })).toBe('b')
    const accounts = table.accountsFor(identity({}))!
    expect(accounts.ha1('b', 'MD5')).toBe(hash('MD5', 'b:earwitness:swordfish'))
    expect(accounts.ha1('__proto__', 'MD5')).toBeUndefined()
  })

  it('of two with one name, the first counts', () => {
    const other = { name: 'a', ha1: new Map([['MD5', 'f'.repeat(32)] as const]) }
    const table = new SourceTable([strict, source('late', { users: [other] })])
    expect(table.accountsFor(identity({}))!.ha1('a', 'MD5')).toBe(hash('MD5', 'a:earwitness:swordfish'))
    expect(nameOf(table, { user: 'a' })).toBe('strict')
  })

  it.each([
    ['what all of them can answer', [[user('a'), user('b', ['SHA-256'])]], ['SHA-256']],
    ['what all profiles can answer', [[user('a')], [user('b', ['MD5'])]], ['MD5']],
    [
      'all there is, when profiles have nothing in common',
      [[user('a', ['SHA-256'])], [user('b', ['MD5'])]],
      ['SHA-256', 'MD5'],
    ],
  ] as const)('are challenged with %s', (_, profiles, algorithms) => {
    const table = new SourceTable(profiles.map((users, index) => source(`s${index}`, { users })))
    expect(table.accountsFor(identity({}))?.algorithms).toEqual(algorithms)
  })

  it('are challenged with what the profile allows only', () => {
    const table = new SourceTable([source('a', { users: [user('a')], digestAlgorithms: ['MD5'] })])
    expect(table.accountsFor(identity({}))?.algorithms).toEqual(['MD5'])
  })
})

describe('who is not recorded', () => {
  it('is who has a profile that says so', () => {
    const table = new SourceTable([
      source('shut', { address: '192.0.2.0/28', policy: 'refuse' }),
      source('wide', '192.0.2.0/24'),
    ])
    expect(table.lookup(identity({}))).toMatchObject({ name: 'shut', refusal: 'policy' })
    expect(table.lookup(identity({ address: '192.0.2.99' }))).toMatchObject({ name: 'wide', refusal: undefined })
  })

  it('is whoever is not listed, where the list is an allow list', () => {
    const table = new SourceTable([source('one', '192.0.2.1')], { unknownSources: 'refuse' })
    expect(table.lookup(identity({})).refusal).toBeUndefined()
    expect(table.lookup(identity({ address: '192.0.2.2' }))).toMatchObject({ name: 'other', refusal: 'unknown' })
  })
})
