import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { accepted, rejected, type Result } from '../result.ts'
import type { Environment } from './read-environment.ts'

/** What is printed for every secret. */
export const MASK = '***'

/** A file that holds one secret is not longer. */
const SECRET_BYTES_MAX = 64 * 1024

export type SecretRejectReason = 'fileUnreadable' | 'fileTooLarge' | 'variableMissing' | 'empty'

/**
 * `file:/path` gives the file's text without the line feed at its end, `env:NAME` the variable's, anything else
 * itself.
 */
export function resolveSecret(
  text: string,
  options: { readonly env: Environment; readonly cwd: string },
): Result<string, SecretRejectReason> {
  if (text.startsWith('env:')) {
    const value = options.env[text.slice('env:'.length)]
    return value === undefined || value === ''
      ? rejected('variableMissing', text.slice('env:'.length))
      : accepted(value)
  }
  if (!text.startsWith('file:')) return accepted(text)
  const path = text.slice('file:'.length)
  try {
    const bytes = readFileSync(resolve(options.cwd, path))
    if (bytes.length > SECRET_BYTES_MAX) return rejected('fileTooLarge', path)
    const value = bytes.toString('utf8').replace(/\r?\n$/u, '')
    return value === '' ? rejected('empty', path) : accepted(value)
  } catch {
    return rejected('fileUnreadable', path)
  }
}
