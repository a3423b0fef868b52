/**
 * The one spelling of a unicast IP address, so that two can be compared: IPv4 in decimal, IPv6 as eight groups, IPv4 inside IPv6
 * (RFC 4291 2.5.5.2) as IPv4, without brackets and zone. Undefined for host names, and for addresses that nobody sends from and nothing
 * may be sent to: zeros (a hold, RFC 3264 8.4), multicast and broadcast.
 */
export function canonicalAddress(text: string): string | undefined {
  if (text.includes(':')) return canonicalIpv6(text)
  const octets = octetsOf(text)
  return octets === undefined ? undefined : unicastIpv4(octets)
}

function unicastIpv4(octets: readonly number[]): string | undefined {
  const [first = 0] = octets
  return first === 0 || first >= 224 ? undefined : octets.join('.')
}

function octetsOf(text: string): readonly number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part))) return undefined
  const octets = parts.map(Number)
  return octets.every((octet) => octet <= 255) ? octets : undefined
}

function canonicalIpv6(text: string): string | undefined {
  const bare = (text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text).split('%', 1)[0] ?? ''
  const halves = bare.split('::')
  const [left, right] = halves.map((half, index) => groupsOf(half, index === halves.length - 1))
  if (halves.length > 2 || left === undefined) return undefined
  const groups = halves.length === 1 ? left : filled(left, right)
  if (groups?.length !== 8) return undefined
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  const [, , , , , , high = 0, low = 0] = groups
  if (isMapped) return unicastIpv4([high >> 8, high & 0xff, low >> 8, low & 0xff])
  const [first = 0] = groups
  if (groups.every((group) => group === 0) || first >= 0xff00) return undefined
  return groups.map((group) => group.toString(16)).join(':')
}

/** RFC 4291 2.2: `::` stands for at least one group of zeros. */
function filled(left: readonly number[], right: readonly number[] | undefined): readonly number[] | undefined {
  if (right === undefined || left.length + right.length > 7) return undefined
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

/** @param isLast only the end of an address may be written as IPv4. RFC 4291 2.2 */
function groupsOf(text: string, isLast: boolean): readonly number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    const octets = isLast && index === parts.length - 1 && part.includes('.') ? octetsOf(part) : undefined
    if (octets !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = octets
      groups.push(a * 256 + b, c * 256 + d)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}
