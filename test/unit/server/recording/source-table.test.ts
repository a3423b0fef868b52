import { describe, expect, it } from 'vitest'

import { SourceTable } from '../../../../src/server/recording/source-table.ts'

const source = (name: string, address: string) => ({
  name,
  address,
  tenant: `tenant-${name}`,
  forceSiprec: name === 'forced',
})
const nameOf = (table: SourceTable, address: string): string => table.lookup(address).name

describe('the profile of an SRC', () => {
  it('is found by its address', () => {
    const table = new SourceTable([source('one', '192.0.2.1'), source('forced', '192.0.2.2')])
    expect(table.lookup('192.0.2.1')).toMatchObject({ name: 'one', tenant: 'tenant-one', forceSiprec: false })
    expect(table.lookup('192.0.2.2')).toMatchObject({ name: 'forced', forceSiprec: true })
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
    const stranger = { name: 'other', tenant: 'default', forceSiprec: false }
    expect(new SourceTable([]).lookup('192.0.2.1')).toEqual(stranger)
    expect(new SourceTable([source('one', '192.0.2.1')]).lookup('no address')).toEqual(stranger)
  })
})
