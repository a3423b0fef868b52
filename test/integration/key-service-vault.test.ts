import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import {
  closedRecordings,
  makeDataDir,
  removeDataDir,
  runCommandHere,
  startDaemon,
  type CommandResult,
  type RunningDaemon,
} from '../support/daemon.ts'
import {
  KMS_CREDENTIALS,
  KMS_KEY,
  startKeyService,
  TRANSIT_KEY,
  TRANSIT_NAMESPACE,
  TRANSIT_TOKEN,
  type TestKeyService,
} from '../support/key-service/key-service.ts'
import { objectFolder } from '../support/recorded.ts'
import { simulatedRecording } from '../support/simulated.ts'
import { rsaVault, vectorPath, vectorText } from '../vectors/evidence/sample-recording.ts'

const run = promisify(execFile)

/**
 * A recorder that has the public half of a key of a key service and nothing else, somebody at a desk who may ask the service, and an auditor who has the tools of a distribution. The service
 * is that of `test/support/key-service`.
 */
let dataDir: string
let desk: string
let daemon: RunningDaemon
let service: TestKeyService
let recordingId: string

const KEYS = {
  EARWITNESS_VAULT_AWS_KMS_KEYS_0_KEY: KMS_KEY,
  EARWITNESS_VAULT_AWS_KMS_KEYS_0_PUBLIC_KEY_FILE: vectorPath('rsa-vault/aws-kms.pub.pem'),
}

beforeAll(async () => {
  dataDir = await makeDataDir()
  desk = await mkdtemp(join(tmpdir(), 'earwitness-kms-'))
  service = await startKeyService()
  // Nobody asks the network of a cloud for credentials.
  const env = {
    ...{ EARWITNESS_VAULT_KIND: 'aws-kms', ...KEYS, AWS_EC2_METADATA_DISABLED: 'true' },
    // Nor do those of whoever runs the tests leave the machine: nobody listens there.
    ...{ AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:9', AWS_REGION: 'eu-central-1' },
    ...{ AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_CONFIG_FILE: '/dev/null' },
  }
  daemon = await startDaemon(dataDir, env)
  recordingId = await simulatedRecording(daemon, '--duration', '2s')
  await closedRecordings(daemon, 1)
})

afterAll(async () => {
  await daemon.stop()
  await service.stop()
  await removeDataDir(dataDir)
  await rm(desk, { recursive: true, force: true })
})

/** At the desk: the same configuration, and what it takes to ask both services. */
function command(...args: readonly string[]): Promise<CommandResult> {
  const { accessKeyId, secretAccessKey } = KMS_CREDENTIALS
  return runCommandHere(args, {
    PATH: process.env['PATH'],
    ...{ EARWITNESS_DATA_DIR: dataDir, EARWITNESS_HTTP_LISTEN: daemon.http.replace('http://', '') },
    ...{ EARWITNESS_VAULT_KIND: 'aws-kms', ...KEYS, EARWITNESS_VAULT_AWS_KMS_ENDPOINT: service.url },
    EARWITNESS_VAULT_AWS_KMS_REQUEST_TIMEOUT: '5s',
    ...{ EARWITNESS_VAULT_AWS_KMS_ACCESS_KEY_ID: 'env:KMS_ID', KMS_ID: accessKeyId },
    ...{ EARWITNESS_VAULT_AWS_KMS_SECRET_ACCESS_KEY: 'env:KMS_SECRET', KMS_SECRET: secretAccessKey },
    EARWITNESS_VAULT_VAULT_TRANSIT_KEYS_0_KEY: TRANSIT_KEY,
    EARWITNESS_VAULT_VAULT_TRANSIT_KEYS_0_PUBLIC_KEY_FILE: vectorPath('rsa-vault/vault-transit.pub.pem'),
    EARWITNESS_VAULT_VAULT_TRANSIT_ADDRESS: service.url,
    ...{
      EARWITNESS_VAULT_VAULT_TRANSIT_MOUNT: 'teams/transit',
      EARWITNESS_VAULT_VAULT_TRANSIT_NAMESPACE: TRANSIT_NAMESPACE,
    },
    ...{ EARWITNESS_VAULT_VAULT_TRANSIT_TOKEN: 'env:VAULT_TOKEN', VAULT_TOKEN: TRANSIT_TOKEN },
  })
}

async function keyFiles(): Promise<readonly string[]> {
  return (await readdir(objectFolder(daemon, recordingId))).filter((name) => name.startsWith('key')).toSorted()
}

test('the recorder has no private half, and needs neither service nor credentials', async () => {
  expect((await readdir(join(dataDir, 'keys'))).toSorted()).toEqual(['signer.pem', 'signer.pub.pem'])
  const header = await readFile(join(objectFolder(daemon, recordingId), 'key.age'), 'latin1')
  expect(header).toContain(`\n-> earwitness-rsa-oaep-sha256 aws-kms ${rsaVault['aws-kms'].fingerprint}\n`)
  const onRecorder = await daemon.command('export', recordingId, '-o', join(desk, 'recorder.ogg'))
  expect(onRecorder).toMatchObject({ code: 1 })
  expect(onRecorder.stderr).toMatch(/vault-service-(?:denied|away)/u)
  expect(service.log).toEqual([])
})

test('the service opens it, once for each command, and says what it was asked', async () => {
  const verified = await command('verify', recordingId, '--identity', 'aws-kms')
  expect(verified, verified.stderr).toMatchObject({ code: 0 })
  expect(verified.stdout).toContain('Opened with the vault key')
  expect(service.log).toEqual([`TrentService.Decrypt ${KMS_KEY}`])
  expect(await command('export', recordingId, '-o', join(desk, 'a.ogg'))).toMatchObject({ code: 0 })
  expect(await command('recordings', 'peaks', recordingId)).toMatchObject({ code: 0 })
  expect(service.log).toHaveLength(3)
  // What needs no key asks nobody.
  expect(await command('verify', recordingId)).toMatchObject({ code: 0 })
  expect(service.log).toHaveLength(3)
})

test('a service that is away keeps nobody from recording, and is not taken for tampering', async () => {
  service.fault = { status: 503, body: '{}' }
  const another = await simulatedRecording(daemon, '--duration', '1s')
  await closedRecordings(daemon, 2)
  const exported = await command('export', another, '-o', join(desk, 'away.ogg'))
  expect(exported).toMatchObject({ code: 1 })
  expect(exported.stderr).toContain('vault-service-away')
  expect(exported.stderr).toContain('Nothing is wrong with the recording')
  expect(await readdir(desk)).not.toContain('away.ogg')
  const verified = await command('verify', another, '--identity', 'aws-kms')
  expect(verified).toMatchObject({ code: 1, stdout: '' })
  expect(verified.stderr).toContain('vault-service-away')
  expect(await command('verify', another)).toMatchObject({ code: 0 })
  service.fault = undefined
  expect(await command('export', another, '-o', join(desk, 'back.ogg'))).toMatchObject({ code: 0 })
})

test('an auditor opens it with awk, base64, openssl and age, as VERIFY.md of the bundle says', async () => {
  const bundle = join(desk, 'sealed.zip')
  expect(await command('export', recordingId, '-o', bundle)).toMatchObject({ code: 0 })
  const folder = join(desk, 'sealed')
  await run('unzip', ['-q', bundle, '-d', folder])
  const text = await readFile(join(folder, 'VERIFY.md'), 'utf8')
  const decrypt = /DECRYPT='(openssl pkeyutl[^\n]*)'\n/u.exec(text)?.[1] ?? ''
  await writeFile(join(desk, 'private.pem'), vectorText('rsa-vault/aws-kms.pem'))
  const commands = Array.from(text.matchAll(/^```sh\n([\s\S]*?)^```$/gm), (match) => match[1] ?? '').join('')
  const env = {
    ...{ PATH: process.env['PATH'] ?? '', TMPDIR: desk, SIGNER: join(dataDir, 'keys', 'signer.pub.pem') },
    DECRYPT: decrypt.replace('private.pem', join(desk, 'private.pem')),
  }
  const check = (more: Readonly<Record<string, string>> = {}) =>
    run('bash', ['-eu', '-o', 'pipefail', '-c', commands], { cwd: folder, env: { ...env, ...more } })
  const ogg = (await check({ FINGERPRINT: rsaVault['aws-kms'].fingerprint })).stdout.trim().split('\n').at(-1) ?? ''
  const opened = join(desk, 'opened.zip')
  expect(await command('export', recordingId, '-o', opened, '--decrypted')).toMatchObject({ code: 0 })
  const heard = await run('unzip', ['-p', opened, 'opened/recording.ogg'], { encoding: 'buffer', maxBuffer: 2 ** 26 })
  expect((await readFile(ogg)).equals(heard.stdout)).toBe(true)
  await check()
  await expect(check({ FINGERPRINT: rsaVault['vault-transit'].fingerprint })).rejects.toThrow()
  await expect(check({ DECRYPT: '', VAULT: join(desk, 'private.pem') })).rejects.toThrow()
})

test('its public half is fetched, and never written over another file', async () => {
  const file = join(desk, 'fetched.pem')
  const fetched = await command('keys', 'fetch', 'aws-kms', KMS_KEY, '-o', file)
  expect(fetched, fetched.stderr).toMatchObject({ code: 0, stdout: `${rsaVault['aws-kms'].fingerprint}\n` })
  expect(await readFile(file, 'utf8')).toBe(vectorText('rsa-vault/aws-kms.pub.pem'))
  const again = await command('keys', 'fetch', 'vault-transit', `${TRANSIT_KEY}:1`, '-o', file)
  expect(again).toMatchObject({ code: 1 })
  expect(again.stderr).toContain('keys-file-exists')
  const second = await command('keys', 'fetch', 'vault-transit', `${TRANSIT_KEY}:2`, '-o', join(desk, 'second.pem'))
  expect(second.stderr).toContain('vault-key-missing')
  expect(await command('keys', 'fetch', 'aws-kms', '-o', file)).toMatchObject({ code: 2 })
})

test('keys go from one service to age, to the other service and back, over an outage', async () => {
  const newKey = join(desk, 'new.agekey')
  const recipient = (await command('keygen', '-o', newKey)).stdout.trim()
  const rotate = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await command('keys', 'rotate', ...args, '--all', '--json')
    return { code, stderr, counts: (JSON.parse(stdout) as { counts: object }).counts }
  }
  const toAge = ['--identity', 'aws-kms', '--to', recipient, '--check-with', newKey]
  service.fault = { status: 503, body: '{}' }
  expect(await rotate(...toAge)).toMatchObject({ code: 4, counts: { failed: 2, rotated: 0 } })
  expect(await keyFiles()).toEqual(['key.age'])
  service.fault = undefined
  expect(await rotate(...toAge)).toMatchObject({ code: 0, counts: { rotated: 2 } })
  const toTransit = ['--identity', newKey, '--to', 'vault-transit', '--check-with', 'vault-transit']
  expect(await rotate(...toTransit)).toMatchObject({ code: 0, counts: { rotated: 2 } })
  expect(await rotate(...toTransit)).toMatchObject({ code: 0, counts: { already: 2 } })
  expect(await keyFiles()).toEqual(['key-002.age'])
  const closed = await command('export', recordingId, '-o', join(desk, 'closed.ogg'))
  expect(closed.stderr).toContain('identity-wrong')
  expect(await rotate('--identity', 'vault-transit')).toMatchObject({ code: 0, counts: { rotated: 2 } })
  expect(await keyFiles()).toEqual(['key-003.age'])
  const verified = await command('verify', recordingId, '--identity', 'aws-kms')
  expect(verified, verified.stdout).toMatchObject({ code: 0 })
  expect(verified.stdout).toContain('Its key was sealed anew')
  const same = await command('keys', 'rotate', '--identity', 'aws-kms', '--all')
  expect(same.stderr).toContain('keys-same-vault')
})

test('the index comes back with people and notes, when the service is asked for', async () => {
  const sealed = await command('reindex', '--dry-run', '--json')
  expect(JSON.parse(sealed.stdout)).toMatchObject({ isSealed: true })
  const reindexed = await command('reindex', '--dry-run', '--identity', 'aws-kms', '--json')
  expect(JSON.parse(reindexed.stdout), reindexed.stdout).toMatchObject({ isSealed: false, recordings: 2, same: 2 })
})

test('the health of the vault is told', async () => {
  const { stdout } = await command('doctor', '--json')
  const findings = (JSON.parse(stdout) as { findings: { check: string; verdict: string; sentence: string }[] }).findings
  const about = findings.filter(({ check }) => check.startsWith('vault'))
  expect(about.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
    'vault ok',
    'vault-keys-unused warn',
    'vault-service ok',
    'vault-service ok',
  ])
})

test('what is shredded is gone for the service too', async () => {
  const shredded = await command('shred', recordingId, '--reason', 'a request', '--yes')
  expect(shredded, shredded.stderr).toMatchObject({ code: 0 })
  const before = service.log.length
  const exported = await command('export', recordingId, '-o', join(desk, 'shredded.ogg'))
  expect(exported.stderr).toContain('recording-shredded')
  expect(service.log).toHaveLength(before)
})
