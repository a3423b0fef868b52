import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { decodeProtectedHeader, generalVerify, importX509, type GeneralJWS } from 'jose'
import { Value } from 'typebox/value'
import { expect, it } from 'vitest'

import { runCommandHere } from '../../../support/daemon.ts'
import { nodeWithRecording } from '../../../support/tampering/recording.ts'
import { SIGNED_VCON_SCHEMA, VCON_SCHEMA } from '../../../support/vcon-schema.ts'
import { RECORDING_ID } from '../../../vectors/evidence/sample-recording.ts'

/** `export --format vcon` of a recorder whose key an authority has certified with openssl. */
async function node() {
  const { dataDir } = await nodeWithRecording()
  const at = (name: string): string => join(dataDir, name)
  const openssl = (...args: readonly string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' })
  const signerKey = at('keys/signer.pem')
  openssl('genpkey', '-algorithm', 'ed25519', '-out', at('ca.pem'))
  openssl('req', '-x509', '-new', '-key', at('ca.pem'), '-subj', '/CN=authority', '-days', '30', '-out', at('ca.crt'))
  const certify = (name: string, days: string): string => {
    openssl('req', '-new', '-key', signerKey, '-subj', '/CN=recorder', '-out', at(`${name}.csr`))
    const by = ['-CA', at('ca.crt'), '-CAkey', at('ca.pem'), '-CAcreateserial', '-days', days]
    openssl('x509', '-req', '-in', at(`${name}.csr`), ...by, '-out', at(`${name}.crt`))
    return readFileSync(at(`${name}.crt`), 'utf8')
  }
  const authority = readFileSync(at('ca.crt'), 'utf8')
  const chain = certify('recorder', '30') + authority
  let exports = 0
  const run = async (pem: string | undefined, ...more: readonly string[]) => {
    const file = at(`${(exports += 1)}.vcon`)
    const certificateFile = at('chain.pem')
    if (pem !== undefined) writeFileSync(certificateFile, pem)
    const env = {
      ...{ EARWITNESS_DATA_DIR: dataDir, PATH: process.env.PATH },
      ...(pem === undefined ? {} : { EARWITNESS_SIGNER_CERTIFICATE_FILE: certificateFile }),
    }
    const args = ['export', RECORDING_ID, '-o', file, '--format', 'vcon', ...more]
    return { ...(await runCommandHere(args, env)), text: () => readFileSync(file, 'utf8') }
  }
  return { authority, certify, chain, run }
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

it('is unsigned without a certificate, or when that is wanted, and says so', async () => {
  const { chain, run } = await node()
  for (const exported of [await run(undefined), await run(chain, '--unsigned')]) {
    expect(exported).toMatchObject({ code: 0, stderr: expect.stringContaining('unsigned') as string })
    expect([...Value.Errors(VCON_SCHEMA, JSON.parse(exported.text()))]).toEqual([])
  }
  expect(JSON.parse((await run(chain, '--json')).stdout)).toMatchObject({ isSigned: true })
})

it('is refused with a certificate that would not hold, and nothing is written', async () => {
  const { authority, certify, chain, run } = await node()
  const other = chain.replace(authority, '')
  const cases = [
    ['certificate-other-key', authority],
    ['certificate-invalid', other + other],
    ['certificate-invalid', 'no certificate'],
    ['certificate-invalid', other.replace(/[A-Za-z]{9}/, 'AAAAAAAAA')],
    ['certificate-invalid', other.repeat(11)],
    ['certificate-not-valid-now', certify('old', '-1') + authority],
  ] as const
  for (const [code, pem] of cases) {
    const { code: exit, stderr, text } = await run(pem)
    expect([exit, stderr]).toEqual([1, expect.stringContaining(`[${code}]`)])
    expect(text).toThrow()
  }
})
