import type { Dialect } from './dialect.ts'

/** One m-line that is mixed already, and that every participant sends. */
export const METASWITCH: Dialect = {
  name: 'metaswitch',
  title: 'Metaswitch Perimeta and CFS',
  signs: [
    { fact: 'userAgent', startsWith: 'metaswitch', weight: 'named' },
    { fact: 'userAgent', startsWith: 'perimeta', weight: 'named' },
    { fact: 'userAgent', startsWith: 'dc-sip/', weight: 'named' },
    { fact: 'boundary', startsWith: 'mstc', weight: 'likely' },
    { fact: 'header', name: 'Contact', contains: ';+sip.src>', weight: 'hint' },
    { fact: 'rootAttribute', name: 'id', weight: 'likely' },
    { fact: 'extension', endsWith: 'extension/servicetype', weight: 'likely' },
  ],
  contactTags: [],
  aliases: {
    sessionId: ['id'],
    participantId: ['id'],
    streamId: ['id'],
    sessionRef: ['session'],
  },
  sdpLabels: [],
  extensionIds: [],
  headerIds: [],
  quirks: ['mixedStream', 'sendInParticipant', 'newDialogOnTransfer'],
}
