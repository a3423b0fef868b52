import { lookup } from 'node:dns'
import { isIP } from 'node:net'

/** Names looked up at a time. Lookups share a small pool of threads with the file system, which must not wait for a stranger's DNS. */
export const HOST_LOOKUPS_MAX = 2
/** Names remembered. */
export const HOSTS_MAX = 256
/** How long a name is remembered, found or not. Microseconds. */
const REMEMBERED_US = 60_000_000

/** Finds the address of a host named in a Contact or Record-Route. */
export class HostResolver {
  readonly #nowUs: () => number
  readonly #known = new Map<string, { readonly address: string | undefined; readonly foundUs: number }>()
  #lookups = 0

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs
  }

  /** Calls back with an address of the family, at once when it is known; undefined when there is none or too many lookups run. */
  resolve(host: string, family: 4 | 6, done: (address: string | undefined) => void): void {
    if (isIP(host) !== 0) {
      done(isIP(host) === family ? host : undefined)
      return
    }
    const key = `${family} ${host.toLowerCase()}`
    const known = this.#known.get(key)
    if (known !== undefined && this.#nowUs() - known.foundUs < REMEMBERED_US) {
      done(known.address)
      return
    }
    if (this.#lookups >= HOST_LOOKUPS_MAX) {
      done(undefined)
      return
    }
    this.#lookups += 1
    lookup(host, { family }, (error, address) => {
      this.#lookups -= 1
      const found = error === null ? address : undefined
      const oldest = this.#known.keys().next()
      if (this.#known.size >= HOSTS_MAX && oldest.done !== true) this.#known.delete(oldest.value)
      this.#known.set(key, { address: found, foundUs: this.#nowUs() })
      done(found)
    })
  }
}
