import { describe, expect, test } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { createLogger, type Logger, type LogLevel } from '../../../../src/server/telemetry/logger.ts'
import { LOG_TEXT_CHARACTERS_MAX, redactText, WITHHELD } from '../../../../src/server/telemetry/redact.ts'

const NUMBER = '+1 555 0142'
const URI = 'sip:alice.example@pbx.example.com'
const NAME = 'Alice Example'
/** None of these may be found in a line at info or above. */
const SECRETS = ['555', '0142', 'alice', 'Alice', '4711#']

function logTo(level: LogLevel) {
  const lines: string[] = []
  return { log: createLogger({ level, destination: { write: (line) => lines.push(line) } }), lines }
}

function parsed(lines: readonly string[]): Record<string, unknown> {
  return JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
}

describe('at info and above, numbers, names and digits never reach the log', () => {
  const ways: readonly (readonly [string, (log: Logger) => void])[] = [
    ['a number in a field', (log) => log.info({ from: NUMBER }, 'invite')],
    ['a SIP URI in a field', (log) => log.info({ to: URI, aor: URI }, 'invite')],
    ['a name in a field', (log) => log.info({ name: NAME, displayName: NAME, participant: { name: NAME } }, 'invite')],
    ['digits pressed', (log) => log.info({ digits: '4711#', dtmf: ['4711#'] }, 'digits')],
    ['a number in a field for text', (log) => log.info({ reason: `busy ${NUMBER}`, hint: URI }, 'refused')],
    ['a number given as a number', (log) => log.info({ caller: 15_550_142 }, 'invite')],
    ['a number in the sentence', (log) => log.info({}, `invite from ${NUMBER}`)],
    ['a URI and a name in the sentence', (log) => log.warn({}, `invite from "${NAME}" <${URI}>`)],
    ['a tel URI', (log) => log.warn({}, 'invite for tel:+1-555-0142;phone-context=example.com')],
    ['an error message', (log) => log.error({ err: new Error(`no route to ${URI} or ${NUMBER}`) }, 'failed')],
    ['an error cause', (log) => log.error({ err: new Error('failed', { cause: new Error(URI) }) }, 'failed')],
    [
      'properties of an error',
      (log) => log.error({ err: Object.assign(new Error('duplicate'), { detail: URI }) }, 'failed'),
    ],
    ['a child logger', (log) => log.child({ from: NUMBER, name: NAME }).info({}, 'invite')],
    ['an entry of a list', (log) => log.info({ addresses: [{ from: NUMBER }, URI], checks: [[NAME]] }, 'listening')],
    ['an id that is a URI', (log) => log.info({ sipCallId: URI, csId: `tel:${NUMBER}` }, 'invite')],
    ['an id that is a number', (log) => log.info({ sipCallId: '+15550142@example.com', csId: NUMBER }, 'invite')],
    ['an id that is a name', (log) => log.info({ streamLabel: NAME }, 'invite')],
  ]

  test.each(ways)('%s', (_way, write) => {
    const { log, lines } = logTo('trace')
    write(log)
    expect(lines).toHaveLength(1)
    // The time of the line may have any digits in it.
    const said = JSON.stringify({ ...parsed(lines), time: '' })
    for (const secret of SECRETS) expect(said).not.toContain(secret)
  })

  test('the fixed keys pass as they are', () => {
    const { log, lines } = logTo('info')
    const ids = {
      rsId: '01935f2e-7c1a-7000-8000-0123456789ab',
      csId: 'ZGVtbw==',
      sipCallId: 'a84b4c76e66710@192.0.2.7',
      streamLabel: '96',
      src: 'sbc-east',
    }
    log.info({ ...ids, durationMs: 12, port: 5060, address: '192.0.2.17' }, 'recording session opened')
    expect(parsed(lines)).toMatchObject({ ...ids, durationMs: 12, port: 5060, address: '192.0.2.17', level: 'info' })
  })

  test('a list of addresses passes', () => {
    const { log, lines } = logTo('info')
    const addresses = [{ transport: 'udp', address: '192.0.2.17', port: 5060 }, 'tcp:[2001:db8::1]:5060']
    log.info({ addresses }, 'SIP listening')
    expect(parsed(lines)).toMatchObject({ addresses })
  })

  test('a key that is not known is left out, and its name is told', () => {
    const { log, lines } = logTo('info')
    log.info({ payload: 'x', rsId: 'abc' }, 'sentence')
    expect(parsed(lines)).toMatchObject({ rsId: 'abc', withheld: ['payload'] })
    expect(parsed(lines)).not.toHaveProperty('payload')
  })

  test('an error keeps its class, code, sentence, hint and where it came from', () => {
    const { log, lines } = logTo('info')
    log.error({ err: new EarwitnessError('storage-full', 'The disk is full.', 'Free some space.') }, 'cannot store')
    const { err } = parsed(lines) as { readonly err: Record<string, unknown> }
    expect(err).toMatchObject({ code: 'storage-full', message: 'The disk is full.', hint: 'Free some space.' })
    expect(JSON.stringify(err['frames'])).toContain('logger.test.ts')
  })
})

test('at debug everything is written as given', () => {
  const { log, lines } = logTo('debug')
  log.debug({ from: URI }, 'invite')
  expect(lines[0]).toContain(URI)
})

test('a line below the level is not written', () => {
  const { log, lines } = logTo('info')
  log.debug({ from: URI }, 'invite')
  log.trace({}, 'packet')
  expect(lines).toEqual([])
})

test('each line is one JSON object with level, time in RFC 3339 and sentence', () => {
  const { log, lines } = logTo('info')
  log.warn({}, 'one\nsentence')
  expect(lines[0]?.trimEnd().split('\n')).toHaveLength(1)
  expect(parsed(lines)).toMatchObject({ level: 'warn', msg: 'one\nsentence' })
  expect(parsed(lines)['time']).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
})

describe('text that may be logged', () => {
  test.each([
    ['listening on 192.168.100.200:5060', 'listening on 192.168.100.200:5060'],
    ['since 2026-11-23T10:00:00Z', 'since 2026-11-23T10:00:00Z'],
    ['recording 01935555-1234-7123-8000-012345678901 closed', 'recording 01935555-1234-7123-8000-012345678901 closed'],
    ['took 12.5 ms for 96 packets', 'took 12.5 ms for 96 packets'],
    ['see sip:pbx.example.com', 'see sip:pbx.example.com'],
    ['dialled 555-0142, twice', `dialled ${WITHHELD}, twice`],
    ['dialled (555) 555 0142 twice', `dialled (${WITHHELD} twice`],
    ['to <sips:bob@example.com;user=phone>', `to <sips:${WITHHELD}@example.com;user=phone>`],
    ['tel:5550142', `tel:${WITHHELD}`],
  ])('%s', (text, expected) => {
    expect(redactText(text)).toBe(expected)
  })

  test('is cut at its bound', () => {
    expect(redactText('x '.repeat(10_000)).length).toBe(LOG_TEXT_CHARACTERS_MAX + 1)
  })
})
