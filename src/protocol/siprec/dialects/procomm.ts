import type { Dialect } from './dialect.ts'

/** RFC 7865 with names for labels. */
export const PROCOMM: Dialect = {
  name: 'procomm',
  title: 'procomm, on SEMS',
  signs: [
    { fact: 'userAgent', startsWith: 'sems', weight: 'named' },
    { fact: 'userAgent', startsWith: 'procomm', weight: 'named' },
    { fact: 'sdpOrigin', startsWith: 'sems', weight: 'sure' },
    { fact: 'sdpAttribute', name: 'label', is: 'a_leg', weight: 'likely' },
    { fact: 'sdpAttribute', name: 'direction', is: 'both', weight: 'hint' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: [],
  extensionIds: [],
  headerIds: [],
  quirks: ['noClosingBoundary'],
}
