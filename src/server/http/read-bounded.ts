/** The body of an answer; undefined when it is longer than `bytesMax`: whoever answers must not fill the memory. */
export async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    parts.push(part)
    length += part.length
    if (length > bytesMax) return undefined
  }
  return Buffer.concat(parts)
}
