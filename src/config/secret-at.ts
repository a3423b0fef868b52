import type { Problems } from './problems.ts'
import type { Environment } from './read-environment.ts'
import { resolveSecret, type SecretRejectReason } from './secrets.ts'

/** Where secrets are looked for, and where it is told when they are not there. */
export interface SecretContext {
  readonly env: Environment
  readonly cwd: string
  readonly origins: ReadonlyMap<string, string>
  readonly problems: Problems
}

const SECRET_SENTENCES: ReadonlyMap<SecretRejectReason, readonly [sentence: string, hint: string]> = new Map([
  [
    'fileUnreadable',
    ['names a file that cannot be read', 'Check the path after "file:" and that this user may read it.'],
  ],
  ['fileTooLarge', ['names a file that is too large for a secret', 'Check the path after "file:".']],
  ['variableMissing', ['names an environment variable that is not set', 'Set it, or correct the name after "env:".']],
  ['empty', ['names an empty file', 'Write the secret into it.']],
])

/** The secret that the key `path` holds or points to; undefined when it is not set, or wrong, which is then told. */
export function secretAt(path: string, text: string | null, context: SecretContext): string | undefined {
  if (text === null || text === undefined || context.problems.concerns(path)) return undefined
  const resolved = resolveSecret(text, context)
  if (resolved.ok) return resolved.value
  const [words, hint] = SECRET_SENTENCES.get(resolved.reason) ?? ['cannot be resolved', 'Check it.']
  const sentence = `${path} ${words}: ${resolved.detail ?? ''}.`
  context.problems.add(path, { code: 'config-secret-missing', where: context.origins.get(path), sentence, hint })
  return undefined
}
