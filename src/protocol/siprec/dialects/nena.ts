import type { Dialect } from './dialect.ts'

/** Emergency services: up to eight media streams of four kinds, and identifiers of the call and the incident in Call-Info. NENA-STA-010 */
export const NENA: Dialect = {
  name: 'nena',
  title: 'NENA NG9-1-1',
  signs: [
    { fact: 'header', name: 'Call-Info', contains: 'emergency-callid', weight: 'sure' },
    { fact: 'header', name: 'Call-Info', contains: 'emergency-incidentid', weight: 'sure' },
    { fact: 'header', name: 'Call-Info', contains: 'nena-callid', weight: 'sure' },
    { fact: 'header', name: 'Call-Info', contains: 'nena-incidentid', weight: 'sure' },
    { fact: 'header', name: 'Call-Info', contains: 'urn:emergency', weight: 'sure' },
    { fact: 'namespace', contains: 'urn:nena', weight: 'sure' },
    { fact: 'boundary', startsWith: 'ng911', weight: 'likely' },
    { fact: 'header', name: 'Geolocation', weight: 'hint' },
    { fact: 'sdpAttribute', name: 'accept-types', weight: 'likely' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [
    { name: 'callidentifier', kind: 'emergencyCall', reads: 'text' },
    { name: 'emergencycallid', kind: 'emergencyCall', reads: 'text' },
    { name: 'incidentidentifier', kind: 'incident', reads: 'text' },
    { name: 'emergencyincidentid', kind: 'incident', reads: 'text' },
    { name: 'incidenttrackingid', kind: 'incident', reads: 'text' },
  ],
  headerIds: [
    { header: 'Call-Info', purpose: 'emergency-callid', kind: 'emergencyCall', reads: 'text' },
    { header: 'Call-Info', purpose: 'nena-callid', kind: 'emergencyCall', reads: 'text' },
    { header: 'Call-Info', purpose: 'emergency-incidentid', kind: 'incident', reads: 'text' },
    { header: 'Call-Info', purpose: 'nena-incidentid', kind: 'incident', reads: 'text' },
  ],
  quirks: [],
}
