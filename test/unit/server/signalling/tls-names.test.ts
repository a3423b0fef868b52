import { describe, expect, test } from 'vitest'

import { namesOf, TLS_NAMES_MAX } from '../../../../src/server/signalling/tls-names.ts'

describe('the names in a subjectAltName as Node writes it', () => {
  test.each([
    ['DNS:Sbc-1.Example.COM', ['sbc-1.example.com']],
    ['DNS:a.example.com, DNS:*.example.com, DNS:a.example.com', ['a.example.com', '*.example.com']],
    ['IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1', ['192.0.2.1', '2001:db8:0:0:0:0:0:1']],
    ['URI:sip:example.com, URI:sips:Example.org', ['example.com', 'example.org']],
    ['URI:sip:alice@example.com, URI:https://example.net', []],
    ['email:a@example.com, DirName:/CN=sbc.example.com, Registered ID:1.2.3', []],
    ['', []],
    ['DNS', []],
    ['DNS:', []],
  ])('%s', (text, names) => {
    expect(namesOf(text)).toEqual(names)
  })

  test.each([
    ['DNS:"x, DNS:forged.example.com", DNS:real.example.com', ['real.example.com']],
    ['URI:"sip:a\\", DNS:forged.example.com", DNS:real.example.com', ['real.example.com']],
    ['DNS:"never closed, DNS:forged.example.com', []],
    ['DNS:a b.example.com, DNS:real.example.com', ['real.example.com']],
  ])('no name is made out of another: %s', (text, names) => {
    expect(namesOf(text)).toEqual(names)
  })

  test('are bounded', () => {
    const text = Array.from({ length: TLS_NAMES_MAX + 9 }, (_, index) => `DNS:n${index}.example.com`).join(', ')
    expect(namesOf(text)).toHaveLength(TLS_NAMES_MAX)
  })
})
