import { describe, expect, it } from 'vitest'

import { findMissing, readMigrations } from '../../../../src/server/database/migrate.ts'

const migrations = readMigrations()
const applied = migrations.map(({ version, name, sha256 }) => ({ version, name, sha256 }))

describe('The migrations of this release', () => {
  it('are numbered from 1 without a hole', () => {
    expect(migrations.map((migration) => migration.version)).toEqual(migrations.map((_, index) => index + 1))
  })

  it('are all missing in an empty database, and none in one that has them', () => {
    expect(findMissing(migrations, [])).toEqual(migrations)
    expect(findMissing(migrations, applied)).toEqual([])
  })

  it('refuse a database with one that they do not know', () => {
    const future = { version: 999, name: '0999-future.sql', sha256: '' }
    expect(() => findMissing(migrations, [...applied, future])).toThrow(
      expect.objectContaining({ code: 'database-newer' }),
    )
  })

  it('refuse a database where one of them was different', () => {
    const changed = applied.map((migration) => ({ ...migration, sha256: 'changed' }))
    expect(() => findMissing(migrations, changed)).toThrow(
      expect.objectContaining({ code: 'database-migration-changed' }),
    )
  })
})
