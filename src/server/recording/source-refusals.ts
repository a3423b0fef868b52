import type { SourceRefusal } from './source-table.ts'

/** What an SRC that is not recorded is told, as a Warning: the words of the configuration, for whoever looks at a trace. RFC 3261 20.43 */
export const SOURCE_REFUSALS: Readonly<Record<SourceRefusal, string>> = {
  policy: '399 earwitness "The entry of this source in sources has policy: refuse"',
  unknown: '399 earwitness "No entry of sources matches this address, and unknownSources is refuse"',
  unauthenticated: '399 earwitness "The entry of this source in sources asks for a password, and none was proved"',
}
