import type { Dialect } from './dialect.ts'

/** RFC 7865 with URNs for ids; the far end is a dummy until its m-line is added. The UCID travels in User-to-User. */
export const AVAYA: Dialect = {
  name: 'avaya',
  title: 'Avaya session border controller for enterprise',
  signs: [
    { fact: 'userAgent', startsWith: 'avaya', weight: 'named' },
    { fact: 'header', name: 'X-Avaya-UCID', weight: 'sure' },
    { fact: 'header', name: 'P-Asserted-Identity', contains: 'avaya', weight: 'hint' },
    { fact: 'header', name: 'User-to-User', contains: 'fa08', weight: 'hint' },
    { fact: 'sdpAttribute', name: 'label', is: '10', weight: 'likely' },
    { fact: 'header', name: 'Contact', contains: ';+sip.src>', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [{ name: 'avayaucid', kind: 'ucid', reads: 'ucid' }],
  headerIds: [{ header: 'X-Avaya-UCID', kind: 'ucid', reads: 'ucid' }],
  quirks: ['dummyParticipant', 'emptyStreamId', 'upperCaseMode'],
}
