import type { Dialect } from './dialect.ts'

/** RFC 7865 with every name prefixed; call data, up to 2 KiB of it, in the group or under the root. Its clock counts from its start. */
export const RIBBON: Dialect = {
  name: 'ribbon',
  title: 'Ribbon / Sonus session border controller',
  signs: [
    { fact: 'boundary', startsWith: 'sonus-', weight: 'sure' },
    { fact: 'userAgent', startsWith: 'ribbon', weight: 'named' },
    { fact: 'userAgent', startsWith: 'sonus', weight: 'named' },
    { fact: 'userAgent', startsWith: 'genband', weight: 'likely' },
    { fact: 'sdpOrigin', startsWith: 'sonus', weight: 'sure' },
    { fact: 'namespace', contains: 'ns:calldata', weight: 'likely' },
    { fact: 'extension', endsWith: 'calldata/gcid', weight: 'likely' },
    { fact: 'rootPrefix', is: 'tns', weight: 'likely' },
    { fact: 'header', name: 'From', contains: 'siprec-src', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [
    { name: 'gcid', inside: 'calldata', kind: 'gcid', reads: 'text' },
    { name: 'callid', inside: 'calldata', kind: 'sipCallId', reads: 'text' },
  ],
  headerIds: [
    { header: 'X-Ribbon-Session-ID', kind: 'vendorCall', reads: 'text' },
    { header: 'X-Ribbon-Call-ID', kind: 'sipCallId', reads: 'text' },
  ],
  quirks: ['impossibleTimes', 'noClosingBoundary', 'upperCaseMode', 'endsInBye'],
}
