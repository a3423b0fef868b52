import { expect, test } from 'vitest'
import { listenError } from '../../../../src/server/signalling/listen-error.ts'

function failure(code: string): Error {
  return Object.assign(new Error(`bind ${code}`), { code })
}

test.each([
  ['EADDRINUSE', 'sip-port-in-use', /another program/],
  ['EACCES', 'sip-port-forbidden', /may not listen/],
  ['EADDRNOTAVAIL', 'sip-address-unknown', /no such address/],
  ['EMFILE', 'sip-listen-failed', /bind EMFILE/],
])('%s is told as %s with the address and a hint', (code, expected, sentence) => {
  const error = listenError({ transport: 'udp', address: '192.0.2.9', port: 5060 }, failure(code))
  expect(error).toMatchObject({ code: expected, exitCode: 1 })
  expect(error.message).toMatch(sentence)
  expect(error.message).toContain('udp:192.0.2.9:5060')
  expect(error.hint.length).toBeGreaterThan(20)
})

test('an IPv6 address is written as in the configuration', () => {
  expect(listenError({ transport: 'tcp', address: '::1', port: 1 }, 'odd').message).toContain('tcp:[::1]:1: odd')
})
