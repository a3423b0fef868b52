import { describe, expect, test } from 'vitest'
import { parseNameAddr } from '../../../../src/protocol/sip/name-addr.ts'
import { PARAMS_MAX, paramValue, parseParams } from '../../../../src/protocol/sip/params.ts'
import { listValues, optionTags, parseCSeq } from '../../../../src/protocol/sip/scalar-headers.ts'
import { firstListItem, parseDecimal, splitList, unquote } from '../../../../src/protocol/sip/text.ts'
import { parseHostPort, parseSipUri } from '../../../../src/protocol/sip/uri.ts'
import { formatVia, parseVia, stampVia } from '../../../../src/protocol/sip/via.ts'
import { head, parseRequest } from './wire.ts'

function via(text: string) {
  const parsed = parseVia(text)
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.value
}

describe('parameters', () => {
  test('have names without case, values as written, and flags', () => {
    const params = parseParams(' ; Tag=aB ;lr; x = "a;b\\"c" ;;tag=second')
    expect(params).toMatchObject({ ok: true })
    if (!params.ok) return
    expect([...params.value]).toEqual([
      ['tag', 'aB'],
      ['lr', ''],
      ['x', '"a;b\\"c"'],
    ])
    expect(paramValue(params.value, 'x')).toBe('a;b"c')
  })

  test('named __proto__ or constructor are parameters like others', () => {
    const params = parseParams(';__proto__=1;constructor')
    expect(
      params.ok && [params.value.get('__proto__'), params.value.get('constructor'), params.value.get('valueOf')],
    ).toEqual(['1', '', undefined])
  })

  test('are refused when a quote is not closed or there are too many', () => {
    expect(parseParams(';a="b')).toMatchObject({ ok: false })
    const many = Array.from({ length: PARAMS_MAX + 1 }, (_, index) => `;p${index}`).join('')
    expect(parseParams(many)).toMatchObject({ ok: false })
  })
})

describe('a name-addr', () => {
  test.each([
    ['"A, B; <C>" <sip:a@b;transport=tcp>;tag=1', 'A, B; <C>', 'sip:a@b;transport=tcp', '1'],
    ['Zoë Example <sip:a@b>;tag=1', 'Zoë Example', 'sip:a@b', '1'],
    ['<sip:a@b>', '', 'sip:a@b', undefined],
    ['sip:a@b;tag=1', '', 'sip:a@b', '1'],
    ['tel:+15550100;tag=x', '', 'tel:+15550100', 'x'],
    ['"a\\"b" <sip:a@b> ; x ; tag = 1', 'a"b', 'sip:a@b', '1'],
  ])('%s', (text, displayName, uri, tag) => {
    const parsed = parseNameAddr(text)
    expect(parsed.ok && [parsed.value.displayName, parsed.value.uri, parsed.value.params.get('tag')]).toEqual([
      displayName,
      uri,
      tag,
    ])
  })

  test('tells parameters of the URI from those of the header', () => {
    const parsed = parseNameAddr('<sip:src@192.0.2.1;+sip.src>;expires=1')
    expect(parsed.ok && [parsed.value.uri, [...parsed.value.params.keys()]]).toEqual([
      'sip:src@192.0.2.1;+sip.src',
      ['expires'],
    ])
  })

  test.each(['', '"open <sip:a@b>', '<sip:a@b', '"name"', '<>', 'a b'])('%j is refused', (text) => {
    expect(parseNameAddr(text)).toMatchObject({ ok: false })
  })
})

describe('a SIP URI', () => {
  test.each([
    ['sip:example.com', undefined, 'example.com', undefined],
    ['sip:a@example.com:5080', 'a', 'example.com', 5080],
    ['SIP:a;x=y:pw@example.com;transport=tcp?h=v', 'a;x=y:pw', 'example.com', undefined],
    ['sips:[2001:db8::1]:5061;lr', undefined, '2001:db8::1', 5061],
  ])('%s', (text, user, host, port) => {
    const parsed = parseSipUri(text)
    expect(parsed.ok && [parsed.value.user, parsed.value.host, parsed.value.port]).toEqual([user, host, port])
  })

  test.each([
    'tel:+15550100',
    'sip:',
    'sip:a@',
    'sip:h:0',
    'sip:h:65536',
    'sip:h:-1',
    'sip:[::1',
    'sip:[::1]x',
    'nonsense',
  ])('%s is refused', (text) => {
    expect(parseSipUri(text)).toMatchObject({ ok: false })
  })

  test('host and port may be a bare IPv6 address', () => {
    expect(parseHostPort('2001:db8::1')).toMatchObject({ ok: true, value: { host: '2001:db8::1', port: undefined } })
  })
})

describe('a Via', () => {
  test('may have blanks where RFC 4475 puts them', () => {
    expect(via('SIP  / 2.0\t/ UDP   first.example.com : 4000 ;ttl=16 ;branch=z9hG4bKa7c6a8dlze.1')).toMatchObject({
      transport: 'UDP',
      host: 'first.example.com',
      port: 4000,
    })
  })

  test('may have a __proto__ parameter, as the packet that kills other stacks has', () => {
    const parsed = via('SIP/2.0/UDP a;branch=z9hG4bK1;__proto__;rport')
    expect(formatVia(stampVia(parsed, '192.0.2.1', 9)!)).toBe(
      'SIP/2.0/UDP a;branch=z9hG4bK1;__proto__;rport=9;received=192.0.2.1',
    )
  })

  test.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0 a',
    'HTTP/1.1/UDP a',
    'SIP/2.0/UDP a:b',
    'SIP/2.0/UDP ;x',
    'SIP/2.0/UDP a;b="',
  ])('%j is refused', (text) => {
    expect(parseVia(text)).toMatchObject({ ok: false })
  })

  test('is stamped with received when sent-by is not the source, and not otherwise', () => {
    expect(stampVia(via('SIP/2.0/UDP 192.0.2.1;branch=x'), '192.0.2.1', 5060)).toBeUndefined()
    expect(formatVia(stampVia(via('SIP/2.0/UDP src.example.com:5070;branch=x'), '192.0.2.1', 5060)!)).toBe(
      'SIP/2.0/UDP src.example.com:5070;branch=x;received=192.0.2.1',
    )
  })

  test('loses a received that the client made up', () => {
    expect(formatVia(stampVia(via('SIP/2.0/UDP 192.0.2.1;received=198.51.100.1'), '192.0.2.1', 5060)!)).toBe(
      'SIP/2.0/UDP 192.0.2.1;received=192.0.2.1',
    )
  })

  test('keeps IPv6 in brackets', () => {
    expect(formatVia(via('SIP/2.0/TCP [2001:db8::1]:5060;branch=x'))).toBe('SIP/2.0/TCP [2001:db8::1]:5060;branch=x')
  })
})

describe('small values', () => {
  test('CSeq', () => {
    expect(parseCSeq('0009 INVITE')).toEqual({ ok: true, value: { sequenceNumber: 9, method: 'INVITE' } })
    for (const bad of ['', 'INVITE', '1', '-1 INVITE', '2147483648 INVITE', '1.5 INVITE', '1INVITE', 'x INVITE']) {
      expect(parseCSeq(bad)).toMatchObject({ ok: false })
    }
  })

  test('option tags of several lines, in lower case', () => {
    const { headers } = parseRequest(
      head('INVITE sip:a SIP/2.0', 'Require: SIPREC, 100rel', 'Require: timer,', 'Supported:'),
    )
    expect(optionTags(headers, 'require')).toEqual(['siprec', '100rel', 'timer'])
    expect(optionTags(headers, 'supported')).toEqual([])
  })

  test('lists are not split inside quotes and angle brackets', () => {
    expect(splitList('"a,b" <sip:c,d>, <sip:e>;x="1,2" ,, f')).toEqual(['"a,b" <sip:c,d>', '<sip:e>;x="1,2"', 'f'])
    expect(firstListItem('a , b,c')).toEqual({ item: 'a', rest: ', b,c' })
    const { headers } = parseRequest(
      head('INVITE sip:a SIP/2.0', 'Record-Route: <sip:a;lr>, <sip:b;lr>', 'Record-Route: <sip:c>'),
    )
    expect(listValues(headers, 'record-route')).toEqual(['<sip:a;lr>', '<sip:b;lr>', '<sip:c>'])
  })

  test('decimal numbers are digits within a bound', () => {
    expect([
      parseDecimal('0', 9),
      parseDecimal('12', 12),
      parseDecimal('13', 12),
      parseDecimal('+1', 9),
      parseDecimal('', 9),
    ]).toEqual([0, 12, undefined, undefined, undefined])
  })

  test('quotes come off with their escapes', () => {
    expect([unquote('"a\\\\b"'), unquote('a'), unquote('"')]).toEqual(['a\\b', 'a', '"'])
  })
})
