import { describe, expect, it } from 'vitest'
import { EarwitnessError } from '../../../../src/errors.ts'
import {
  parseDurationMs,
  parseFraction,
  parsePpm,
  parseTarget,
  readHold,
  readSuite,
  targetUri,
} from '../../../../src/cli/simulate/options.ts'

function refusal(run: () => unknown): EarwitnessError {
  try {
    run()
  } catch (error) {
    if (error instanceof EarwitnessError) return error
  }
  throw new Error('not refused')
}

describe('what simulate understands on its command line', () => {
  it.each([
    ['10s', 10_000],
    ['10', 10_000],
    ['500ms', 500],
    ['2m', 120_000],
  ])('takes %s as a duration', (text, durationMs) => {
    expect(parseDurationMs('duration', text, 600_000)).toBe(durationMs)
  })

  it.each([
    ['5%', 0.05],
    ['0.5%', 0.005],
    ['0.05', 0.05],
    ['0', 0],
    ['100%', 1],
  ])('takes %s as a share', (text, fraction) => {
    expect(parseFraction('loss', text)).toBeCloseTo(fraction, 10)
  })

  it.each([
    ['100ppm', 100],
    ['-20.5', -20.5],
  ])('takes %s as a clock error', (text, ppm) => {
    expect(parsePpm(text)).toBe(ppm)
  })

  it('takes 3s@2s as a hold of three seconds after two', () => {
    expect(readHold('3s@2s')).toEqual({ durationMs: 3_000, afterMs: 2_000 })
    expect(readHold(undefined)).toBeUndefined()
  })

  it('takes the name of a crypto suite in either case', () => {
    expect(readSuite('aead_aes_256_gcm')).toBe('AEAD_AES_256_GCM')
    expect(readSuite(undefined)).toBeUndefined()
  })

  it.each([
    ['sip:192.0.2.1:5070', { transport: 'udp', host: '192.0.2.1', port: 5070 }, 'sip:192.0.2.1:5070'],
    [
      'sip:recorder.example.com;transport=tcp',
      { transport: 'tcp', host: 'recorder.example.com', port: 5060 },
      'sip:recorder.example.com:5060;transport=tcp',
    ],
    ['127.0.0.1:5060', { transport: 'udp', host: '127.0.0.1', port: 5060 }, 'sip:127.0.0.1:5060'],
    [
      'sip:[2001:db8::1]:5080;transport=TCP',
      { transport: 'tcp', host: '2001:db8::1', port: 5080 },
      'sip:[2001:db8::1]:5080;transport=tcp',
    ],
  ])('takes %s as a recorder', (text, target, uri) => {
    expect(parseTarget(text)).toEqual(target)
    expect(targetUri(parseTarget(text))).toBe(uri)
  })

  it.each([
    ['an unknown duration', () => parseDurationMs('duration', '10 parsecs', 1_000_000)],
    ['a duration above the bound', () => parseDurationMs('duration', '11s', 10_000)],
    ['a share above one', () => parseFraction('loss', '101%')],
    ['a share that is no number', () => parseFraction('loss', 'half')],
    ['a clock error beyond reason', () => parsePpm('20000')],
    ['a hold without a time', () => readHold('3s')],
    ['a hold with two times', () => readHold('3s@2s@1s')],
    ['a crypto suite that nobody has', () => readSuite('AES_CM_128')],
    ['a recorder over TLS, which comes with a later release', () => parseTarget('sip:192.0.2.1;transport=tls')],
    ['a recorder without a host', () => parseTarget('sip:')],
  ])('refuses %s with exit code 2 and a hint', (_what, run) => {
    const error = refusal(run)
    expect(error.exitCode).toBe(2)
    expect(error.hint).not.toBe('')
  })
})
