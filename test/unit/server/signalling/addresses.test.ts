import { describe, expect, test } from 'vitest'
import { HostResolver } from '../../../../src/server/signalling/host-resolver.ts'
import {
  LOCAL_ADDRESS_LOOKUPS_MAX,
  LocalAddressFinder,
  withoutZone,
} from '../../../../src/server/signalling/local-address.ts'

function unexpected(): void {
  throw new Error('no overflow here')
}

describe('our address as a peer reaches it', () => {
  test('is found by its route and then remembered, so that the second answer comes at once', async () => {
    const finder = new LocalAddressFinder(() => 0, unexpected)
    const order: string[] = []
    await new Promise<void>((resolve) => {
      finder.find('127.0.0.1', (address) => order.push(`first ${address}`))
      finder.find('127.0.0.1', (address) => {
        order.push(`second ${address}`)
        resolve()
      })
      order.push('asked')
    })
    finder.find('127.0.0.1', (address) => order.push(`third ${address}`))
    expect(order).toEqual(['asked', 'first 127.0.0.1', 'second 127.0.0.1', 'third 127.0.0.1'])
  })

  test('falls back instead of waiting when many strangers come at once, and counts it', async () => {
    let overflows = 0
    const finder = new LocalAddressFinder(
      () => 0,
      () => overflows++,
    )
    const lookups = Array.from(
      { length: LOCAL_ADDRESS_LOOKUPS_MAX },
      (_, index) => new Promise((resolve) => finder.find(`127.0.1.${index}`, resolve)),
    )
    let atOnce: string | undefined
    finder.find('127.0.2.1', (address) => {
      atOnce = address
    })
    expect([atOnce, overflows]).toEqual(['127.0.0.1', 1])
    await Promise.all(lookups)
  })

  test('for an address that cannot be routed is a fallback, not an error', async () => {
    const finder = new LocalAddressFinder(() => 0, unexpected)
    expect(await new Promise((resolve) => finder.find('not an address.invalid', resolve))).toBe('127.0.0.1')
  })

  test('is told without a zone', () => {
    expect([withoutZone('fe80::1%eth0'), withoutZone('192.0.2.1')]).toEqual(['fe80::1', '192.0.2.1'])
  })
})

describe('the host of a Contact', () => {
  test('that is an address needs no lookup, and must be of the family of the socket', () => {
    const resolver = new HostResolver(() => 0)
    const found: (string | undefined)[] = []
    resolver.resolve('192.0.2.1', 4, (address) => found.push(address))
    resolver.resolve('2001:db8::1', 4, (address) => found.push(address))
    resolver.resolve('2001:db8::1', 6, (address) => found.push(address))
    expect(found).toEqual(['192.0.2.1', undefined, '2001:db8::1'])
  })

  test('that is a name is looked up once and remembered, found or not', async () => {
    const resolver = new HostResolver(() => 0)
    expect(await new Promise((resolve) => resolver.resolve('localhost', 4, resolve))).toBe('127.0.0.1')
    let again: string | undefined
    resolver.resolve('LOCALHOST', 4, (address) => {
      again = address
    })
    expect(again).toBe('127.0.0.1')
  })
})
