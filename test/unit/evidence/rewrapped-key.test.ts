import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { generateIdentity } from '../../../src/evidence/age-keys.ts'
import { sealedSize, sealToRecipients } from '../../../src/evidence/age-seal.ts'
import { openRecordingKey } from '../../../src/evidence/recording-key.ts'
import { isSealedTo, rewrapKey } from '../../../src/evidence/rewrapped-key.ts'
import { readWrappedKeyHeader } from '../../../src/evidence/rsa-stanza.ts'
import { vectorRandom } from '../../vectors/evidence/sample-recording.ts'

const recording = generateIdentity(vectorRandom('recording'))
const pairs = Array.from({ length: 20 }, (_, index) => generateIdentity(vectorRandom(`vault ${index}`)))
const recipients = pairs.map(({ recipient }) => recipient)
const rewrap = (change: Partial<Parameters<typeof rewrapKey>[0]> = {}): Uint8Array =>
  rewrapKey({ identity: recording.identity, recipients: recipients.slice(0, 2), name: 'key-001.age', ...change })

describe('a rewrapped key', () => {
  it('opens with each of the new keys to the very recording, as `key.age` does', async () => {
    for (const { identity } of pairs.slice(0, 2))
      expect(await openRecordingKey(rewrap(), [identity])).toEqual({ ok: true, value: recording })
    expect(await openRecordingKey(rewrap(), [pairs[2]?.identity ?? ''])).toMatchObject({ reason: 'noIdentityMatches' })
    expect(rewrap()).toHaveLength(sealedSize(recording.identity.length + 1, 2))
  })

  it('is the same every time, and no two parts of it come again under another name, recording or recipient', () => {
    expect(rewrap()).toEqual(rewrap())
    const other = generateIdentity(vectorRandom('other'))
    const all = [
      ...[rewrap(), rewrap({ name: 'key-002.age' }), rewrap({ identity: other.identity })],
      ...[rewrap({ recipients: recipients.slice(1, 3) }), rewrap({ recipients: recipients.slice(0, 2).toReversed() })],
      rewrap({ recipients: recipients.slice(0, 1) }),
    ]
    const parts = all.flatMap((bytes) => Buffer.from(bytes).toString('latin1').split('\n').slice(1))
    expect(new Set(parts).size).toBe(parts.length)
  })
})

describe('its recipients', () => {
  it('are counted by its header', () => {
    for (const count of [1, 2, 20])
      expect(isSealedTo(rewrap({ recipients: recipients.slice(0, count) }), recipients.slice(0, count))).toBe(true)
    expect(isSealedTo(rewrap(), recipients.slice(0, 3))).toBe(false)
    const sealed = sealToRecipients(Buffer.alloc(100_000, '-> X25519 \n'), recipients.slice(0, 3), vectorRandom('long'))
    expect(isSealedTo(sealed, recipients.slice(0, 3))).toBe(true)
  })

  it('of what is no such file are not', () => {
    const text = Buffer.from(rewrap()).toString('latin1')
    const header = text.slice(0, text.indexOf('--- '))
    for (const wrong of [
      '',
      'x',
      header,
      text.replace('X25519', 'scrypt'),
      text.replace('/v1', '/v2'),
      text.slice(0, 150),
    ])
      expect(readWrappedKeyHeader(Buffer.from(wrong, 'latin1'))).toMatchObject({ ok: false, reason: 'notSealed' })
  })

  it('nothing makes the count throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(300), (bytes, at) => {
        const damaged = Uint8Array.from(rewrap())
        damaged.set(bytes.subarray(0, Math.max(0, damaged.length - at)), at)
        readWrappedKeyHeader(damaged)
        readWrappedKeyHeader(bytes)
      }),
    )
  })
})
