import type { Dialect } from './dialect.ts'

/** Writes RFC 7865, or copies what AudioCodes writes. */
export const JAMBONZ: Dialect = {
  name: 'jambonz',
  title: 'jambonz',
  signs: [
    { fact: 'userAgent', startsWith: 'jambonz', weight: 'named' },
    { fact: 'sdpOrigin', startsWith: 'jambonz', weight: 'sure' },
    { fact: 'header', name: 'X-Account-Sid', weight: 'likely' },
    { fact: 'header', name: 'X-Application-Sid', weight: 'likely' },
    { fact: 'header', name: 'X-Call-Sid', weight: 'likely' },
    { fact: 'boundary', startsWith: 'uniqueboundary', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [],
  headerIds: [
    { header: 'X-CID', kind: 'sipCallId', reads: 'text' },
    { header: 'X-Call-Sid', kind: 'vendorCall', reads: 'text' },
    { header: 'X-Trace-ID', kind: 'vendorCall', reads: 'text' },
  ],
  quirks: ['noClosingBoundary'],
}
