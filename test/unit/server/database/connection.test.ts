import { describe, expect, it } from 'vitest'

import { urlTarget } from '../../../../src/server/database/connection.ts'
import { blamesRecord, describeOpenError, errorFields } from '../../../../src/server/database/server-errors.ts'

describe('database.url', () => {
  const optionsOf = (url: string): string => new URL(String(urlTarget(url).config.connectionString)).search

  it('is described without user and password', () => {
    const { description } = urlTarget('postgresql://user:secret@db.example.com/earwitness?sslmode=verify-full')
    expect(description).toBe('db.example.com:5432/earwitness')
  })

  it.each(['require', 'verify-full'])('means by sslmode=%s what psql means by it', (mode) => {
    expect(optionsOf(`postgres://db.example.com/earwitness?sslmode=${mode}`)).toContain('uselibpqcompat=true')
  })

  it.each(['ssl=true', 'sslrootcert=/etc/hostname', 'sslrootcert=/etc/hostname&ssl=1'])(
    'that asks for TLS by %s alone gets the whole check',
    (asked) => {
      const options = optionsOf(`postgres://db.example.com/earwitness?${asked}`)
      expect(options).toContain('sslmode=verify-full')
      expect(options).not.toMatch(/ssl=/)
    },
  )

  it.each(['ssl=false', 'sslmode=disable&sslrootcert=/nowhere'])('with %s asks for no TLS', (asked) => {
    expect(optionsOf(`postgres://db.example.com/e?${asked}`)).not.toMatch(/verify|require|sslrootcert/)
  })

  it('without sslmode stays as it is', () => expect(optionsOf('postgres://db.example.com/earwitness')).toBe(''))

  it.each([
    ['not a URL', 'secret'],
    ['another database', 'mysql://user:secret@db.example.com/earwitness'],
    ['encryption by luck', 'postgres://user:secret@db.example.com/e?sslmode=prefer'],
    ['a check without a certificate authority', 'postgres://user:secret@db.example.com/e?sslmode=verify-ca'],
    ['a mode that is misspelt', 'postgres://user:secret@db.example.com/e?sslmode=verify_full'],
    ['a word for TLS that hides what is checked', 'postgres://user:secret@db.example.com/e?ssl=no-verify'],
    ['a certificate without its key', 'postgres://user:secret@db.example.com/e?sslcert=/etc/hostname'],
    ['a CA that cannot be read', 'postgres://user:secret@db.example.com/e?sslmode=require&sslrootcert=/nowhere/ca'],
  ])('that is %s is refused without repeating it', (_, url) => {
    expect(() => urlTarget(url)).toThrow(expect.objectContaining({ code: 'database-url' }))
    expect(() => urlTarget(url)).not.toThrow('secret')
  })
})

describe('An error of the server', () => {
  const withCode = (code: string): Error => Object.assign(new Error('value +15550100'), { code })

  it.each(['22P02', '23503', '23514', '54000'])('%s blames the record', (code) =>
    expect(blamesRecord(withCode(code))).toBe(true),
  )

  it.each(['08006', '25006', '28P01', '40P01', '42P01', '42501', '53100', '57P01', '58030', 'XX000', 'ECONNREFUSED'])(
    '%s is something that passes, or that somebody can mend',
    (code) => expect(blamesRecord(withCode(code))).toBe(false),
  )

  it('is logged by its code alone', () => {
    expect(errorFields(Object.assign(withCode('23505'), { constraint: 'chunks_pkey', detail: '+15550100' }))).toEqual({
      code: '23505',
      constraint: 'chunks_pkey',
    })
  })

  it.each([
    ['28P01', 'database-login-refused'],
    ['3D000', 'database-missing'],
    ['42501', 'database-privileges'],
    ['25006', 'database-read-only'],
    ['ENOTFOUND', 'database-unreachable'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'database-certificate'],
    ['CERT_HAS_EXPIRED', 'database-certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'database-certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'database-certificate-name'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'database-client-certificate'],
  ])('%s becomes %s', (code, expected) => {
    expect(describeOpenError(withCode(code), 'db.example.com:5432/earwitness').code).toBe(expected)
  })
})
