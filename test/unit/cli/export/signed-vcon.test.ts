import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { decodeProtectedHeader, generalVerify, importX509, type GeneralJWS } from 'jose'
import { Value } from 'typebox/value'
import { expect, it } from 'vitest'

import { signConsentEvent } from '../../../../src/evidence/consent-event.ts'
import { signManifest } from '../../../../src/evidence/manifest.ts'
import { readSigningKey } from '../../../../src/evidence/signer-keys.ts'
import { KEY_FILE_BYTES_MAX } from '../../../../src/server/storage/key-files.ts'
import { runCommandHere } from '../../../support/daemon.ts'
import { copy, manifestOf, nodeWithRecording, remove, sign, stranger } from '../../../support/tampering/recording.ts'
import { SIGNED_VCON_SCHEMA, VCON_SCHEMA } from '../../../support/vcon-schema.ts'
import { RECORDING_ID } from '../../../vectors/evidence/sample-recording.ts'

/** `export --format vcon` of a recorder whose key an authority has certified with openssl. */
async function node() {
  const recording = await nodeWithRecording()
  const { dataDir } = recording
  const at = (name: string): string => join(dataDir, name)
  const openssl = (...args: readonly string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' })
  const signerKey = at('keys/signer.pem')
  openssl('genpkey', '-algorithm', 'ed25519', '-out', at('ca.pem'))
  openssl('req', '-x509', '-new', '-key', at('ca.pem'), '-subj', '/CN=authority', '-days', '30', '-out', at('ca.crt'))
  const certify = (name: string, days: string, key = signerKey): string => {
    openssl('req', '-new', '-key', key, '-subj', '/CN=recorder', '-out', at(`${name}.csr`))
    const by = ['-CA', at('ca.crt'), '-CAkey', at('ca.pem'), '-CAcreateserial', '-days', days]
    openssl('x509', '-req', '-in', at(`${name}.csr`), ...by, '-out', at(`${name}.crt`))
    return readFileSync(at(`${name}.crt`), 'utf8')
  }
  const rsaKey = (bits: number): string => {
    openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`, '-out', at(`${bits}.pem`))
    return at(`${bits}.pem`)
  }
  const authority = readFileSync(at('ca.crt'), 'utf8')
  const chain = certify('recorder', '30') + authority
  let exports = 0
  const runWith = async (keyFile: string | undefined, pem: string | undefined, ...more: readonly string[]) => {
    const file = at(`${(exports += 1)}.vcon`)
    const certificateFile = at('chain.pem')
    if (pem !== undefined) writeFileSync(certificateFile, pem)
    const env = {
      ...{ EARWITNESS_DATA_DIR: dataDir, PATH: process.env.PATH },
      ...(pem === undefined ? {} : { EARWITNESS_SIGNER_CERTIFICATE_FILE: certificateFile }),
      ...(keyFile === undefined ? {} : { EARWITNESS_SIGNER_CERTIFICATE_KEY_FILE: keyFile }),
    }
    const args = ['export', RECORDING_ID, '-o', file, '--format', 'vcon', ...more]
    return { ...(await runCommandHere(args, env)), text: () => readFileSync(file, 'utf8') }
  }
  const run = (pem: string | undefined, ...more: readonly string[]) => runWith(undefined, pem, ...more)
  const authorityOf = (...args: readonly string[]): string => {
    openssl('req', '-x509', '-new', '-key', at('ca.pem'), '-subj', '/CN=authority', ...args, '-out', at('other.crt'))
    return readFileSync(at('other.crt'), 'utf8')
  }
  const expired = (): string => {
    openssl('x509', '-in', at('ca.crt'), '-signkey', at('ca.pem'), '-days', '-1', '-out', at('expired.crt'))
    return readFileSync(at('expired.crt'), 'utf8')
  }
  const others = { expired, noAuthority: () => authorityOf('-addext', 'basicConstraints=critical,CA:FALSE') }
  return { ...recording, ...others, authority, certify, chain, rsaKey, run, runWith, signerKey }
}

const pemOf = (der: string): string => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`

it('is signed by the key of the certificate in it, in the form of the draft', async () => {
  const { chain, run } = await node()
  const { code, stderr, text } = await run(chain)
  expect(code, stderr).toBe(0)
  expect(stderr).toContain('It is signed')
  const signed = JSON.parse(text()) as GeneralJWS & { signatures: { header: { x5c: string[]; uuid: string } }[] }
  expect([...Value.Errors(SIGNED_VCON_SCHEMA, signed)]).toEqual([])
  const [one] = signed.signatures
  const x5c = one?.header.x5c ?? []
  expect(x5c).toHaveLength(2)
  const [leaf, issuer] = x5c.map((der) => new X509Certificate(pemOf(der)))
  expect(leaf!.verify(issuer!.publicKey)).toBe(true)
  const key = await importX509(pemOf(x5c[0]!), 'EdDSA')
  const { payload, protectedHeader, unprotectedHeader } = await generalVerify(signed, key)
  expect(unprotectedHeader).toMatchObject({ alg: 'EdDSA', uuid: RECORDING_ID })
  // RFC 7515 7.2.1
  const names = Object.keys(unprotectedHeader ?? {})
  expect(Object.keys(protectedHeader ?? {}).filter((name) => names.includes(name))).toEqual([])
  const thumbprint = Buffer.from(leaf!.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
  expect(decodeProtectedHeader(one!)).toEqual({ cty: 'application/vcon', 'x5t#S256': thumbprint })
  const vcon = JSON.parse(new TextDecoder().decode(payload)) as { uuid: string }
  expect([...Value.Errors(VCON_SCHEMA, vcon)]).toEqual([])
  expect(vcon.uuid).toBe(RECORDING_ID)
  const changed = Buffer.from(JSON.stringify({ ...vcon, subject: 'another' })).toString('base64url')
  await expect(generalVerify({ ...signed, payload: changed }, key)).rejects.toThrow()
})

it('is signed by RS256 where an RSA key is named, and its certificate', async () => {
  const { authority, certify, rsaKey, runWith } = await node()
  const key = rsaKey(2048)
  const { code, stderr, text } = await runWith(key, certify('rsa', '30', key) + authority)
  expect([code, stderr]).toEqual([0, expect.stringContaining('RS256')])
  const signed = JSON.parse(text()) as GeneralJWS & { signatures: { header: { x5c: string[] } }[] }
  expect([...Value.Errors(SIGNED_VCON_SCHEMA, signed)]).toEqual([])
  const leaf = await importX509(pemOf(signed.signatures[0]!.header.x5c[0]!), 'RS256')
  const { payload, unprotectedHeader } = await generalVerify(signed, leaf, { algorithms: ['RS256'] })
  expect(unprotectedHeader).toMatchObject({ alg: 'RS256', uuid: RECORDING_ID })
  expect([...Value.Errors(VCON_SCHEMA, JSON.parse(new TextDecoder().decode(payload)))]).toEqual([])
}, 300_000)

it('is refused with a key that its certificate is not of, or that is no RSA key long enough', async () => {
  const { authority, certify, chain, rsaKey, runWith, signerKey } = await node()
  const [key, short] = [rsaKey(2048), rsaKey(1024)]
  writeFileSync(`${key}.long`, ' '.repeat(KEY_FILE_BYTES_MAX + 1))
  const cases = [
    ['certificate-other-key', key, chain],
    ['certificate-other-key', undefined, certify('rsa', '30', key) + authority],
    ['certificate-key-invalid', short, certify('short', '30', short) + authority],
    ['certificate-key-invalid', signerKey, chain],
    ['certificate-unreadable', `${key}.gone`, chain],
    ['certificate-unreadable', `${key}.long`, chain],
  ] as const
  for (const [code, keyFile, pem] of cases) {
    const { code: exit, stderr, text } = await runWith(keyFile, pem)
    expect([exit, stderr]).toEqual([1, expect.stringContaining(`[${code}]`)])
    expect(text).toThrow()
  }
}, 300_000)

it('is unsigned without a certificate, or when that is wanted, and says so', async () => {
  const { chain, run } = await node()
  for (const exported of [await run(undefined), await run(chain, '--unsigned')]) {
    expect(exported).toMatchObject({ code: 0, stderr: expect.stringContaining('unsigned') as string })
    expect([...Value.Errors(VCON_SCHEMA, JSON.parse(exported.text()))]).toEqual([])
  }
  expect(JSON.parse((await run(chain, '--json')).stdout)).toMatchObject({ isSigned: true })
})

it('is refused with a certificate that would not hold, and nothing is written', async () => {
  const { authority, certify, chain, expired, noAuthority, run } = await node()
  const other = chain.replace(authority, '')
  const cases = [
    ['certificate-other-key', authority],
    ['certificate-invalid', other + other],
    ['certificate-invalid', 'no certificate'],
    ['certificate-invalid', other.replace(/[A-Za-z]{9}/, 'AAAAAAAAA')],
    ['certificate-invalid', other.repeat(11)],
    ['certificate-not-valid-now', certify('old', '-1') + authority],
    ['certificate-not-valid-now', other + expired()],
    ['certificate-invalid', other + noAuthority()],
  ] as const
  for (const [code, pem] of cases) {
    const { code: exit, stderr, text } = await run(pem)
    expect([exit, stderr]).toEqual([1, expect.stringContaining(`[${code}]`)])
    expect(text).toThrow()
  }
}, 300_000)

type Node = Awaited<ReturnType<typeof node>>

/** The body of the manifest changed, its signature kept. */
function forgeManifest({ folder }: Node, change: object): void {
  const file = join(folder, 'manifest.jws')
  const [header, payload = '', signature] = readFileSync(file, 'latin1').split('.')
  const body = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const changed = Buffer.from(JSON.stringify({ ...body, ...change })).toString('base64url')
  writeFileSync(file, [header, changed, signature].join('.'))
}

/** In the place of the last consent event. */
async function forgeAgreement({ folder }: Node, place: object): Promise<void> {
  const [last = ''] = readdirSync(folder)
    .filter((name) => name.startsWith('consent-'))
    .toSorted()
    .toReversed()
  const number = Number(last.slice('consent-'.length, -'.jws'.length))
  const agreed = { type: 'decided', state: 'agreed', because: [0] } as const
  const about = { recordingId: RECORDING_ID, number, at: '2026-11-29T09:30:00.000Z', ...place }
  const jws = await signConsentEvent(agreed, { ...about, clock: { status: 'unknown' } }, await stranger())
  writeFileSync(join(folder, last), jws)
}

it.each<readonly [string, (forged: Node) => Promise<void> | void]>([
  ['its manifest has another duration', (forged) => forgeManifest(forged, { durationSamples: 999 * 48_000 })],
  [
    'its manifest says that it began at another time',
    (forged) => forgeManifest(forged, { startedAt: '2026-11-29T08:00:00.000Z' }),
  ],
  ['a stranger has signed its manifest', async (forged) => sign(forged, () => ({}), await stranger())],
  [
    'the key has signed another manifest than the ledger knows',
    (forged) => sign(forged, () => ({ endCause: 'drain' })),
  ],
  ['a stranger has decided that they agreed', (forged) => forgeAgreement(forged, {})],
  ['a consent event is there twice', (forged) => copy(forged, 'consent-000.jws', 'consent-001.jws')],
  ['a consent event is gone', (forged) => remove(forged, 'consent-000.jws')],
  ['a piece of audio is gone', (forged) => remove(forged, 'chunk-000001.age')],
])(
  'is refused when %s, and written unsigned when that is wanted',
  async (_what, forge) => {
    const forged = await node()
    await forge(forged)
    const { code, stderr, text } = await forged.run(forged.chain)
    expect([code, stderr]).toEqual([3, expect.stringContaining('[vcon-not-verified]')])
    expect(text).toThrow()
    const unsigned = await forged.run(forged.chain, '--unsigned')
    expect([unsigned.code, JSON.parse(unsigned.text())]).toEqual([
      0,
      expect.not.objectContaining({ signatures: expect.anything() as unknown }),
    ])
  },
  300_000,
)

it('is signed of what another recorder made only where its key is named', async () => {
  const foreign = await node()
  // All of it is signed by another key, as after a change of the signer key.
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const other = await readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  if (!other.ok) throw new Error('no key')
  for (const name of readdirSync(foreign.folder).filter((each) => each.startsWith('consent-'))) remove(foreign, name)
  const body = { ...manifestOf(foreign), consentEvents: [] }
  writeFileSync(join(foreign.folder, 'manifest.jws'), await signManifest(body, other.value))
  rmSync(join(foreign.dataDir, 'ledger'), { recursive: true, force: true })
  rmSync(join(foreign.dataDir, 'recordings', 'ledger'), { recursive: true, force: true })
  const key = join(foreign.dataDir, 'other.pub.pem')
  writeFileSync(key, publicKey.export({ format: 'pem', type: 'spki' }))
  expect((await foreign.run(foreign.chain)).stderr).toContain('manifest-unknown-signer')
  const named = await foreign.run(foreign.chain, '--key', key)
  expect([named.code, named.stderr]).toEqual([0, expect.stringContaining('It is signed')])
}, 300_000)
