import type { Dialect } from './dialect.ts'

/** RFC 7865 to the letter, with base64 ids; the facts of the original dialog come in Cisco's own headers. */
export const CISCO_CUBE: Dialect = {
  name: 'cisco-cube',
  title: 'Cisco Unified Border Element',
  signs: [
    { fact: 'userAgent', startsWith: 'cisco-sipgateway', weight: 'named' },
    { fact: 'sdpOrigin', startsWith: 'ciscosystemssip-gw', weight: 'sure' },
    { fact: 'header', name: 'Cisco-Guid', weight: 'likely' },
    { fact: 'header', name: 'Cisco-GUCID', weight: 'likely' },
    { fact: 'boundary', startsWith: 'uniqueboundary', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [
    { name: 'ciscoguid', kind: 'guid', reads: 'guid' },
    { name: 'ciscogucid', kind: 'guid', reads: 'guid' },
  ],
  headerIds: [
    { header: 'Cisco-Guid', kind: 'guid', reads: 'guid' },
    { header: 'Cisco-GUCID', kind: 'guid', reads: 'guid' },
    { header: 'X-Cisco-Guid', kind: 'guid', reads: 'guid' },
    { header: 'X-Cisco-Call-ID', kind: 'sipCallId', reads: 'text' },
  ],
  quirks: ['sendDroppedOnHold', 'wrongSessionId', 'endsInBye'],
}
