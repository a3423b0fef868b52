import type { Dialect } from './dialect.ts'

/**
 * Draft 06 of the metadata format: `id` and `session` attributes, `<send>` inside `<participant>`. The UCID plug-in adds an Avaya UCID or
 * a Cisco or Genesys id, all under the name `ucid`; the header plug-in copies SIP headers as `<header label="NAME"><value>`.
 */
export const ORACLE: Dialect = {
  name: 'oracle',
  title: 'Oracle / Acme Packet session border controller',
  signs: [
    { fact: 'namespace', contains: 'acmepacket.com', weight: 'sure' },
    { fact: 'userAgent', startsWith: 'oracle', weight: 'named' },
    { fact: 'userAgent', startsWith: 'acme', weight: 'named' },
    { fact: 'header', name: 'X-OCSBC-UCID', weight: 'sure' },
    { fact: 'header', name: 'P-OCSBC-UCID', weight: 'sure' },
    { fact: 'header', name: 'X-Oracle-UCID', weight: 'sure' },
    { fact: 'rootPrefix', is: 'apkt', weight: 'likely' },
    { fact: 'extension', endsWith: 'extensiondata/callerorig', weight: 'likely' },
    { fact: 'extension', endsWith: 'extensiondata/callingparty', weight: 'likely' },
    { fact: 'boundary', startsWith: 'unique-boundary-', weight: 'likely' },
  ],
  contactTags: [],
  aliases: {
    sessionId: ['id'],
    participantId: ['id'],
    streamId: ['id'],
    sessionRef: ['session'],
    startTime: ['associatetime'],
    stopTime: ['disassociatetime'],
  },
  sdpLabels: [],
  extensionIds: [
    { name: 'ucid', inside: 'extensiondata', kind: 'ucid', reads: 'ucid' },
    { name: 'xisrucid', kind: 'ucid', reads: 'ucid' },
  ],
  headerIds: [
    { header: 'X-ISR-UCID', kind: 'ucid', reads: 'ucid' },
    { header: 'X-Oracle-UCID', kind: 'ucid', reads: 'ucid' },
    { header: 'X-OCSBC-UCID', kind: 'ucid', reads: 'ucid' },
    { header: 'P-OCSBC-UCID', kind: 'ucid', reads: 'ucid' },
    { header: 'X-Oracle-Conversation-ID', kind: 'conversation', reads: 'text' },
  ],
  quirks: ['sendInParticipant', 'timesWithoutZone', 'unescapedMarkup'],
}
