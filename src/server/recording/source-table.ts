import { BlockList, isIPv6 } from 'node:net'

import type { SourceConfig } from '../../config/config.ts'

export interface Source {
  readonly name: string
  readonly tenant: string
  readonly forceSiprec: boolean
  /** The SRC is told of an operator's pause by re-INVITE; left out: it is not. */
  readonly tellPause?: boolean
}

const UNKNOWN_SOURCE: Source = { name: 'other', tenant: 'default', forceSiprec: false }

/** Finds the profile of an SRC by its address; the first one configured that matches wins. */
export class SourceTable {
  readonly #entries: readonly { readonly source: Source; readonly addresses: BlockList }[]

  constructor(configured: readonly SourceConfig[]) {
    this.#entries = configured.map((source) => ({ source, addresses: addressesOf(source.address) }))
  }

  lookup(address: string): Source {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return this.#entries.find((entry) => entry.addresses.check(address, family))?.source ?? UNKNOWN_SOURCE
  }
}

function addressesOf(text: string): BlockList {
  const list = new BlockList()
  const [address = '', prefix] = text.split('/')
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  if (prefix === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(prefix), family)
  return list
}
