import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { effectiveValues } from '../../../src/cli/check-config.ts'
import { MASK } from '../../../src/config/secrets.ts'
import { briefly, load, problemsOf } from './support.ts'

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const MUTUAL = 'sip: {tls: {certFile: a.pem, keyFile: a.key, caFile: ca.pem, requestCert: true}}\n'
const user = (name: string, keys = 'password: swordfish'): string => `{name: ${name}, ${keys}}`

describe('how a source is recognised', () => {
  test('one address stands alone or in a list, and so do names of certificates', () => {
    const { config, origins } = load(
      `${MUTUAL}sources:\n- {name: a, address: 192.0.2.1, tlsName: "*.example.com"}\n` +
        '- {name: b, address: [192.0.2.2, 2001:db8::/32], tlsName: [sbc.example.com, 192.0.2.9]}\n',
    )
    expect(config.sources.map(({ address, tlsName }) => [address, tlsName])).toEqual([
      [['192.0.2.1'], ['*.example.com']],
      [
        ['192.0.2.2', '2001:db8::/32'],
        ['sbc.example.com', '192.0.2.9'],
      ],
    ])
    expect(origins.get('sources[0].address[0]')).toBe('test.yaml:3:22')
  })

  test.each([
    ['sources: [{name: a}]', 'sources[0] has neither address nor tlsName nor users, and would match every SRC.', 19],
    [
      'sources: [{name: a, address: []}]',
      'sources[0] has neither address nor tlsName nor users, and would match every SRC.',
      18,
    ],
    [
      'sources: [{name: a, tlsName: sbc.example.com}]',
      'sources[0] has a tlsName, but no SRC is asked for a certificate.',
      30,
    ],
    [
      `${MUTUAL}sources: [{name: a, tlsName: "https://x"}]`,
      'sources[0].tlsName[0] wants a name as certificates have it, not "https://x".',
      30,
    ],
    [
      `${MUTUAL}sources: [{name: a, tlsName: "a.*.example.com"}]`,
      'sources[0].tlsName[0] wants a name as certificates have it, not "a.*.example.com".',
      30,
    ],
    ['sources: [{name: a, address: {b: c}}]', 'sources[0].address wants a list.', 30],
    ['sources: [{name: a, address: [192.0.2.1, 5]}]', 'sources[0].address[1] wants a text, not 5.', 42],
  ])('%s is refused', (yaml, sentence) => {
    expect(problemsOf(yaml).map((problem) => problem.sentence)).toEqual([sentence])
    expect(problemsOf(yaml)[0]?.where).toMatch(/^test\.yaml:[12]:\d+$/)
  })

  test.each([
    [
      '[{name: a, address: [192.0.2.0/24, 198.51.100.0/24]}, {name: b, address: [192.0.2.2, 198.51.100.9]}]',
      'sources[1] never matches: sources[0] covers 192.0.2.2, 198.51.100.9 and comes first.',
    ],
    [
      '[{name: a, tlsName: "*.Example.com"}, {name: b, tlsName: sbc.example.com, address: 192.0.2.1}]',
      'sources[1] never matches: sources[0] covers 192.0.2.1 and comes first.',
    ],
    [
      `[{name: a, users: [${user('u')}]}, {name: b, address: 192.0.2.1}]`,
      'sources[1] never matches: sources[0] covers it, comes first, and asks for a password.',
    ],
    [
      `[{name: a, address: 192.0.2.0/24}, {name: b, address: 192.0.2.1, users: [${user('u')}]}]`,
      'sources[1] never matches: sources[0] covers 192.0.2.1 and comes first.',
    ],
    [
      `[{name: a, address: 192.0.2.0/24, users: [${user('u')}]}, {name: b, address: 192.0.2.1, users: [${user('u')}]}]`,
      'sources[1].users[0] is never asked: sources[0] has a user of this name, covers it, and comes first.',
    ],
  ])('what never applies is told: %s', (sources, sentence) => {
    expect(problemsOf(`${MUTUAL}sources: ${sources}`).map((problem) => problem.sentence)).toEqual([sentence])
  })

  test.each([
    `[{name: a, users: [${user('u')}]}, {name: b, users: [${user('v')}]}]`,
    `[{name: a, address: 192.0.2.1, users: [${user('u')}]}, {name: b, address: 192.0.2.2, users: [${user('u')}]}]`,
    '[{name: a, address: 192.0.2.0/24, tlsName: a.example.com}, {name: b, address: 192.0.2.1}]',
    '[{name: a, tlsName: a.example.com}, {name: b, tlsName: "*.example.com"}]',
    '[{name: a, address: [192.0.2.1, 192.0.2.2]}, {name: b, address: [192.0.2.2, 192.0.2.3]}]',
  ])('what may apply is fine: %s', (sources) => {
    expect(problemsOf(`${MUTUAL}sources: ${sources}`)).toEqual([])
  })
})

describe('users', () => {
  const hashes = (yaml: string, env: Record<string, string> = {}) =>
    load(yaml, env).config.sources[0]!.users.map(({ name, ha1 }) => ({ name, ...Object.fromEntries(ha1) }))

  test('have their passwords turned into the hashes of RFC 8760, for the realm', () => {
    expect(
      hashes(`sources: [{name: a, users: [${user('bob', 'password: zanzibar')}]}]\nsip: {realm: biloxi.com}`),
    ).toEqual([
      {
        name: 'bob',
        MD5: '12af60467a33e8518da5c68bbff12b11',
        'SHA-256': sha256('bob:biloxi.com:zanzibar'),
        'SHA-512-256': createHash('sha512-256').update('bob:biloxi.com:zanzibar').digest('hex'),
      },
    ])
  })

  test('take passwords and hashes from variables and files too', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'earwitness-config-'))
    writeFileSync(join(cwd, 'secret'), `${sha256('b:earwitness:x').toUpperCase()}\n`)
    const yaml = `sources: [{name: s, users: [${user('a', 'password: "env:SBC"')}, ${user('b', `ha1Sha256: "file:${cwd}/secret"`)}]}]`
    expect(hashes(yaml, { SBC: 'sword: fish' })).toMatchObject([
      { name: 'a', 'SHA-256': sha256('a:earwitness:sword: fish') },
      { name: 'b', 'SHA-256': sha256('b:earwitness:x') },
    ])
    rmSync(cwd, { recursive: true })
  })

  test('may have hashes of both kinds', () => {
    const keys = `ha1Sha256: "${sha256('x')}", ha1Md5: "${md5('x')}"`
    expect(hashes(`sources: [{name: a, users: [${user('u', keys)}]}]`)).toEqual([
      { name: 'u', MD5: md5('x'), 'SHA-256': sha256('x') },
    ])
  })

  test.each([
    ['[{name: u}]', 'sources[0].users[0] has no password.'],
    [
      `[${user('u', `password: x, ha1Md5: "${md5('x')}"`)}]`,
      'sources[0].users[0] has both a password and a hash of one.',
    ],
    [`[${user('u')}, ${user('u')}]`, 'sources[0].users[1] and users[0] have the same name.'],
    [`[${user('u', 'ha1Md5: "abc"')}]`, 'sources[0].users[0].ha1Md5 wants 32 hex digits.'],
    [`[${user('u', `ha1Sha256: "${md5('x')}"`)}]`, 'sources[0].users[0].ha1Sha256 wants 64 hex digits.'],
    [
      `[${user('u', 'password: "env:NOT_SET"')}]`,
      'sources[0].users[0].password names an environment variable that is not set: NOT_SET.',
    ],
    [`[${user('"a:b"')}]`, 'sources[0].users[0].name wants a user name, not "a:b".'],
    ['[{password: x}]', 'sources[0].users[0].name is missing.'],
    [`[${user('u', 'passwort: x')}]`, 'there is no key "sources[0].users[0].passwort".'],
    [
      `[${user('u', `ha1Sha256: "${sha256('x')}"`)}, ${user('v', `ha1Md5: "${md5('x')}"`)}]`,
      'sources[0] has no algorithm of digestAlgorithms that all its users can answer.',
    ],
    [
      `[${user('u', `ha1Sha256: "${sha256('x')}"`)}], digestAlgorithms: [MD5]`,
      'sources[0] has no algorithm of digestAlgorithms that all its users can answer.',
    ],
    [`[${user('u')}], digestAlgorithms: [SHA-1]`, 'sources[0].digestAlgorithms[0] does not know "SHA-1".'],
    [`[${user('u')}], digestAlgorithms: []`, 'sources[0].digestAlgorithms is an empty list.'],
  ])('%s: told with its place', (users, sentence) => {
    const problems = problemsOf(`sources:\n- {name: a, address: 192.0.2.1, users: ${users}}`)
    expect(problems.map((problem) => problem.sentence)).toEqual([sentence])
    expect(problems[0]?.where).toMatch(/^test\.yaml:2:\d+$/)
  })

  test('are never shown with their secrets, right or wrong', () => {
    const right = load(`sources: [{name: a, users: [${user('u')}]}]`)
    const values = effectiveValues(right)
    expect(values.find(({ path }) => path === 'sources[0].users[0].password')?.value).toBe(MASK)
    expect(JSON.stringify(values)).not.toContain('swordfish')
    const wrong = ['password: [swordfish]', 'ha1Md5: swordfish', 'password: swordfish, ha1Md5: swordfish']
    const told = wrong.map((keys) => problemsOf(`sources: [{name: a, users: [${user('u', keys)}]}]`))
    expect(told.map((problems) => problems.length > 0)).toEqual([true, true, true])
    expect(JSON.stringify(told)).not.toContain('swordfish')
  })

  test('who can only be asked with MD5 in the clear are warned of, and only they', () => {
    const weak = (keys: string, before = '') => load(`${before}sources: [{name: a, users: [${keys}]}]`).warnings
    const md5Only = user('u', `ha1Md5: "${md5('x')}"`)
    expect(briefly(weak(md5Only))).toEqual(['config-weak-password-hash test.yaml:1:36'])
    expect(weak(md5Only, 'sip: {listen: ["tls:0.0.0.0:5061"], tls: {certFile: a, keyFile: b}}\n')).toEqual([])
    expect(weak(user('u'))).toEqual([])
    expect(load(`sources: [{name: a, users: [${user('u')}], digestAlgorithms: [MD5]}]`).warnings).toHaveLength(1)
  })
})

describe('keys beside', () => {
  test('unknownSources, policy and dialect have closed sets', () => {
    const { config } = load(
      'unknownSources: refuse\nsources: [{name: a, address: 192.0.2.1, policy: refuse, dialect: cisco-cube}]',
    )
    expect([config.unknownSources, config.sources[0]?.policy, config.sources[0]?.dialect]).toEqual([
      'refuse',
      'refuse',
      'cisco-cube',
    ])
    expect(load('').config.unknownSources).toBe('record')
    expect(problemsOf('sources: [{name: a, address: 192.0.2.1, dialect: cisco}]')[0]?.sentence).toBe(
      'sources[0].dialect does not know "cisco".',
    )
  })

  test('the realm has neither quotes nor control characters', () => {
    expect(load('sip: {realm: "rec.example.com"}').config.sip.realm).toBe('rec.example.com')
    expect(load('').config.sip.realm).toBe('earwitness')
    const wrong = ['a"b', 'a\\b', ' a', '', 'a\nb', 'x'.repeat(129)]
    expect(wrong.map((realm) => problemsOf(`sip: {realm: ${JSON.stringify(realm)}}`).length)).toEqual(
      wrong.map(() => 1),
    )
  })
})
