import type { Dialect } from './dialect.ts'

/**
 * A phone, or a gateway on behalf of one, that forks its media through Unified Communications Manager. It speaks no SIPREC: the URI in
 * From says in parameters which side the dialog carries, and the call references of both. Read by `from-metadata.ts`.
 */
export const CISCO_PHONE: Dialect = {
  name: 'cisco-phone',
  title: 'Cisco phone that forks its media (built-in bridge, network-based recording)',
  signs: [
    { fact: 'fromParameter', name: 'x-refci', weight: 'sure' },
    { fact: 'fromParameter', name: 'x-nearend', weight: 'sure' },
    { fact: 'fromParameter', name: 'x-farend', weight: 'sure' },
    { fact: 'userAgent', startsWith: 'cisco-cucm', weight: 'likely' },
    { fact: 'sdpOrigin', startsWith: 'ciscosystemsccm-sip', weight: 'likely' },
    { fact: 'header', name: 'Contact', contains: 'isfocus', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [],
  headerIds: [
    { header: 'From', parameter: 'x-sessionid', kind: 'sessionId', reads: 'sessionId' },
    { header: 'From', parameter: 'x-nearendguid', kind: 'guid', reads: 'guid' },
    { header: 'From', parameter: 'x-farendguid', kind: 'guid', reads: 'guid' },
  ],
  quirks: ['factsInFrom', 'twoDialogs', 'delayedOffer'],
}
