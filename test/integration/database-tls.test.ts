import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openDatabase } from '../../src/server/database/open-database.ts'
import { makeDataDir, startExternalPostgres, type ExternalPostgres } from '../support/postgres.ts'

/** TLS to a real Postgres whose certificate is of a CA that nobody else knows, and for the name `localhost` only. */

let folder: string
let secure: ExternalPostgres
let clear: ExternalPostgres
const { log, logged, removeDataDir } = makeDataDir()

const file = (name: string): string => join(folder, name)

function certify(name: string, signer: readonly string[] = []): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
  const subject = ['-subj', `/CN=${name}`, '-days', '2', '-out', `${name}.pem`]
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...signer], { cwd: folder, stdio: 'pipe' })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'earwitness-pg-tls-'))
  certify('ca')
  certify('stranger')
  const names = ['-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=CA:FALSE']
  certify('server', ['-CA', 'ca.pem', '-CAkey', 'ca.key', ...names])
  certify('certified', ['-CA', 'ca.pem', '-CAkey', 'ca.key'])
  secure = await startExternalPostgres({
    certificatePem: readFileSync(file('server.pem'), 'utf8'),
    keyPem: readFileSync(file('server.key'), 'utf8'),
    caPem: readFileSync(file('ca.pem'), 'utf8'),
  })
  clear = await startExternalPostgres()
})

afterAll(async () => {
  await secure.remove()
  await clear.remove()
  rmSync(folder, { recursive: true })
  removeDataDir()
})

/** What the server says of the connection, or the code of the error that a person reads. */
async function reached(server: ExternalPostgres, host: string, parameters: string): Promise<unknown> {
  return answerOf(`${server.url.replace('@127.0.0.1:', `@${host}:`)}?${parameters}`)
}

async function answerOf(url: string): Promise<unknown> {
  try {
    const database = await openDatabase({ url, dataDir: '', log })
    try {
      const { rows } = await database.pool.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
      return (rows[0] as { ssl: boolean }).ssl ? 'encrypted' : 'clear'
    } finally {
      await database.stop()
    }
  } catch (error) {
    return Reflect.get(Object(error), 'code')
  }
}

describe('TLS to the database', () => {
  test('verify-full takes the server whose certificate fits: signer and name', async () => {
    expect(await reached(secure, 'localhost', `sslmode=verify-full&sslrootcert=${file('ca.pem')}`)).toBe('encrypted')
  })

  test('the name of a CA alone asks for the whole check', async () => {
    expect(await reached(secure, 'localhost', `sslrootcert=${file('ca.pem')}`)).toBe('encrypted')
    expect(await reached(secure, '127.0.0.1', `sslrootcert=${file('ca.pem')}`)).toBe('database-certificate-name')
  })

  test('verify-full refuses a certificate of another name', async () => {
    const parameters = `sslmode=verify-full&sslrootcert=${file('ca.pem')}`
    expect(await reached(secure, '127.0.0.1', parameters)).toBe('database-certificate-name')
  })

  test('verify-ca asks for the signer only', async () => {
    expect(await reached(secure, '127.0.0.1', `sslmode=verify-ca&sslrootcert=${file('ca.pem')}`)).toBe('encrypted')
    const stranger = `sslmode=verify-ca&sslrootcert=${file('stranger.pem')}`
    expect(await reached(secure, '127.0.0.1', stranger)).toBe('database-certificate')
  })

  test('a signer that is not the one named, or that nobody knows, is refused', async () => {
    const stranger = `sslmode=verify-full&sslrootcert=${file('stranger.pem')}`
    expect(await reached(secure, 'localhost', stranger)).toBe('database-certificate')
    expect(await reached(secure, 'localhost', 'sslmode=verify-full')).toBe('database-certificate')
  })

  test('require encrypts and asks for nothing', async () => {
    expect(await reached(secure, '127.0.0.1', 'sslmode=require')).toBe('encrypted')
    expect(await reached(secure, '127.0.0.1', 'sslmode=disable')).toBe('clear')
  })

  test('a server without TLS is refused where it is asked for', async () => {
    for (const mode of ['require', 'verify-full']) {
      expect(await reached(clear, 'localhost', `sslmode=${mode}`)).toBe('database-no-tls')
    }
  })

  test('a file of a CA that is not there is said before anything is sent', async () => {
    const parameters = `sslmode=verify-full&sslrootcert=${file('missing.pem')}`
    expect(await reached(secure, 'localhost', parameters)).toBe('database-url')
  })

  test('a certificate of ours is shown, and takes the place of a password', async () => {
    const owner = await openDatabase({ url: secure.url, dataDir: '', log })
    await owner.pool.query('CREATE ROLE certified LOGIN IN ROLE earwitness')
    await owner.stop()
    const url = secure.url.replace(/earwitness:[^@]+@127.0.0.1/, 'certified@localhost')
    const withCertificate = (name: string): Promise<unknown> =>
      answerOf(`${url}?sslrootcert=${file('ca.pem')}&sslcert=${file(`${name}.pem`)}&sslkey=${file(`${name}.key`)}`)
    expect(await withCertificate('certified')).toBe('encrypted')
    expect(await withCertificate('stranger')).toBe('database-client-certificate')
    expect(await answerOf(`${url}?sslrootcert=${file('ca.pem')}`)).toBe('database-login-refused')
  })

  test('the recorder begins all the same, and says why records wait', async () => {
    const url = `${secure.url}?sslmode=verify-full&sslrootcert=${file('ca.pem')}`
    const database = await openDatabase({ url, dataDir: '', log, whenUnreachable: 'continue' })
    await database.stop()
    expect(logged.at(-1)).toContain('"code":"database-certificate-name"')
  })
})
