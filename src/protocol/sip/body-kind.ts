import type { SipRequest } from './message.ts'

const decoder = new TextDecoder('latin1')

/**
 * Whether a request seems to carry a session description: by its Content-Type, or in a multipart body by the type of a part.
 *
 * Parts are not split here, so a part that merely mentions the type counts as well; whoever reads the body finds out.
 */
export function carriesOffer(request: SipRequest): boolean {
  return isOffer(request.headers.first('Content-Type'), request.body)
}

/** As {@link carriesOffer}, of a body of ours. */
export function isOffer(contentType: string | undefined, body: Uint8Array): boolean {
  if (body.length === 0) return false
  const type = contentType?.toLowerCase() ?? ''
  if (type.startsWith('application/sdp')) return true
  return type.startsWith('multipart/') && decoder.decode(body).toLowerCase().includes('application/sdp')
}

/** Whether the body of a request is of a kind that is read for metadata wherever it comes. */
export function mayCarryMetadata(request: SipRequest): boolean {
  const type = request.headers.first('Content-Type')?.toLowerCase() ?? ''
  return type.startsWith('application/rs-metadata') || type.startsWith('multipart/')
}

/** Whether a NOTIFY tells what became of a REFER. RFC 3515 2.4.4, 2.4.6 */
export function isAboutRefer(request: SipRequest): boolean {
  return request.headers.first('Event')?.split(';', 1)[0]?.trim().toLowerCase() === 'refer'
}
