/** Puts frames of one configuration into one packet of code 3 with lengths of their own. RFC 6716 3.2.5 */
export function joinFrames(toc: number, frames: readonly ArrayLike<number>[], padding = 0): Uint8Array {
  const counts: number[] = []
  if (padding > 0) {
    for (let left = padding; ; left -= 254) {
      counts.push(Math.min(left, 255))
      if (left < 255) break
    }
  }
  const lengths = frames.slice(0, -1).flatMap(({ length }) => {
    const low = 252 + (length & 3)
    return length < 252 ? [length] : [low, (length - low) >> 2]
  })
  return Uint8Array.from([
    (toc & ~3) | 3,
    0x80 | (padding > 0 ? 0x40 : 0) | frames.length,
    ...counts,
    ...lengths,
    ...frames.flatMap((frame) => Array.from(frame)),
    ...Array.from({ length: padding }, () => 0),
  ])
}
