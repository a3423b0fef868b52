import { describe, expect, test } from 'vitest'
import { covers, parseNetwork, withoutHostBits } from '../../../src/config/network.ts'
import { closest, editDistance } from '../../../src/config/suggest.ts'
import {
  formatListen,
  formatSipListen,
  parseDuration,
  parseListen,
  parseSipListen,
  parseSize,
} from '../../../src/config/values.ts'

describe('durations and sizes', () => {
  test.each([
    ['250ms', 250],
    ['20s', 20_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['0', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms })
  })

  test.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['4MiB', 4_194_304],
    ['1TiB', 1024 ** 4],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: bytes })
  })

  test.each([
    ['20', 'noUnit'],
    ['20 s', 'number'],
    ['1.5h', 'number'],
    ['-1s', 'number'],
    ['5min', 'unit'],
    ['5M', 'unit'],
    ['', 'number'],
    ['999999999999999d', 'number'],
  ])('%s is refused: %s', (text, reason) => {
    expect(parseDuration(text)).toEqual({ ok: false, reason })
  })
})

describe('listen addresses', () => {
  test.each(['udp:0.0.0.0:5060', 'tcp:[::1]:0', 'tls:192.0.2.1:65535'])('%s is read and written back', (text) => {
    const parsed = parseSipListen(text)
    expect(parsed.ok && formatSipListen(parsed.value)).toBe(text)
  })

  test.each(['127.0.0.1:8080', '[2001:db8::1]:443'])('%s is read and written back', (text) => {
    const parsed = parseListen(text)
    expect(parsed.ok && formatListen(parsed.value)).toBe(text)
  })

  test.each([
    ['0.0.0.0:5060', 'transport'],
    ['sctp:0.0.0.0:5060', 'transport'],
    ['udp:localhost:5060', 'address'],
    ['udp:::1:5060', 'address'],
    ['udp:[127.0.0.1]:5060', 'address'],
    ['udp:127.0.0.1:65536', 'port'],
    ['udp:127.0.0.1:', 'port'],
    ['udp:', 'port'],
  ])('%s is refused for its %s', (text, reason) => {
    expect(parseSipListen(text)).toEqual({ ok: false, reason })
  })
})

describe('networks', () => {
  const network = (text: string) => {
    const parsed = parseNetwork(text)
    if (!parsed.ok) throw new Error(parsed.reason)
    return parsed.value
  }

  test.each([
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['0.0.0.0/0', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.0/24', false],
    ['2001:db8::/32', '2001:db8:0:1::5', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['::/0', '192.0.2.1', false],
  ])('%s covers %s: %s', (outer, inner, covered) => {
    expect(covers(network(outer), network(inner))).toBe(covered)
  })

  test('one address has one value however it is spelled', () => {
    expect(network('2001:db8:0:0:0:0:0:1')).toEqual(network('2001:DB8::1'))
  })

  test.each([
    ['10.0.0.1/8', 'hostBits'],
    ['2001:db8::1/32', 'hostBits'],
    ['10.0.0.0/33', 'prefixLength'],
    ['10.0.0.0/', 'prefixLength'],
    ['sbc.example.com', 'address'],
    ['fe80::1%eth0', 'address'],
    ['10.0.0', 'address'],
  ])('%s is refused for its %s', (text, reason) => {
    expect(parseNetwork(text)).toEqual({ ok: false, reason })
  })

  test('the block around an address is suggested', () => {
    expect(withoutHostBits('10.20.30.40/12')).toBe('10.16.0.0/12')
    expect(withoutHostBits('2001:db8::1/32')).toBeUndefined()
  })
})

describe('what was meant', () => {
  test.each([
    ['portMn', 'portMin'],
    ['protMin', 'portMin'],
    ['PORTMAX', 'portMax'],
    ['port', undefined],
    ['', undefined],
    ['x'.repeat(500), undefined],
  ])('%s means %s', (word, meant) => {
    expect(closest(word, ['portMin', 'portMax', 'address'])).toBe(meant)
  })

  test('swapping two neighbours is one mistake', () => {
    expect(editDistance('verfiy', 'verify')).toBe(1)
    expect(editDistance('', 'abc')).toBe(3)
  })
})
