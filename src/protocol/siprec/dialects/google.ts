import type { Dialect } from './dialect.ts'

/** Labels have names; the conversation stands in Call-Info. */
export const GOOGLE: Dialect = {
  name: 'google',
  title: 'Google contact-centre client',
  signs: [
    { fact: 'sdpAttribute', name: 'media_label', weight: 'sure' },
    { fact: 'header', name: 'Call-Info', contains: 'goog-contactcenter', weight: 'sure' },
    { fact: 'header', name: 'Call-Info', contains: 'dialogflow', weight: 'sure' },
    { fact: 'userAgent', startsWith: 'google', weight: 'named' },
    { fact: 'boundary', startsWith: 'ccai-', weight: 'likely' },
  ],
  contactTags: [],
  aliases: {},
  sdpLabels: ['media_label'],
  extensionIds: [],
  headerIds: [{ header: 'Call-Info', purpose: 'goog-contactcenter', kind: 'conversation', reads: 'text' }],
  quirks: ['sdpLabelAttribute'],
}
