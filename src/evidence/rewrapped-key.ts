import { createHmac } from 'node:crypto'

import { accepted, rejected, type Result } from '../result.ts'
import { sealToRecipients, type RandomBytes } from './age-seal.ts'

const VERSION_LINE = 'age-encryption.org/v1'
/** Of a header with as many recipients as there may be. */
const HEADER_BYTES_MAX = 4_096

/**
 * Seals a recording's identity to other vault recipients, as the object `name`. The same arguments give the same bytes: whoever was stopped half way makes no second
 * key, and knows his own without a key of the new vault. FORMAT.md 2.1
 *
 * Nobody can tell those bytes from random ones who does not have the identity, which is what they keep; another name or recipient gives others.
 * Throws a RangeError as `sealToRecipients` does.
 */
export function rewrapKey(options: {
  readonly identity: string
  readonly recipients: readonly string[]
  readonly name: string
}): Uint8Array {
  const { identity, recipients } = options
  const clear = new TextEncoder().encode(`${identity}\n`)
  const wrapped = sealToRecipients(clear, recipients, randomnessOf(options))
  clear.fill(0)
  return wrapped
}

function randomnessOf({
  identity,
  recipients,
  name,
}: {
  readonly identity: string
  readonly recipients: readonly string[]
  readonly name: string
}): RandomBytes {
  const purpose = `earwitness-rewrap/1\n${name}\n${recipients.map((recipient) => `${recipient}\n`).join('')}`
  let calls = 0
  return (length) => {
    const bytes = createHmac('sha256', identity).update(`${purpose}${calls}`).digest()
    calls += 1
    return Uint8Array.from(bytes.subarray(0, length))
  }
}

/** How many recipients an age file of ours is sealed to, by its header; `notSealed`: it is no such file, or has recipients of another kind. */
export function countRecipients(sealed: Uint8Array): Result<number, 'notSealed'> {
  const header = new TextDecoder('latin1').decode(sealed.subarray(0, HEADER_BYTES_MAX)).split('\n')
  if (header[0] !== VERSION_LINE) return rejected('notSealed')
  let line = 1
  while (/^-> X25519 [A-Za-z0-9+/]{43}$/.test(header[line] ?? '')) {
    if (!/^[A-Za-z0-9+/]{43}$/.test(header[line + 1] ?? '')) return rejected('notSealed')
    line += 2
  }
  if (!/^--- [A-Za-z0-9+/]{43}$/.test(header[line] ?? '')) return rejected('notSealed')
  return accepted((line - 1) / 2)
}
