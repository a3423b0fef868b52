import type { Dialect } from './dialect.ts'

/** A transfer is a BYE and a new INVITE with the group id of the first and the next sequence number. */
export const NETSAPIENS: Dialect = {
  name: 'netsapiens',
  title: 'NetSapiens',
  signs: [
    { fact: 'userAgent', startsWith: 'netsapiens', weight: 'named' },
    { fact: 'namespace', contains: 'netsapiens', weight: 'sure' },
    { fact: 'boundary', startsWith: 'nsboundary', weight: 'likely' },
    { fact: 'extension', endsWith: 'group/sequence', weight: 'likely' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [
    { name: 'origcallid', kind: 'sipCallId', reads: 'text' },
    { name: 'termcallid', kind: 'sipCallId', reads: 'text' },
    { name: 'bycallid', kind: 'sipCallId', reads: 'text' },
  ],
  headerIds: [],
  quirks: ['newDialogOnTransfer', 'streamIdsReused', 'addressesInExtension'],
}
