import { describe, expect, it } from 'vitest'

import { generateX25519Identity, identityToRecipient } from 'age-encryption'

import {
  generateIdentity,
  IDENTITIES_MAX,
  IDENTITY_FILE_LENGTH_MAX,
  identityFileText,
  parseIdentityFile,
  parseRecipient,
  recipientOfIdentity,
} from '../../../src/evidence/age-keys.ts'
import { encodeBech32 } from '../../../src/evidence/bech32.ts'
import { sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { vault, vectorRandom } from '../../vectors/evidence/sample-recording.ts'

function point(hex: string): string {
  return encodeBech32('age', Uint8Array.from(Buffer.from(hex, 'hex')))
}

describe('generateIdentity', () => {
  it('makes a pair that the age-encryption package agrees with', async () => {
    expect(vault.identity).toMatch(/^AGE-SECRET-KEY-1[0-9A-Z]{58}$/)
    expect(vault.recipient).toMatch(/^age1[0-9a-z]{58}$/)
    expect(await identityToRecipient(vault.identity)).toBe(vault.recipient)
  })

  it('is decided by the random bytes alone', () => {
    expect(generateIdentity(vectorRandom('one'))).toEqual(generateIdentity(vectorRandom('one')))
    expect(generateIdentity(vectorRandom('one'))).not.toEqual(generateIdentity(vectorRandom('two')))
  })

  it('refuses a random source that gives too little', () => {
    expect(() => generateIdentity(() => new Uint8Array(31))).toThrow(RangeError)
  })
})

describe('recipientOfIdentity', () => {
  it('derives the recipient of an identity that another implementation made', async () => {
    const identity = await generateX25519Identity()
    expect(recipientOfIdentity(identity)).toEqual({ ok: true, value: await identityToRecipient(identity) })
  })

  it.each(['', 'AGE-SECRET-KEY-1', vault.recipient, vault.identity.slice(0, -1)])('refuses %j', (text) => {
    expect(recipientOfIdentity(text)).toMatchObject({ ok: false, reason: 'damaged' })
  })
})

describe('parseRecipient', () => {
  it('gives the 32 bytes of the point', () => {
    const parsed = parseRecipient(vault.recipient)
    expect(parsed.ok && parsed.value).toHaveLength(32)
  })

  it.each([
    ['an identity', vault.identity, 'notRecipient'],
    ['an SSH key', 'ssh-ed25519 AAAA', 'notRecipient'],
    ['nothing', '', 'notRecipient'],
    ['a typing error', vault.recipient.replace(/.$/, vault.recipient.endsWith('q') ? 'p' : 'q'), 'damaged'],
    ['a cut text', vault.recipient.slice(0, -3), 'damaged'],
    ['upper case', vault.recipient.toUpperCase(), 'notRecipient'],
    ['31 bytes', encodeBech32('age', new Uint8Array(31).fill(9)), 'damaged'],
    ['a post-quantum recipient', `age1pq1${'q'.repeat(1_900)}`, 'unsupportedType'],
    ['a plugin recipient', encodeBech32('age1yubikey', new Uint8Array(33)), 'unsupportedType'],
  ])('refuses %s', (_what, text, reason) => {
    expect(parseRecipient(text)).toMatchObject({ ok: false, reason })
  })

  it.each([
    ['zero', '0000000000000000000000000000000000000000000000000000000000000000'],
    ['one', '0100000000000000000000000000000000000000000000000000000000000000'],
    ['order 8, first', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['order 8, second', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
    ['p - 1', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['p', 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['p + 1', 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
  ])('refuses the point of low order %s, and so does sealing', (_what, hex) => {
    expect(parseRecipient(point(hex))).toMatchObject({ ok: false, reason: 'lowOrder' })
    expect(() => sealToRecipients(new Uint8Array(1), [point(hex)], vectorRandom('x'))).toThrow(/lowOrder/)
  })
})

describe('identity files', () => {
  const text = identityFileText({ ...vault, createdAt: '2026-11-23T09:00:00Z' })

  it('are written as age-keygen writes them, and read back', () => {
    expect(text.split('\n')).toEqual([
      '# created: 2026-11-23T09:00:00Z',
      `# public key: ${vault.recipient}`,
      vault.identity,
      '',
    ])
    expect(parseIdentityFile(text)).toEqual({ ok: true, value: [vault.identity] })
  })

  it('may have CRLF, blank lines and several identities', () => {
    const more = `\r\n${vault.identity}\r\n\r\n# note\r\n${vault.identity}`
    expect(parseIdentityFile(more)).toEqual({ ok: true, value: [vault.identity, vault.identity] })
  })

  it.each([
    ['a file without an identity', '# only a comment\n', 'empty'],
    ['a recipient where the identity belongs', `${vault.recipient}\n`, 'notIdentity'],
    ['a cut identity', `${vault.identity.slice(0, -2)}\n`, 'damaged'],
    ['a file that is far too long', '#'.repeat(IDENTITY_FILE_LENGTH_MAX + 1), 'size'],
    ['more identities than anybody has', `${vault.identity}\n`.repeat(IDENTITIES_MAX + 1), 'tooMany'],
  ])('refuse %s', (_what, content, reason) => {
    expect(parseIdentityFile(content)).toMatchObject({ ok: false, reason })
  })
})
