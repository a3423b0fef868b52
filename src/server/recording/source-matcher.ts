import { BlockList, isIP, isIPv6 } from 'node:net'

/** By what an SRC is known; a criterion that is left out or empty is not asked for. */
export interface SourceCriteria {
  /** IP addresses and CIDR blocks; one of them fits. */
  readonly address?: string | readonly string[]
  /** DNS names, `*.` before one for any one label, and IP addresses of the certificate; one of them fits. */
  readonly tlsName?: string | readonly string[]
}

/** Tells whether an SRC fits one profile by where it is and what its certificate says. */
export class SourceMatcher {
  readonly #addresses: BlockList | undefined
  readonly #names: ReadonlySet<string> | undefined
  readonly #nameAddresses: BlockList

  constructor(criteria: SourceCriteria) {
    const addresses = [criteria.address ?? []].flat()
    const names = [criteria.tlsName ?? []].flat().map((name) => name.toLowerCase())
    this.#addresses = addresses.length === 0 ? undefined : blockListOf(addresses)
    this.#names = names.length === 0 ? undefined : new Set(names)
    this.#nameAddresses = blockListOf(names.filter((name) => isIP(name) !== 0))
  }

  /** @param tlsNames in lower case */
  fits(address: string, tlsNames: readonly string[]): boolean {
    if (this.#addresses?.check(address, familyOf(address)) === false) return false
    return this.#names === undefined || tlsNames.some((name) => this.#fitsName(name))
  }

  #fitsName(name: string): boolean {
    if (isIP(name) !== 0) return this.#nameAddresses.check(name, familyOf(name))
    const dot = name.indexOf('.')
    return this.#names?.has(name) === true || (dot > 0 && this.#names?.has(`*${name.slice(dot)}`) === true)
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of networks) {
    const [address = '', prefix] = text.split('/')
    if (prefix === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(prefix), familyOf(address))
  }
  return list
}
