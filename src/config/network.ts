import { isIPv4, isIPv6 } from 'node:net'
import { accepted, rejected, type Result } from '../result.ts'

export interface Network {
  /** Bits of an address of this family: 32 or 128. */
  readonly familyBits: 32 | 128
  readonly bits: bigint
  readonly prefixLength: number
}

export type NetworkRejectReason = 'address' | 'prefixLength' | 'hostBits'

/** An IP address, or a CIDR block whose host bits are zero (RFC 4632 3.1, RFC 4291 2.3). */
export function parseNetwork(text: string): Result<Network, NetworkRejectReason> {
  const slash = text.indexOf('/')
  const address = addressBits(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return rejected('address')
  const { familyBits, bits } = address
  const lengthText = slash < 0 ? String(familyBits) : text.slice(slash + 1)
  const prefixLength = /^[0-9]{1,3}$/u.test(lengthText) ? Number(lengthText) : Number.NaN
  if (!(prefixLength <= familyBits)) return rejected('prefixLength')
  const hostMask = (1n << BigInt(familyBits - prefixLength)) - 1n
  if ((bits & hostMask) !== 0n) return rejected('hostBits')
  return accepted({ familyBits, bits, prefixLength })
}

function addressBits(text: string): { readonly familyBits: 32 | 128; readonly bits: bigint } | undefined {
  if (isIPv4(text)) {
    return { familyBits: 32, bits: text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) }
  }
  if (!isIPv6(text) || text.includes('%')) return undefined
  // The URL parser writes any spelling of an IPv6 address in hexadecimal groups (RFC 5952).
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const groups = (part: string): readonly string[] => (part === '' ? [] : part.split(':'))
  const before = groups(head)
  const after = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const bits = [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
  return { familyBits: 128, bits }
}

/** Whether every address of `inner` lies in `outer`. */
export function covers(outer: Network, inner: Network): boolean {
  if (outer.familyBits !== inner.familyBits || outer.prefixLength > inner.prefixLength) return false
  const shift = BigInt(outer.familyBits - outer.prefixLength)
  return inner.bits >> shift === outer.bits >> shift
}

/**
 * The block that a CIDR text with host bits lies in, as people write it: `10.0.0.5/8` gives `10.0.0.0/8`. IPv4 only.
 */
export function withoutHostBits(text: string): string | undefined {
  const [addressText = '', lengthText = ''] = text.split('/')
  const address = addressBits(addressText)
  const prefixLength = Number(lengthText)
  if (address?.familyBits !== 32 || !(prefixLength >= 0 && prefixLength <= 32)) return undefined
  const shift = BigInt(32 - prefixLength)
  const bits = (address.bits >> shift) << shift
  return `${[24n, 16n, 8n, 0n].map((byte) => (bits >> byte) & 0xffn).join('.')}/${prefixLength}`
}
