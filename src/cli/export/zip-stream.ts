import { Readable } from 'node:stream'

import { ZipFile } from 'yazl'

/** One member of a zip that is to be written. */
export interface NewMember {
  readonly name: string
  /** Asked for when its turn comes, so that one member is held at a time. */
  readonly open: () => AsyncIterable<Uint8Array>
}

/** Whoever unpacks it may read it, and nobody else. */
const MODE = 0o100_600

/**
 * A zip as a stream of bytes. Members are stored, not deflated: sealed objects do not shrink, and what is stored can be read with any tool
 * from any place. What a member throws ends the stream with that error.
 */
export function zipStream(members: Iterable<NewMember>, mtime: Date): AsyncIterable<Uint8Array> {
  const zip = new ZipFile()
  const output = zip.outputStream as Readable
  zip.on('error', (error: Error) => output.destroy(error))
  for (const { name, open } of members) {
    zip.addReadStreamLazy(name, { compress: false, mtime, mode: MODE }, (ready) => {
      const source = Readable.from(open(), { objectMode: false })
      // yazl pipes what it is given and does not listen for errors of it.
      source.on('error', (error) => zip.emit('error', error))
      ready(null, source)
    })
  }
  zip.end()
  return output
}
