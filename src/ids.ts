declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** One recording: a UUIDv7, so that its first 48 bits are the wall-clock millisecond it began. RFC 9562 5.7 */
export type RecordingId = Branded<'RecordingId'>
/** One recording session: the SIP dialog between SRC and SRS. A UUIDv7 of ours. */
export type RsId = Branded<'RsId'>
/** One SIP dialog as the signalling port names it; opaque. */
export type DialogId = Branded<'DialogId'>
/** One media stream (SDP m-line) of one recording: its index in the SDP, as text. */
export type StreamId = Branded<'StreamId'>

export const asRecordingId = (text: string): RecordingId => text as RecordingId
export const asRsId = (text: string): RsId => text as RsId
export const asDialogId = (text: string): DialogId => text as DialogId
export const asStreamId = (text: string): StreamId => text as StreamId

/** Formats 16 bytes of randomness and a wall-clock millisecond as a UUIDv7 (RFC 9562 5.7). */
export function uuidV7(unixMs: number, random: Uint8Array): string {
  const bytes = Uint8Array.from(random.subarray(0, 16))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Math.floor(unixMs / 0x1_0000_0000))
  view.setUint32(2, unixMs % 0x1_0000_0000)
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x70)
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80)
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function isUuidV7(text: string): boolean {
  return UUID_V7.test(text)
}

/** The wall-clock millisecond inside a UUIDv7, or undefined when `id` is not one. */
export function uuidV7UnixMs(id: string): number | undefined {
  return isUuidV7(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined
}
