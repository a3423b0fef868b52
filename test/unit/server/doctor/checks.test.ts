import { generateKeyPairSync } from 'node:crypto'

import { expect, test } from 'vitest'

import { loadConfig } from '../../../../src/config/load.ts'
import { EarwitnessError } from '../../../../src/errors.ts'
import type { DatabaseReport } from '../../../../src/server/database/database-report.ts'
import { diagnose } from '../../../../src/server/doctor/diagnose.ts'
import type { Finding, Verdict } from '../../../../src/server/doctor/finding.ts'
import type { LedgerReport } from '../../../../src/server/doctor/ledger-report.ts'
import type { Probes } from '../../../../src/server/doctor/probes.ts'
import type { WitnessReport } from '../../../../src/server/doctor/witness-report.ts'
import type { S3Report } from '../../../../src/server/storage/s3/s3-report.ts'
import { vault } from '../../../support/recording-rig.ts'
import { rsaVault, vectorPath } from '../../../vectors/evidence/sample-recording.ts'

/** The checks on machines that are made up: one on which all is well, and the same with one thing changed. */
const GIB = 1024 ** 3
const FILES: Readonly<Record<string, string>> = {
  '/proc/sys/net/core/rmem_max': '4194304\n',
  '/proc/self/limits':
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            20000                20000                files\n',
  '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
  '/data/keys/vault.recipient': `${vault.recipient}\n`,
  '/data/keys/signer.pem': generateKeyPairSync('ed25519')
    .privateKey.export({ format: 'pem', type: 'pkcs8' })
    .toString(),
}
const DECODERS =
  ' V..... h264  x\n A....D g729  G.729\n A....D g723_1 G\n A....D g726 G\n A....D amrnb A\n A....D amrwb A\n A....D ilbc i\n A....D gsm g\n A....D speex s\n'

const FINE_BUCKET: S3Report = { condition: 'honoured', objectLock: 'off', clockOffsetMs: 400 }
const BUCKET = { EARWITNESS_STORAGE_KIND: 's3', EARWITNESS_STORAGE_S3_BUCKET: 'recordings' }
const SECOND_BUCKET = { EARWITNESS_STORAGE_REPLICA_KIND: 's3', EARWITNESS_STORAGE_REPLICA_S3_BUCKET: 'second' }

const KMS = {
  ...{ EARWITNESS_VAULT_KIND: 'aws-kms', EARWITNESS_VAULT_AWS_KMS_KEYS_0_KEY: 'alias/recordings' },
  EARWITNESS_VAULT_AWS_KMS_KEYS_0_PUBLIC_KEY_FILE: vectorPath('rsa-vault/aws-kms.pub.pem'),
}

interface Machine extends Partial<Probes> {
  readonly files?: Readonly<Record<string, string | undefined>>
  readonly modes?: Readonly<Record<string, number>>
}

function probesOf({ files = {}, modes = {}, ...probes }: Machine = {}): Probes {
  const all: Readonly<Record<string, string | undefined>> = { ...FILES, ...files }
  const allModes: Readonly<Record<string, number>> = {
    '/data/keys/signer.pem': 0o100600,
    '/run/systemd/timesync/synchronized': 0o100644,
    ...modes,
  }
  return {
    nodeVersion: '24.21.0',
    pinnedNodeVersion: '24.21.0',
    readText: async (path) => all[path],
    fileMode: async (path) => (allModes[path] === -1 ? undefined : allModes[path]),
    bind: async () => undefined,
    reach: async () => undefined,
    output: async (command) => (command === 'ffmpeg' ? DECODERS : undefined),
    freeBytes: async () => 100 * GIB,
    names: async () => [],
    write: async () => undefined,
    daemonPid: () => undefined,
    addon: () => 'loaded',
    encodeAndDecode: async () => undefined,
    database: async () => undefined,
    bucket: async () => FINE_BUCKET,
    vaultKey: async () => undefined,
    signerProblem: async () => undefined,
    prompts: async () => [{ id: 'recording-notice', language: 'en' }],
    transcribes: async () => true,
    ledger: async () => undefined,
    witnesses: async () => [],
    ...probes,
  }
}

async function findings(
  machine: Machine = {},
  env: Readonly<Record<string, string>> = {},
): Promise<readonly Finding[]> {
  const { config } = loadConfig({ env: { EARWITNESS_DATA_DIR: '/data', ...env }, cwd: '/' })
  return diagnose(config, probesOf(machine))
}

/** What is not ok, as `check verdict`. */
async function complaints(machine: Machine, env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const bad = (await findings(machine, env)).filter(({ verdict }) => verdict !== 'ok')
  for (const { hint } of bad) expect(hint).toMatch(/\S/u)
  return bad.map(({ check, verdict }) => `${check} ${verdict}`)
}

const udpLine = (port: number): string =>
  `  1: 00000000:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 1 2 0 0\n`
const DATABASE = { EARWITNESS_DATABASE_URL: 'postgres://db.example.com/x?sslmode=verify-full' }
const FINE_DATABASE: DatabaseReport = {
  ...{ version: '15.18', majorVersion: 15, isLocal: false, isEncrypted: true },
  ...{ tables: 17, destructibleTables: 0 },
}
const away = new EarwitnessError('database-unreachable', 'The database at db:5432/x cannot be reached.', 'Check it.')

test('all is well: every check says so in a sentence', async () => {
  const all = await findings()
  expect(all.filter(({ verdict }) => verdict !== 'ok')).toEqual([])
  expect(all.map(({ check }) => check)).toEqual([
    ...['node', 'receiver', 'opus', 'ffmpeg', 'receive-buffer', 'descriptors', 'rtp-ports', 'ephemeral-ports'],
    ...['rtp-address', 'sip', 'sip', 'http', 'telemetry', 'data', 'storage', 'database', 'vault', 'signer', 'clock'],
    'ledger',
  ])
  for (const { sentence } of all) expect(sentence).toMatch(/^[\S ]+\.$/u)
})

const WAITING = { coveredSize: 3, silentMs: 3_600_000 }

function witness(fault: WitnessReport['fault']): Machine {
  return { witnesses: async () => [{ name: 'witness.example.com', size: 6, fault }] }
}

function ledger(change: Partial<LedgerReport>): Machine {
  const report = {
    ...{ logId: '019aaff1-0680-7abc-8def-0123456789aa', findings: [], size: 5, coveredSize: 5, silentMs: 0 },
    ...{ coveredAt: '2026-11-29T09:00:00.000Z', requestsWaiting: 0, ...change },
  }
  return { ledger: async () => report }
}

const ANNOUNCER = { EARWITNESS_ANNOUNCEMENTS_ENABLED: 'true' }
const TRANSCRIBER = { EARWITNESS_CONSENT_TRANSCRIBER_COMMAND: 'transcribe' }

const CASES: readonly (readonly [what: string, Machine, readonly string[], Record<string, string>?])[] = [
  ['a ledger that was changed', ledger({ findings: ['log-rewritten'] }), ['ledger fail']],
  ['a ledger of another key', ledger({ findings: ['statement-unknown-signer', 'x'] }), ['ledger warn']],
  ['a ledger that waits for a checkpoint', { ...ledger(WAITING), daemonPid: () => 1 }, ['ledger warn']],
  ['the same of a recorder that was killed', ledger(WAITING), []],
  ['a witness that signs', witness(undefined), []],
  [
    'a witness without a ledger to ask about',
    { witnesses: async () => [{ name: 'witness.example.com', size: undefined, fault: undefined }] },
    [],
  ],
  ['a witness that is away', witness('away'), ['ledger-witness warn']],
  ['a witness that does not know this recorder', witness('refused'), ['ledger-witness warn']],
  ['a witness that has seen more', witness('ahead'), ['ledger-witness fail']],
  ['a witness that has seen something else', witness('forked'), ['ledger-witness fail']],
  ['many accesses that wait', { ...ledger({ requestsWaiting: 1_001 }), daemonPid: () => 1 }, ['ledger-requests warn']],
  ['another Node', { nodeVersion: '20.1.0' }, ['node warn']],
  ['no module in C', { addon: () => 'absent' }, ['receiver warn']],
  ['no module in C, and nobody wants it', { addon: () => 'absent' }, [], { EARWITNESS_MEDIA_RECEIVER: 'dgram' }],
  [
    'no module in C, and it is asked for',
    { addon: () => 'unloadable' },
    ['receiver fail'],
    { EARWITNESS_MEDIA_RECEIVER: 'native' },
  ],
  ['an Opus engine that does not load', { encodeAndDecode: async () => 'no module' }, ['opus fail']],
  ['no FFmpeg', { output: async () => undefined }, ['ffmpeg warn']],
  ['an FFmpeg without AMR', { output: async () => DECODERS.replace('amrnb', 'x') }, ['ffmpeg warn']],
  ['small receive buffers', { files: { '/proc/sys/net/core/rmem_max': '212992\n' } }, ['receive-buffer warn']],
  [
    'a limit of 1024 open files',
    { files: { '/proc/self/limits': 'Max open files   1024   4096   files\n' } },
    ['descriptors warn'],
  ],
  [
    'no limit of open files',
    { files: { '/proc/self/limits': 'Max open files   unlimited   unlimited   files\n' } },
    [],
  ],
  [
    'another system than Linux',
    {
      files: Object.fromEntries(
        Object.keys(FILES)
          .filter((path) => path.startsWith('/proc'))
          .map((path) => [path, undefined]),
      ),
    },
    ['receive-buffer warn', 'descriptors warn', 'ephemeral-ports warn'],
  ],
  ['a short range of ports', {}, ['rtp-ports warn'], { EARWITNESS_RTP_PORT_MAX: '17383' }],
  ['few ports taken by others', { files: { '/proc/net/udp': udpLine(16_384) + udpLine(5_060) } }, []],
  [
    'so many that not enough are left',
    { files: { '/proc/net/udp': Array.from({ length: 1_100 }, (_, at) => udpLine(16_384 + at)).join('') } },
    ['rtp-ports warn'],
    { EARWITNESS_RTP_PORT_MAX: '18431' },
  ],
  [
    'ports that the system hands out',
    { files: { '/proc/sys/net/ipv4/ip_local_port_range': '10000 65535' } },
    ['ephemeral-ports warn'],
  ],
  [
    'the same, reserved',
    {
      files: {
        '/proc/sys/net/ipv4/ip_local_port_range': '10000 65535',
        '/proc/sys/net/ipv4/ip_local_reserved_ports': '8080,20000-32767,16000-20000\n',
      },
    },
    [],
  ],
  [
    'the same, reserved with a hole',
    {
      files: {
        '/proc/sys/net/ipv4/ip_local_port_range': '10000 65535',
        '/proc/sys/net/ipv4/ip_local_reserved_ports': '16000-20000,20002-32767\n',
      },
    },
    ['ephemeral-ports warn'],
  ],
  [
    'every port in use',
    { bind: async (_transport, _address, port) => (port === 0 ? undefined : 'EADDRINUSE') },
    ['sip fail', 'sip fail', 'http fail', 'telemetry fail'],
  ],
  [
    'every port in use by the recorder',
    { bind: async (_transport, _address, port) => (port === 0 ? undefined : 'EADDRINUSE'), daemonPid: () => 7 },
    [],
  ],
  [
    'a low port that may not be had, though the recorder runs',
    { bind: async (transport) => (transport === 'tcp' ? 'EACCES' : undefined), daemonPid: () => 7 },
    ['sip fail', 'http fail', 'telemetry fail'],
  ],
  [
    'an RTP address of another machine',
    { bind: async (_transport, _address, port) => (port === 0 ? 'EADDRNOTAVAIL' : undefined) },
    ['rtp-address fail'],
  ],
  ['nothing writable', { write: async () => 'EACCES' }, ['data fail', 'storage fail']],
  [
    'objects that the store refused for good',
    {
      names: async (folder) =>
        folder === '/data/spool/objects' ? ['.refused-a~b~chunk-000000.age', 'a~b~chunk-000001.age'] : [],
    },
    ['spool-refused warn'],
  ],
  ['little room', { freeBytes: async () => 5 * GIB }, ['data warn', 'storage warn']],
  ['no room', { freeBytes: async () => 1_000_000 }, ['data fail', 'spool fail', 'storage fail']],
  [
    'less room than is to stay free',
    { freeBytes: async (path) => (path === '/data' ? 50 * GIB : 100 * GIB) },
    ['spool fail'],
    { EARWITNESS_SPOOL_MIN_FREE: '60GiB' },
  ],
  [
    'a bucket in which all is well',
    { write: async (folder) => (folder === '/data' ? undefined : 'EACCES') },
    [],
    BUCKET,
  ],
  ['a lock that holds', { bucket: async () => ({ ...FINE_BUCKET, objectLock: 'enforced' }) }, [], BUCKET],
  [
    'a bucket whose server ignores what it accepts, and has another time',
    { bucket: async () => ({ condition: 'ignored', objectLock: 'ignored', clockOffsetMs: -60_000 }) },
    ['storage-condition warn', 'storage-lock fail', 'storage-clock warn'],
    BUCKET,
  ],
  [
    'a replica in a bucket that is not there',
    { bucket: async ({ bucket }) => (bucket === 'second' ? away : FINE_BUCKET) },
    ['storage-replica fail'],
    { ...BUCKET, ...SECOND_BUCKET },
  ],
  [
    'a replica in a folder without room',
    { freeBytes: async (path) => (path === '/mnt/second' ? 1_000_000 : 100 * GIB) },
    ['storage-replica fail'],
    { EARWITNESS_STORAGE_REPLICA_KIND: 'folder', EARWITNESS_STORAGE_REPLICA_FOLDER_PATH: '/mnt/second' },
  ],
  ['a bucket that is not there', { bucket: async () => away }, ['storage fail'], BUCKET],
  ['a database that is away', { database: async () => away }, ['database fail']],
  ['a database as it should be', { database: async () => FINE_DATABASE }, [], DATABASE],
  ['one that has no tables yet', { database: async () => ({ ...FINE_DATABASE, tables: 0 }) }, [], DATABASE],
  [
    'an old database, far away in clear, whose user could empty it',
    {
      database: async () => ({ ...FINE_DATABASE, majorVersion: 12, isEncrypted: false, destructibleTables: 17 }),
    },
    ['database-version warn', 'database-tls warn', 'database-role warn'],
    DATABASE,
  ],
  [
    'a database that could be another',
    { database: async () => FINE_DATABASE },
    ['database-tls warn'],
    { EARWITNESS_DATABASE_URL: 'postgres://db.example.com/x?sslmode=require' },
  ],
  ['the private half on the recorder', { modes: { '/data/keys/vault.agekey': 0o100600 } }, ['vault-private-half warn']],
  ['a damaged recipient', { files: { '/data/keys/vault.recipient': 'age1nonsense' } }, ['vault fail']],
  ['keys of a service, on a recorder without credentials', {}, [], KMS],
  ['a key of a service that is pinned', { vaultKey: async () => rsaVault['aws-kms'] }, [], KMS],
  [
    'one that is another than the service has',
    { vaultKey: async () => rsaVault['vault-transit'] },
    ['vault-service fail'],
    KMS,
  ],
  ['keys of a service that is not the kind', {}, ['vault-keys-unused warn'], { ...KMS, EARWITNESS_VAULT_KIND: 'age' }],
  [
    'such keys that are retired',
    {},
    [],
    { ...KMS, EARWITNESS_VAULT_KIND: 'age', EARWITNESS_VAULT_AWS_KMS_KEYS_0_RETIRED: 'true' },
  ],
  ['a service that is away', { vaultKey: async () => away }, ['vault-service warn'], KMS],
  ['a signing key that others may read', { modes: { '/data/keys/signer.pem': 0o100644 } }, ['signer warn']],
  ['a signing key that is none', { signerProblem: async () => 'notEd25519' }, ['signer fail']],
  ['a signing key that cannot be read', { files: { '/data/keys/signer.pem': undefined } }, ['signer fail']],
  ['no signing key where one should be', {}, ['signer fail'], { EARWITNESS_SIGNER_KEY_FILE: '/elsewhere/signer.pem' }],
  [
    'keys not made yet',
    { files: { '/data/keys/vault.recipient': undefined }, modes: { '/data/keys/signer.pem': -1 } },
    [],
  ],
  ['prompts as they should be', {}, [], ANNOUNCER],
  ['prompts that nobody plays', { prompts: async () => away }, []],
  ['a transcriber that works', {}, [], TRANSCRIBER],
  ['a transcriber that does not', { transcribes: async () => false }, ['transcriber warn'], TRANSCRIBER],
  ['prompts that cannot be read', { prompts: async () => away }, ['prompts fail'], ANNOUNCER],
  ['a prompt that is not there', {}, ['prompts fail'], { ...ANNOUNCER, EARWITNESS_ANNOUNCEMENTS_PROMPTS: 'other' }],
  [
    'one that is there in another language',
    {},
    ['prompts-language warn'],
    { ...ANNOUNCER, EARWITNESS_ANNOUNCEMENTS_LANGUAGE: 'de' },
  ],
  ['a clock that nobody answers for', { modes: { '/run/systemd/timesync/synchronized': -1 } }, ['clock warn']],
  [
    'a check that throws',
    {
      encodeAndDecode: () => {
        throw new TypeError('broken')
      },
    },
    ['doctor warn'],
  ],
]

test.each(CASES.map(([what, machine, expected, env]) => ({ what, machine, expected, env })))(
  '$what',
  async ({ machine, expected, env }) => {
    expect(await complaints(machine, env ?? {})).toEqual(expected)
  },
)

test.each<[string, string, string, Verdict]>([
  [
    'chronyc',
    'chrony',
    'A9FEA97B,192.0.2.1,4,1764376063.9,-0.00001,0.00002,0.00005,1.2,0.001,0.02,0.0003,0.0004,64.5,Normal\n',
    'ok',
  ],
  ['chronyc', 'chrony without a server', '00000000,,0,0.0,0,0,0,0,0,0,1,1,0.0,Not synchronised\n', 'warn'],
  ['timedatectl', 'systemd', 'yes\n', 'ok'],
  ['timedatectl', 'systemd, not synchronised', 'no\n', 'warn'],
  ['timedatectl', 'something else', 'maybe\n', 'warn'],
])('the clock as %s tells it: %s', async (program, _what, answer, verdict) => {
  const all = await findings({
    modes: { '/run/systemd/timesync/synchronized': -1 },
    output: async (command) => (command === program ? answer : undefined),
  })
  expect(all.find(({ check }) => check === 'clock')?.verdict).toBe(verdict)
})

test('behind drachtio-server its admin port is what counts', async () => {
  const env = { EARWITNESS_SIP_ENGINE: 'drachtio', EARWITNESS_SIP_DRACHTIO_SECRET: 'secret' }
  expect(await complaints({}, env)).toEqual([])
  expect(await complaints({ reach: async () => 'ECONNREFUSED' }, env)).toEqual(['sip warn'])
  const listening = { ...env, EARWITNESS_SIP_DRACHTIO_MODE: 'listen' }
  expect(
    await complaints({ bind: async (_t, _a, port) => (port === 0 ? undefined : 'EADDRINUSE') }, listening),
  ).toContain('sip fail')
})
