import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const UNPACKED = join(import.meta.dirname, '..', '..', 'node_modules', '.earwitness')

/** Where a server of Debian lies that `npm test` has unpacked, or the system's own when it is installed. */
export interface ServerPlace {
  readonly root: string
  /** Its folder of shared libraries. */
  readonly libraries: string
  /** So that its programs find these; empty for the system's own. */
  readonly env: Readonly<Record<string, string>>
}

/** @param folders below the libraries that hold some more of them */
export function placeOfServer(name: 'ceph' | 'kamailio' | 'rtpengine', folders: readonly string[] = []): ServerPlace {
  const unpacked = join(UNPACKED, name)
  const root = existsSync(unpacked) ? unpacked : '/'
  const architecture = readdirSync(join(root, 'usr', 'lib')).find((entry) => entry.endsWith('-linux-gnu')) ?? ''
  const libraries = join(root, 'usr', 'lib', architecture)
  const path = [libraries, ...folders.map((folder) => join(libraries, folder)), join(root, 'lib', architecture)]
  return { root, libraries, env: root === '/' ? {} : { LD_LIBRARY_PATH: path.join(':') } }
}
