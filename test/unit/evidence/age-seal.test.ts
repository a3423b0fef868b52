import { randomBytes } from 'node:crypto'

import { Encrypter } from 'age-encryption'
import { describe, expect, it } from 'vitest'

import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { openSealed, SEALED_LENGTH_MAX } from '../../../src/evidence/age-open.ts'
import { RECIPIENTS_MAX, sealedSize, sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { openRecordingKey } from '../../../src/evidence/recording-key.ts'
import { vault, vectorRandom } from '../../vectors/evidence/sample-recording.ts'

const PIECE = 64 * 1024
const other = generateIdentity(vectorRandom('other'))

describe('sealToRecipients', () => {
  it.each([0, 1, 15, 16, 17, 1_000, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 3 * PIECE + 7])(
    'seals %d bytes so that the age-encryption package opens them, in the size foretold',
    async (length) => {
      const clear = randomBytes(length)
      const sealed = sealToRecipients(clear, [vault.recipient], randomBytes)
      expect(sealed).toHaveLength(sealedSize(length, 1))
      const opened = await openSealed(sealed, [vault.identity])
      expect(opened.ok && Buffer.from(opened.value).equals(clear)).toBe(true)
    },
  )

  it('lets every recipient open it, and nobody else', async () => {
    const third = generateIdentity(vectorRandom('third'))
    const sealed = sealToRecipients(Buffer.from('both'), [vault.recipient, other.recipient], randomBytes)
    expect(sealed).toHaveLength(sealedSize(4, 2))
    for (const { identity } of [vault, other]) {
      const opened = await openSealed(sealed, [identity])
      expect(opened.ok && new TextDecoder().decode(opened.value)).toBe('both')
    }
    expect(await openSealed(sealed, [third.identity])).toMatchObject({ ok: false, reason: 'noIdentityMatches' })
    expect(await openSealed(sealed, [third.identity, other.identity])).toMatchObject({ ok: true })
  })

  it('writes the header that age.md describes', () => {
    const sealed = sealToRecipients(new Uint8Array(), [vault.recipient], vectorRandom('header'))
    const lines = Buffer.from(sealed).toString('latin1').split('\n')
    expect(lines[0]).toBe('age-encryption.org/v1')
    expect(lines[1]).toMatch(/^-> X25519 [A-Za-z0-9+/]{43}$/)
    expect(lines[2]).toMatch(/^[A-Za-z0-9+/]{43}$/)
    expect(lines[3]).toMatch(/^--- [A-Za-z0-9+/]{43}$/)
  })

  it('takes its randomness from the argument alone, in the order that the vectors rely on', () => {
    const asked: number[] = []
    const random = vectorRandom('order')
    const recording = (length: number) => {
      asked.push(length)
      return random(length)
    }
    const sealed = sealToRecipients(Buffer.from('x'), [vault.recipient, other.recipient], recording)
    expect(asked).toEqual([16, 32, 32, 16])
    expect(sealToRecipients(Buffer.from('x'), [vault.recipient, other.recipient], vectorRandom('order'))).toEqual(
      sealed,
    )
  })

  it('leaves no trace of the clear bytes', () => {
    const clear = Buffer.from('OggS and OpusHead must never be seen')
    const sealed = Buffer.from(sealToRecipients(clear, [vault.recipient], randomBytes))
    expect(sealed.includes('OggS')).toBe(false)
    expect(sealed.includes('OpusHead')).toBe(false)
  })

  it.each([
    ['no recipient', []],
    ['too many recipients', Array.from({ length: RECIPIENTS_MAX + 1 }, () => vault.recipient)],
    ['a recipient that is none', ['age1nonsense']],
    ['an identity given as recipient', [vault.identity]],
  ])('refuses %s', (_what, recipients) => {
    expect(() => sealToRecipients(new Uint8Array(1), recipients, randomBytes)).toThrow(RangeError)
  })

  it('refuses a random source that gives too little', () => {
    expect(() => sealToRecipients(new Uint8Array(1), [vault.recipient], () => new Uint8Array(8))).toThrow(RangeError)
  })
})

describe('openSealed', () => {
  const sealed = sealToRecipients(randomBytes(PIECE + 10), [vault.recipient], randomBytes)

  it('opens what the age-encryption package sealed', async () => {
    const encrypter = new Encrypter()
    encrypter.addRecipient(vault.recipient)
    const opened = await openSealed(await encrypter.encrypt('from elsewhere'), [vault.identity])
    expect(opened.ok && new TextDecoder().decode(opened.value)).toBe('from elsewhere')
  })

  it.each([
    ['cut by one byte', sealed.subarray(0, -1), 'damaged'],
    ['cut between its pieces', sealed.subarray(0, sealedSize(PIECE, 1)), 'damaged'],
    ['longer by one byte', Buffer.concat([sealed, Uint8Array.of(0)]), 'damaged'],
    ['cut inside the header', sealed.subarray(0, 60), 'damaged'],
    ['nothing', new Uint8Array(), 'notSealed'],
    ['clear Ogg', Buffer.from('OggS'), 'notSealed'],
    ['too large to hold', new Uint8Array(SEALED_LENGTH_MAX + 1), 'tooLarge'],
  ])('refuses an object that is %s', async (_what, bytes, reason) => {
    expect(await openSealed(bytes, [vault.identity])).toMatchObject({ ok: false, reason })
  })

  it('refuses any single flipped bit in header, nonce, content or tag', async () => {
    for (const offset of [30, 80, 125, 150, sealed.length - PIECE, sealed.length - 1]) {
      const changed = Uint8Array.from(sealed)
      changed[offset] = (changed[offset] ?? 0) ^ 1
      expect((await openSealed(changed, [vault.identity])).ok).toBe(false)
    }
  })

  it('says when what it was given is no identity', async () => {
    expect(await openSealed(sealed, ['not a key'])).toMatchObject({ ok: false, reason: 'identity' })
    expect(await openSealed(sealed, [])).toMatchObject({ ok: false, reason: 'noIdentityMatches' })
  })
})

describe('openRecordingKey', () => {
  it.each([
    ['bare', `${other.identity}\n`],
    ['with comments', `# recording\n# public key: ${other.recipient}\n${other.identity}\n`],
  ])('reads an identity file %s', async (_what, text) => {
    const wrapped = sealToRecipients(Buffer.from(text), [vault.recipient], randomBytes)
    expect(await openRecordingKey(wrapped, [vault.identity])).toEqual({ ok: true, value: other })
  })

  it.each([
    ['two identities', `${other.identity}\n${vault.identity}\n`],
    ['none', '# nothing\n'],
    ['something else', 'hello\n'],
  ])('refuses a key file that holds %s', async (_what, text) => {
    const wrapped = sealToRecipients(Buffer.from(text), [vault.recipient], randomBytes)
    expect(await openRecordingKey(wrapped, [vault.identity])).toMatchObject({ ok: false, reason: 'notIdentity' })
  })
})
