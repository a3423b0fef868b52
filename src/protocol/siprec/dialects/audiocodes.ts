import type { Dialect } from './dialect.ts'

/** Two formats of metadata, an old one like Oracle's and that of RFC 7865. Ids of call centres are handed on in namespaces of its own. */
export const AUDIOCODES: Dialect = {
  name: 'audiocodes',
  title: 'AudioCodes Mediant session border controller',
  signs: [
    { fact: 'userAgent', startsWith: 'audiocodes', weight: 'named' },
    { fact: 'userAgent', startsWith: 'mediant', weight: 'named' },
    { fact: 'header', name: 'X-AC-Action', weight: 'sure' },
    { fact: 'header', name: 'AC-Session-ID', weight: 'sure' },
    { fact: 'header', name: 'X-AUDC-CALL-ID', weight: 'sure' },
    { fact: 'boundary', startsWith: 'boundary_ac', weight: 'sure' },
    { fact: 'extension', endsWith: 'avayaucid', weight: 'sure' },
    { fact: 'extension', endsWith: 'genesysuuid', weight: 'likely' },
    { fact: 'namespace', contains: 'urn:ietf:params:xml:ns:avaya', weight: 'likely' },
    { fact: 'namespace', contains: 'urn:ietf:params:xml:ns:genesys', weight: 'likely' },
    { fact: 'sdpOrigin', startsWith: 'audiocodes', weight: 'sure' },
    { fact: 'sdpName', is: 'SBC-Call', weight: 'likely' },
  ],
  contactTags: ['src'],
  aliases: {
    groupId: ['id'],
    sessionId: ['id'],
    participantId: ['id'],
    streamId: ['id'],
    sessionRef: ['session'],
  },
  sdpLabels: [],
  extensionIds: [
    { name: 'avayaucid', kind: 'ucid', reads: 'ucid' },
    { name: 'genesysuuid', kind: 'genesysUuid', reads: 'text' },
  ],
  headerIds: [
    { header: 'AC-Session-ID', kind: 'vendorCall', reads: 'text' },
    { header: 'X-AUDC-CALL-ID', kind: 'vendorCall', reads: 'text' },
  ],
  quirks: ['sendInParticipant', 'undeclaredPrefix'],
}
