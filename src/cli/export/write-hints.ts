/** What to do about a file or folder that could not be written. */
export function hintFor(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'EEXIST') return 'It exists already; name another one.'
  if (code === 'ENOENT') return 'The folder does not exist; make it first.'
  if (code === 'ENOSPC') return 'The disk is full.'
  return `Reason: ${typeof code === 'string' ? code : 'unknown'}.`
}
