import { exportPKCS8, exportSPKI, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'

import { readConsentToken, signConsentToken } from '../../../src/evidence/consent-token.ts'
import { signJson } from '../../../src/evidence/signed-json.ts'
import { readSigningKey, readVerifyKey, type SigningKey, type VerifyKey } from '../../../src/evidence/signer-keys.ts'

const ID = '0123456789abcdef0123456789abcdef'
const TYPE = 'earwitness-consent-token+jws'
let ours: { readonly sign: SigningKey; readonly verify: VerifyKey }
let theirs: { readonly sign: SigningKey; readonly verify: VerifyKey }

async function keyPair(): Promise<typeof ours> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const sign = await readSigningKey(await exportPKCS8(privateKey))
  const verify = await readVerifyKey(await exportSPKI(publicKey))
  if (!sign.ok || !verify.ok) throw new Error('no keys')
  return { sign: sign.value, verify: verify.value }
}

beforeAll(async () => {
  ours = await keyPair()
  theirs = await keyPair()
})

describe('a consent token', () => {
  it('names its announcement until it expires, and may stand in a SIP URI as it is', async () => {
    const token = await signConsentToken({ announcementId: ID, expiresUnixMs: 1_000 }, ours.sign)
    expect(token).toMatch(/^[A-Za-z0-9_.-]{200,400}$/)
    expect(await readConsentToken(` ${token}\t`, [ours.verify], 1_000)).toEqual({ ok: true, value: ID })
    expect(await readConsentToken(token, [ours.verify], 1_001)).toEqual({ ok: false, reason: 'expired' })
  })

  it('of somebody else, or changed, is worth nothing', async () => {
    const token = await signConsentToken({ announcementId: ID, expiresUnixMs: 1_000 }, theirs.sign)
    expect(await readConsentToken(token, [ours.verify], 0)).toEqual({ ok: false, reason: 'signerUnknown' })
    const [header = '', , signature = ''] = token.split('.')
    const changed = Buffer.from(
      JSON.stringify({ announcementId: ID, expiresUnixMs: 9_000, format: 'earwitness-consent-token/1' }),
    )
    const forged = `${header}.${changed.toString('base64url')}.${signature}`
    expect(await readConsentToken(forged, [theirs.verify], 0)).toEqual({ ok: false, reason: 'forged' })
  })

  it('is nothing else that the recorder signs', async () => {
    const bodies: unknown[] = [
      { format: 'earwitness-consent-token/2', announcementId: ID, expiresUnixMs: 9 },
      { format: 'earwitness-consent-token/1', announcementId: 'short', expiresUnixMs: 9 },
      { format: 'earwitness-consent-token/1', announcementId: ID, expiresUnixMs: '9' },
      { format: 'earwitness-consent-token/1', announcementId: ID },
    ]
    const tokens = await Promise.all(bodies.map(async (body) => signJson(body, TYPE, ours.sign)))
    tokens.push(
      await signJson(
        { format: 'earwitness-consent-token/1', announcementId: ID, expiresUnixMs: 9 },
        'earwitness-manifest+jws',
        ours.sign,
      ),
    )
    tokens.push('', 'a.b.c', 'x'.repeat(5_000))
    for (const token of tokens)
      expect(await readConsentToken(token, [ours.verify], 0), token).toEqual({ ok: false, reason: 'token' })
  })
})
