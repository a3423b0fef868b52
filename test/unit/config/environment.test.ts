import { describe, expect, test } from 'vitest'
import { listLeaves, variableName } from '../../../src/config/leaves.ts'
import { briefly, load, problemsOf } from './support.ts'

describe('names of variables', () => {
  test.each([
    ['dataDir', 'EARWITNESS_DATA_DIR'],
    ['sip.listen[0]', 'EARWITNESS_SIP_LISTEN_0'],
    ['rtp.portMin', 'EARWITNESS_RTP_PORT_MIN'],
    ['sources[2].forceSiprec', 'EARWITNESS_SOURCES_2_FORCE_SIPREC'],
    ['limits.recordingSessionsMax', 'EARWITNESS_LIMITS_RECORDING_SESSIONS_MAX'],
  ])('%s is %s', (path, name) => {
    expect(variableName(path)).toBe(name)
  })

  test('no two keys share one', () => {
    const names = listLeaves().map((leaf) => leaf.variable)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('values from the environment', () => {
  test('win over the file and say where they come from', () => {
    const loaded = load('rtp: {portMin: 20000, portMax: 20001}', { EARWITNESS_RTP_PORT_MAX: '20999' })
    expect(loaded.config.rtp).toMatchObject({ portMin: 20_000, portMax: 20_999 })
    expect(loaded.origins.get('rtp.portMax')).toBe('env EARWITNESS_RTP_PORT_MAX')
  })

  test('a number replaces one item of a list, the number after the last appends', () => {
    const { config } = load(undefined, {
      EARWITNESS_SIP_LISTEN_0: 'udp:127.0.0.1:5070',
      EARWITNESS_SIP_LISTEN_2: 'tcp:127.0.0.1:5070',
    })
    expect(config.sip.listen.map((listen) => `${listen.transport}:${listen.port}`)).toEqual([
      'udp:5070',
      'tcp:5060',
      'tcp:5070',
    ])
  })

  test('a name without a number replaces the whole list, and numbered ones apply to that', () => {
    const { config, origins } = load(undefined, {
      EARWITNESS_SIP_LISTEN_0: 'udp:127.0.0.1:1',
      EARWITNESS_SIP_LISTEN: 'udp:127.0.0.1:0, tcp:127.0.0.1:0,tcp:[::1]:0',
    })
    expect(config.sip.listen.map((listen) => listen.port)).toEqual([1, 0, 0])
    expect(origins.get('sip.listen[0]')).toBe('env EARWITNESS_SIP_LISTEN_0')
    expect(origins.get('sip.listen[1]')).toBe('env EARWITNESS_SIP_LISTEN')
  })

  test('build a source out of its keys', () => {
    const { config } = load('sources: [{name: a, address: 192.0.2.1}]', {
      EARWITNESS_SOURCES_0_TENANT: 'berlin',
      EARWITNESS_SOURCES_1_NAME: 'b',
      EARWITNESS_SOURCES_1_ADDRESS: '2001:db8::/32',
      EARWITNESS_SOURCES_1_FORCE_SIPREC: 'true',
    })
    expect(config.sources).toEqual([
      { name: 'a', address: '192.0.2.1', tenant: 'berlin', forceSiprec: false, tellPause: false },
      { name: 'b', address: '2001:db8::/32', tenant: 'default', forceSiprec: true, tellPause: false },
    ])
  })

  test('a variable that is set but empty counts as not set', () => {
    expect(
      load(undefined, { EARWITNESS_DATABASE_URL: '', EARWITNESS_RTP_PORT_MIN: '' }).config.database.url,
    ).toBeUndefined()
  })

  test('secrets may point on to another variable', () => {
    const url = 'postgresql://db.example.com/earwitness'
    expect(load(undefined, { EARWITNESS_DATABASE_URL: 'env:PGURL', PGURL: url }).config.database.url).toBe(url)
  })
})

describe('mistakes in the environment', () => {
  test('an unknown variable is told with the one that was meant', () => {
    expect(problemsOf(undefined, { EARWITNESS_RTP_PORTMIN: '20000' })).toMatchObject([
      {
        code: 'config-unknown-variable',
        where: 'env EARWITNESS_RTP_PORTMIN',
        hint: expect.stringContaining('EARWITNESS_RTP_PORT_MIN?'),
      },
    ])
    expect(problemsOf(undefined, { EARWITNESS_SIP_LISTN_3: 'x' })[0]?.hint).toContain('EARWITNESS_SIP_LISTEN_3?')
  })

  test('variables of other programs are none of our business', () => {
    expect(problemsOf(undefined, { EARWITNES_X: '1', PATH: '/bin' })).toEqual([])
  })

  test.each([
    ['EARWITNESS_RTP_PORT_MIN', 'abc', 'rtp.portMin wants a whole number, not "abc".'],
    ['EARWITNESS_SOURCES_0_FORCE_SIPREC', 'yes', 'sources[0].forceSiprec wants true or false, not "yes".'],
    ['EARWITNESS_SIP_LISTEN_5', 'udp:127.0.0.1:0', 'sip.listen has no item before number 5.'],
    ['EARWITNESS_SIP_LISTEN', 'udp:127.0.0.1', 'sip.listen[0] has no valid port in "udp:127.0.0.1".'],
    ['EARWITNESS_LOG_LEVEL', 'loud', 'log.level does not know "loud".'],
  ])('%s=%s is refused', (name, text, sentence) => {
    const problems = problemsOf('sources: [{name: a, address: 192.0.2.1}]', { [name]: text })
    expect(briefly(problems)).toEqual([`config-invalid-value env ${name}`])
    expect(problems[0]?.sentence).toBe(sentence)
  })

  test('a source that lacks a key is told with the variable for it', () => {
    expect(problemsOf(undefined, { EARWITNESS_SOURCES_0_NAME: 'a' })).toMatchObject([
      { sentence: 'sources[0].address is missing.', hint: 'Set EARWITNESS_SOURCES_0_ADDRESS too.' },
    ])
  })

  test('one wrong item does not make its neighbours look wrong', () => {
    const problems = problemsOf(undefined, {
      EARWITNESS_SIP_LISTEN_2: 'foo',
      EARWITNESS_SIP_LISTEN_3: 'udp:127.0.0.1:0',
    })
    expect(briefly(problems)).toEqual(['config-invalid-value env EARWITNESS_SIP_LISTEN_2'])
  })
})
