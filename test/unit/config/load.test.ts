import { describe, expect, test } from 'vitest'
import { MASK } from '../../../src/config/secrets.ts'
import { effectiveValues } from '../../../src/cli/check-config.ts'
import { load, problemsOf, briefly, SOURCE_DEFAULTS } from './support.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { PROBLEMS_MAX } from '../../../src/config/problems.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { CONFIG_FILE_BYTES_MAX } from '../../../src/config/read-file.ts'

const RECIPIENT = 'age1c0nxh0f50tw84j2zn3sv84ugh24mu92jvr64mfwrzrlqwhxz844qrp9h6y'

describe('without a file and variables', () => {
  test('every value is the default and says so', () => {
    const loaded = load(undefined)
    expect(new Set(loaded.origins.values())).toEqual(new Set(['default']))
    expect(loaded.file).toBeUndefined()
    expect(loaded.config).toMatchObject({
      sip: {
        listen: [
          { transport: 'udp', address: '0.0.0.0', port: 5060 },
          { transport: 'tcp', address: '0.0.0.0', port: 5060 },
        ],
        advertise: undefined,
      },
      rtp: { address: '0.0.0.0', portMin: 16_384, portMax: 32_767, receiveBufferBytes: 1024 * 1024 },
      http: { listen: { address: '127.0.0.1', port: 8080 } },
      telemetry: { listen: { address: '127.0.0.1', port: 9464 } },
      database: { url: undefined },
      storage: { kind: 'folder', folder: { path: undefined }, s3: undefined },
      recording: { layout: 'separate', chunkSeconds: 15, mediaTimeoutMs: 3_600_000 },
      drainTimeoutMs: 20_000,
      sources: [],
    })
  })

  test('the number of workers is that of the cores, and the data folder is absolute', () => {
    const { config } = load(undefined)
    expect(config.media.workers).toBe(availableParallelism())
    expect(isAbsolute(config.dataDir)).toBe(true)
  })
})

describe('a file', () => {
  test('gives its values with file, line and column as origin', () => {
    const loaded = load('rtp:\n  portMin: 20000\n  portMax: 20999\ndrainTimeout: 5m\n')
    expect(loaded.config.rtp.portMin).toBe(20_000)
    expect(loaded.config.drainTimeoutMs).toBe(300_000)
    expect(loaded.origins.get('rtp.portMin')).toBe('test.yaml:2:12')
    expect(loaded.origins.get('drainTimeout')).toBe('test.yaml:4:15')
    expect(loaded.origins.get('rtp.address')).toBe('default')
  })

  test('a list in it replaces the default list', () => {
    const { config } = load('sip: { listen: ["tcp:[::1]:0"] }')
    expect(config.sip.listen).toEqual([{ transport: 'tcp', address: '::1', port: 0 }])
  })

  test('a group or list with everything below it commented out keeps its defaults', () => {
    expect(load('rtp:\n#  portMin: 2\nsources:\nsip: ~\n').raw).toEqual(load('').raw)
  })

  test('an empty file is fine', () => {
    expect(load('').file).toBe('test.yaml')
    expect(load('# nothing yet\n').file).toBe('test.yaml')
  })

  test('anchors and aliases work', () => {
    const loaded = load(
      'sources:\n- {name: a, address: 192.0.2.1, tenant: &t berlin}\n- {name: b, address: 192.0.2.2, tenant: *t}\n',
    )
    expect(loaded.config.sources.map((source) => source.tenant)).toEqual(['berlin', 'berlin'])
  })

  test('sources get the defaults of the keys they leave out', () => {
    const loaded = load('sources:\n  - name: sbc-1\n    address: 192.0.2.0/24\n')
    expect(loaded.config.sources).toEqual([{ ...SOURCE_DEFAULTS, name: 'sbc-1', address: ['192.0.2.0/24'] }])
    expect(loaded.origins.get('sources[0].tenant')).toBe('default')
    expect(loaded.origins.get('sources[0].name')).toBe('test.yaml:2:11')
  })

  test('a key that is a property of every object is still unknown', () => {
    expect(briefly(problemsOf('__proto__: 1\nconstructor: 2\nrtp: {toString: 3}\n'))).toEqual([
      'config-unknown-key test.yaml:1:1',
      'config-unknown-key test.yaml:2:1',
      'config-unknown-key test.yaml:3:7',
    ])
  })
})

describe('mistakes in a file', () => {
  test('an unknown key is told with its place and what was meant', () => {
    expect(problemsOf('rtp:\n  portMn: 20000\n')).toEqual([
      {
        code: 'config-unknown-key',
        where: 'test.yaml:2:3',
        sentence: 'there is no key "rtp.portMn".',
        hint: 'Did you mean "portMin"?',
      },
    ])
  })

  test('an unknown key that resembles nothing gets the list of keys', () => {
    expect(problemsOf('telemetry: { prometheus: true }')[0]?.hint).toBe('Known here: listen.')
  })

  test('all mistakes are told together', () => {
    const yaml = 'rtp:\n  portMn: 1\n  portMax: x\nlog: {level: inof}\nhttp: {listen: "localhost:80"}\n'
    expect(briefly(problemsOf(yaml, { EARWITNESS_LOG_LEVL: 'info' }))).toEqual([
      'config-unknown-key test.yaml:2:3',
      'config-invalid-value test.yaml:3:12',
      'config-invalid-value test.yaml:4:14',
      'config-invalid-value test.yaml:5:16',
      'config-unknown-variable env EARWITNESS_LOG_LEVL',
    ])
  })

  test('more than the bound are counted, not listed', () => {
    const yaml = Array.from({ length: PROBLEMS_MAX + 7 }, (_, index) => `unknown${index}: 1\n`).join('')
    const problems = problemsOf(yaml)
    expect(problems).toHaveLength(PROBLEMS_MAX + 1)
    expect(problems.at(-1)?.sentence).toBe('7 more problems are not shown.')
  })

  test.each([
    ['log: {level: inof}', 'Did you mean info? It is one of trace, debug, info, warn, error.'],
    ['drainTimeout: 20', 'Write a duration with its unit: 250ms, 20s, 5m, 1h, 2d.'],
    ['drainTimeout: "20"', 'Write a duration with its unit: 250ms, 20s, 5m, 1h, 2d.'],
    ['drainTimeout: 25h', 'Give a value from 0s to 24h.'],
    ['rtp: {receiveBuffer: 1MB}', 'Write a size with its unit: 512B, 64KiB, 4MiB, 1GiB.'],
    ['rtp: {receiveBuffer: 1KiB}', 'Give a value from 16KiB to 64MiB.'],
    ['recording: {chunkSeconds: 0}', 'Give a value from 1 to 300.'],
    ['sources: [{name: 5, address: 192.0.2.1}]', 'Put it in quotes: "5".'],
    ['sip: {listen: []}', 'Give at least one item, or leave the key out for its default.'],
    ['sip: {listen: "udp:0.0.0.0:5060"}', 'Write [a, b], or each item on its own line after "- ".'],
  ])('%s is refused with a hint', (yaml, hint) => {
    expect(problemsOf(yaml).map((problem) => problem.hint)).toEqual([hint])
  })

  test('a key given twice is told as that', () => {
    expect(briefly(problemsOf('log: {level: info}\nlog: {level: warn}\n'))).toEqual([
      'config-duplicate-key test.yaml:2:1',
    ])
  })

  test('what is not YAML is told with its place, and nothing else is', () => {
    expect(briefly(problemsOf('rtp:\n\tportMin: 2\nunknown: 1\n'))).toContain('config-syntax test.yaml:2:1')
    expect(problemsOf('rtp: [\nunknown: 1').every((problem) => problem.code === 'config-syntax')).toBe(true)
  })

  test('several documents in one file are refused', () => {
    expect(problemsOf('log: {level: info}\n---\nlog: {level: warn}\n')[0]?.code).toBe('config-syntax')
  })

  test('a file that is no map is refused', () => {
    expect(problemsOf('just text')[0]?.sentence).toBe('The file wants keys below it.')
  })

  test('a source without a name is told', () => {
    expect(problemsOf('sources: [{tenant: berlin}]').map((problem) => problem.sentence)).toEqual([
      'sources[0].name is missing.',
    ])
  })

  test('keys of later releases get a clear answer', () => {
    expect(briefly(problemsOf('retention: {days: 5}'))).toEqual(['config-not-supported-yet test.yaml:1:1'])
  })
})

describe('TLS', () => {
  const tls = (keys: string) => `sip:\n  listen: ["tls:0.0.0.0:5061"]\n  tls: {${keys}}\n`

  test('has absolute paths, and none without both certificate and key', () => {
    const { config } = load(tls('certFile: tls/srs.pem, keyFile: /etc/srs.key, caFile: ca.pem, requestCert: true'))
    const { certFile, keyFile, caFile, requestCert } = config.sip.tls!
    expect([isAbsolute(certFile), keyFile, isAbsolute(caFile!), requestCert]).toEqual([
      true,
      '/etc/srs.key',
      true,
      true,
    ])
    expect(load('sip: {tls: {certFile: a.pem}}').config.sip.tls).toBeUndefined()
  })

  test('needs certificate and key where it is listened for, and a CA of its own to ask for certificates', () => {
    expect(briefly(problemsOf(tls('certFile: a.pem')))).toEqual(['config-conflict test.yaml:2:12'])
    const asking = tls('certFile: a.pem, keyFile: a.key, requestCert: true')
    expect(briefly(problemsOf(asking))).toEqual(['config-conflict test.yaml:3:55'])
  })
})

test('a key for vCons without its certificate is refused', () => {
  const problems = problemsOf('signer: {certificateKeyFile: rsa.pem}')
  expect(briefly(problems)).toEqual(['config-conflict test.yaml:1:30'])
  expect(load('signer: {certificateKeyFile: rsa.pem, certificateFile: rsa.crt}').config.signer).toEqual({
    keyFile: undefined,
    certificateFile: expect.stringMatching(/rsa.crt$/) as string,
    certificateKeyFile: expect.stringMatching(/rsa.pem$/) as string,
  })
})

describe('the file itself', () => {
  test('one that is named must exist', () => {
    expect(() => loadConfig({ file: 'missing.yaml', env: {}, cwd: tmpdir() })).toThrow(
      expect.objectContaining({ code: 'config-not-found' }),
    )
    expect(() => loadConfig({ env: { EARWITNESS_CONFIG: 'missing.yaml' }, cwd: tmpdir() })).toThrow(
      expect.objectContaining({ code: 'config-not-found' }),
    )
  })

  test('a directory, and bytes that are not UTF-8, cannot be read', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'earwitness-config-'))
    writeFileSync(join(cwd, 'latin1.yaml'), Uint8Array.of(0x61, 0x3a, 0x20, 0xe9))
    for (const file of ['.', 'latin1.yaml']) {
      expect(() => loadConfig({ file, env: {}, cwd })).toThrow(expect.objectContaining({ code: 'config-unreadable' }))
    }
    rmSync(cwd, { recursive: true })
  })

  test('one that is too large is not parsed', () => {
    expect(briefly(problemsOf('#'.repeat(CONFIG_FILE_BYTES_MAX + 1)))).toEqual(['config-too-large test.yaml'])
    expect(problemsOf('#'.repeat(CONFIG_FILE_BYTES_MAX))).toEqual([])
  })
})

describe('rules across keys', () => {
  test.each([
    ['rtp: {portMin: 20001, portMax: 20999}', 'rtp.portMin is 20001, which is odd.'],
    ['rtp: {portMin: 20000, portMax: 20998}', 'rtp.portMax is 20998, which is even.'],
    ['rtp: {portMin: 20010, portMax: 20009}', 'rtp.portMax (20009) is below rtp.portMin (20010).'],
    [
      'sip: {listen: ["udp:127.0.0.1:5060", "udp:0.0.0.0:5060"]}',
      'sip.listen[1] and sip.listen[0] both want udp:0.0.0.0:5060.',
    ],
    [
      'sip: {listen: ["udp:127.0.0.1:20000"]}',
      'sip.listen[0] takes port 20000, which lies in the RTP range 16384 to 32767.',
    ],
    ['telemetry: {listen: "127.0.0.1:8080"}', 'telemetry.listen and http.listen both want tcp:127.0.0.1:8080.'],
    [
      'sources: [{name: a, address: 192.0.2.1}, {name: a, address: 192.0.2.2}]',
      'sources[1] and sources[0] are both called "a".',
    ],
    [
      'sources: [{name: a, address: 192.0.2.0/24}, {name: b, address: 192.0.2.2}]',
      'sources[1] never matches: sources[0] covers 192.0.2.2 and comes first.',
    ],
    [
      'sources: [{name: other, address: 192.0.2.1}]',
      'sources[0].name is "other", which stands for every SRC that is not listed.',
    ],
    [
      'sources: [{name: a, address: 192.0.2.1/24}]',
      'sources[0].address[0] names one address and a whole network in "192.0.2.1/24".',
    ],
  ])('%s is refused', (yaml, sentence) => {
    expect(problemsOf(yaml).map((problem) => problem.sentence)).toEqual([sentence])
  })

  test.each([
    'rtp: {portMin: 20000, portMax: 20001}',
    'sip: {listen: ["udp:127.0.0.1:0", "udp:127.0.0.1:0"]}',
    'sip: {listen: ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "udp:[::1]:5060"]}',
    'sources: [{name: b, address: 192.0.2.2}, {name: a, address: 192.0.2.0/24}]',
    `vault: {recipients: [${RECIPIENT}]}`,
  ])('%s is accepted', (yaml) => {
    expect(problemsOf(yaml)).toEqual([])
  })

  test('a key that is wrong already is not blamed twice', () => {
    expect(briefly(problemsOf('rtp: {portMin: abc, portMax: 10001}'))).toEqual(['config-invalid-value test.yaml:1:16'])
  })
})

describe('secrets', () => {
  const PASSWORD_URL = 'postgres://recorder:swordfish@db.example.com/earwitness'

  test('are taken from the text, a file, or a variable', () => {
    expect(load(`database: {url: "${PASSWORD_URL}"}`).config.database.url).toBe(PASSWORD_URL)
    expect(load('database: {url: "env:DATABASE"}', { DATABASE: PASSWORD_URL }).config.database.url).toBe(PASSWORD_URL)
    const cwd = mkdtempSync(join(tmpdir(), 'earwitness-config-'))
    writeFileSync(join(cwd, 'secret'), `${PASSWORD_URL}\n`)
    expect(load(`database: {url: "file:${cwd}/secret"}`).config.database.url).toBe(PASSWORD_URL)
    rmSync(cwd, { recursive: true })
  })

  test('that cannot be found are told without guessing', () => {
    expect(briefly(problemsOf('database: {url: "env:NOT_SET"}'))).toEqual(['config-secret-missing test.yaml:1:17'])
    expect(briefly(problemsOf('database: {url: "file:/nonexistent/secret"}'))).toEqual([
      'config-secret-missing test.yaml:1:17',
    ])
  })

  test('never appear in a message or among the effective values', () => {
    const wrong = problemsOf('database: {url: "mysql://recorder:swordfish@db.example.com"}')
    expect(briefly(wrong)).toEqual(['config-invalid-value test.yaml:1:17'])
    expect(JSON.stringify(wrong)).not.toContain('swordfish')
    expect(JSON.stringify(problemsOf('database: {url: [swordfish]}'))).not.toContain('swordfish')
    const values = effectiveValues(load(`database: {url: "${PASSWORD_URL}"}`))
    expect(values.find((value) => value.path === 'database.url')?.value).toBe(MASK)
    expect(JSON.stringify(values)).not.toContain('swordfish')
  })

  test('a private key among the recipients is refused and not repeated', () => {
    const key = 'AGE-SECRET-KEY-1MXNEYNRJ2RQTX0Z96GTGTRVY9MMQXP6C9AALYN933HDQ5E65RJ7S8WX7JX'
    const problems = problemsOf(`vault: {recipients: [${key}]}\nlog: {level: ${key}}`)
    expect(problems.map((problem) => problem.sentence)).toEqual([
      'vault.recipients[0] holds a private key.',
      'log.level does not know "***".',
    ])
  })

  test('a recipient with a typing mistake is refused', () => {
    expect(problemsOf(`vault: {recipients: [${RECIPIENT.replace('c0n', 'c0m')}]}`)[0]?.hint).toContain('checksum')
  })
})
