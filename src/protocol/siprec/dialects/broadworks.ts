import type { Dialect } from './dialect.ts'

/** Draft 02 of the metadata format: another root, `<aor>` and `<send><id>` in `<participant>`, and call data in `<extensiondata parent=…>`. */
export const BROADWORKS: Dialect = {
  name: 'broadworks',
  title: 'BroadWorks / Webex Calling',
  signs: [
    { fact: 'root', is: 'recordingmetadata', weight: 'sure' },
    { fact: 'namespace', contains: 'broadsoft.com', weight: 'sure' },
    { fact: 'namespace', contains: 'broadworks', weight: 'sure' },
    { fact: 'userAgent', startsWith: 'broadworks', weight: 'named' },
    { fact: 'sdpOrigin', startsWith: 'broadworks', weight: 'sure' },
    { fact: 'boundary', startsWith: 'uniquebroadworksboundary', weight: 'sure' },
    { fact: 'header', name: 'X-BroadWorks-Correlation-Info', weight: 'sure' },
    { fact: 'header', name: 'Accept', contains: 'x-broadworks', weight: 'sure' },
  ],
  contactTags: ['src'],
  aliases: {
    root: ['recordingmetadata'],
    groupId: ['id'],
    sessionId: ['id'],
    participantId: ['id'],
    streamId: ['id'],
    groupRef: ['group'],
    sessionRef: ['session'],
    streamRef: ['id'],
  },
  sdpLabels: [],
  extensionIds: [
    { name: 'exttrackingid', kind: 'trackingId', reads: 'text' },
    { name: 'callid', inside: 'broadworksrecordingmetadata', kind: 'vendorCall', reads: 'text' },
  ],
  headerIds: [{ header: 'X-BroadWorks-Correlation-Info', kind: 'vendorCall', reads: 'text' }],
  quirks: ['bareAor', 'sendInParticipant', 'mixedStream', 'sdpLabelDiffers', 'metadataFirst'],
}
