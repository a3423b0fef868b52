import { link, open, unlink } from 'node:fs/promises'

import { EarwitnessError } from '../../errors.ts'
import { hintFor } from './write-hints.ts'

/**
 * Writes beside the target and links it into place, so that there is never half a file and none is overwritten.
 *
 * @throws EarwitnessError `export-not-written`; one that `content` throws goes through as it is
 */
export async function writeNewFile(path: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${path}.${process.pid}.part`
  try {
    const file = await open(partial, 'wx', 0o600)
    try {
      await file.writeFile(content)
    } finally {
      await file.close()
    }
    await link(partial, path)
  } catch (cause) {
    if (cause instanceof EarwitnessError) throw cause
    throw new EarwitnessError('export-not-written', `The file ${path} could not be written.`, hintFor(cause), { cause })
  } finally {
    await unlink(partial).catch(() => {})
  }
}
