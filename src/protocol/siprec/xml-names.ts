/** A local name as it is matched: `datamode`, `dataMode` and `data-mode` are one. */
export function foldName(localName: string): string {
  const lower = localName.toLowerCase()
  // Most names have neither: asking first costs a tenth of replacing.
  return lower.includes('-') || lower.includes('_') ? lower.replaceAll(/[-_]/g, '') : lower
}

export function localNameOf(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1)
}

/** The prefix that an attribute declares ('' for the default), or undefined when it is a plain attribute. */
export function declaredPrefix(attributeName: string): string | undefined {
  if (attributeName === 'xmlns') return ''
  return attributeName.startsWith('xmlns:') ? attributeName.slice('xmlns:'.length) : undefined
}
