/** Names of the objects of one recording, inside its prefix. FORMAT.md 1 */

export const KEY_NAME = 'key.age'
export const MANIFEST_NAME = 'manifest.jws'
export const PEAKS_NAME = 'peaks.age'
export const INDEX_NAME = 'index.age'
/** Longest name a manifest may give an object. */
export const OBJECT_NAME_MAX = 100

const ROTATED_KEY_NAME = /^key-(?!000)\d{3}\.age$/
const CHUNK_NAME = /^chunk-\d{6,16}\.age$/
const KEPT_NAME = /^rtp-\d{6,16}\.age$/
const DTMF_NAME = /^dtmf-\d{3,16}\.age$/
const CONSENT_NAME = /^consent-\d{3,16}\.jws$/
const HELD_KEY_NAME = /^held-key-\d{3,16}\.age$/
const SNAPSHOT_NAME = /^metadata-\d{3,16}\.age$/
const CUSTODY_NAME = /^custody-\d{3,16}\.jws$/
// Begins with a letter or digit, so that neither `..` nor a hidden file is ever named.
const OBJECT_NAME = /^[a-z0-9][a-z0-9.-]*$/

export function chunkName(chunkSeq: number): string {
  return `chunk-${String(chunkSeq).padStart(6, '0')}.age`
}

/** RTP kept as it came. FORMAT.md 3.1 */
export function keptName(keptSeq: number): string {
  return `rtp-${String(keptSeq).padStart(6, '0')}.age`
}

export function snapshotName(seq: number): string {
  return `metadata-${String(seq).padStart(3, '0')}.age`
}

/** True for a wrapped key, the first one (`key.age`) or one that a rotation made (`key-001.age`). FORMAT.md 2.1 */
export function isWrappedKeyName(name: string): boolean {
  return name === KEY_NAME || ROTATED_KEY_NAME.test(name)
}

/** A wrapped key that rotation `number` made, 1 to 999; 0 is the first one. */
export function wrappedKeyName(number: number): string {
  return number === 0 ? KEY_NAME : `key-${String(number).padStart(3, '0')}.age`
}

/** The other way round; of what is no wrapped key -1. */
export function wrappedKeyNumber(name: string): number {
  if (!isWrappedKeyName(name)) return -1
  return name === KEY_NAME ? 0 : Number(name.slice('key-'.length, -'.age'.length))
}

/** Keys that were pressed. FORMAT.md 4.1 */
export function dtmfName(dtmfSeq: number): string {
  return `dtmf-${String(dtmfSeq).padStart(3, '0')}.age`
}

/** The private half of the key pair of what is held until consent. FORMAT.md 2.2 */
export function heldKeyName(heldSeq: number): string {
  return `held-key-${String(heldSeq).padStart(3, '0')}.age`
}

/** True for a key without which something of the recording can be opened by nobody: its own, whatever vault it is sealed to, or that of what was held. */
export function isSealedKeyName(name: string): boolean {
  return isWrappedKeyName(name) || isHeldKeyName(name)
}

export function isHeldKeyName(name: string): boolean {
  return HELD_KEY_NAME.test(name)
}

/** Peaks of what is held. FORMAT.md 3.2 */
export function heldPeaksName(heldSeq: number): string {
  return `held-peaks-${String(heldSeq).padStart(3, '0')}.age`
}

/** Signed consent events. FORMAT.md 4.3 */
export function consentName(number: number): string {
  return `consent-${String(number).padStart(3, '0')}.jws`
}

export function isConsentName(name: string): boolean {
  return CONSENT_NAME.test(name)
}

export function isDtmfName(name: string): boolean {
  return DTMF_NAME.test(name)
}

export function isChunkName(name: string): boolean {
  return CHUNK_NAME.test(name)
}

export function isKeptName(name: string): boolean {
  return KEPT_NAME.test(name)
}

export function isSnapshotName(name: string): boolean {
  return SNAPSHOT_NAME.test(name)
}

/** What is decided about the recording later. custody/FORMAT.md 1 */
export function custodyName(seq: number): string {
  return `custody-${String(seq).padStart(3, '0')}.jws`
}

export function isCustodyName(name: string): boolean {
  return CUSTODY_NAME.test(name)
}

/** True for a name that a manifest may give an object: short, lower case, without a path. */
export function isObjectName(name: string): boolean {
  return name.length <= OBJECT_NAME_MAX && OBJECT_NAME.test(name)
}
