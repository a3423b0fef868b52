const REQUEST_TYPE = 'application/rs-metadata-request'

/** Headers and body of the UPDATE that asks an SRC for a complete snapshot. */
export interface SnapshotRequest {
  readonly headers: readonly (readonly [string, string])[]
  readonly contentType: string
  readonly body: Uint8Array
}

/**
 * True when an SRC says that it can be asked for a complete snapshot: its Accept lists the type of the request.
 *
 * @param accept the values of its Accept headers, each possibly a comma-separated list
 */
export function acceptsSnapshotRequest(accept: readonly string[]): boolean {
  return accept.some((value) =>
    value.split(',').some((range) => {
      const type = (range.split(';', 1)[0] ?? '').trim().toLowerCase()
      return type === REQUEST_TYPE || type === `${REQUEST_TYPE}+xml`
    }),
  )
}

/**
 * Asks for a complete snapshot, by UPDATE only: it can be sent whatever the dialog is doing, and RFC 7866 9.2 allows no other method. The SRC
 * sends the snapshot in an INVITE or UPDATE of its own. The type is the one that its Accept lists.
 *
 * @param reason a sentence in English without markup, names or numbers
 * @see RFC 7866 9.2, RFC 7865 (element requestsnapshot)
 */
export function buildSnapshotRequest(reason: string): SnapshotRequest {
  const xml = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1">',
    `  <requestreason xml:lang="en">${reason}</requestreason>`,
    '</requestsnapshot>',
    '',
  ].join('\r\n')
  return {
    headers: [
      ['Accept', 'application/sdp, application/rs-metadata+xml, application/rs-metadata'],
      ['Content-Disposition', 'recording-session'],
    ],
    contentType: REQUEST_TYPE,
    body: new TextEncoder().encode(xml),
  }
}
