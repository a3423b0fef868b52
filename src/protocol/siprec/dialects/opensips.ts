import type { Dialect } from './dialect.ts'

/** RFC 7865 with base64 ids, always complete, names and custom XML taken over as they are; sometimes without a `<stream>`. */
export const OPENSIPS: Dialect = {
  name: 'opensips',
  title: 'OpenSIPS',
  signs: [
    { fact: 'userAgent', startsWith: 'opensips', weight: 'named' },
    { fact: 'boundary', startsWith: 'oss-unique-boundary', weight: 'sure' },
    { fact: 'sdpName', is: 'SIPREC', weight: 'hint' },
    { fact: 'sdpAttribute', name: 'label', is: '0', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [],
  headerIds: [],
  quirks: ['alwaysComplete', 'noAssociations', 'unescapedMarkup'],
}
