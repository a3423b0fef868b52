import type { ShredScope } from '../../evidence/custody/custody-record.ts'
import { MarkFolder } from './mark-folder.ts'

/** What this machine knows of a recording that is destroyed. */
export interface ShreddedMark {
  readonly scope: ShredScope
  /** `recordId` of the decisions that were left for the ledger of this machine. */
  readonly said: readonly string[]
  /** Hex SHA-256 of the sealed keys that were there, so that a copy of one is known when the others are gone. */
  readonly keys: readonly string[]
}

/**
 * A mark for each recording that was destroyed from this machine, on the disk before anything of it is destroyed: what must not be stored again. They are never removed; removing one is safe
 * once nothing waits for a store any more.
 */
export class ShreddedMarks {
  readonly #folder: MarkFolder

  constructor(dataDir: string) {
    this.#folder = new MarkFolder(dataDir, 'shredded')
  }

  /** Undefined when there is none. A mark that cannot be read stands for all objects: rather too little is stored than too much. */
  async read(recordingId: string): Promise<ShreddedMark | undefined> {
    const text = await this.#folder.read(recordingId)
    return text === undefined ? undefined : parseMark(text)
  }

  /** Resolves when it would survive a power cut. */
  write(recordingId: string, mark: ShreddedMark): Promise<void> {
    return this.#folder.write(recordingId, `${JSON.stringify(mark)}\n`)
  }
}

function parseMark(text: string): ShreddedMark {
  try {
    const { scope, said, keys = [] } = JSON.parse(text) as Partial<ShreddedMark>
    const isList = Array.isArray(said) && Array.isArray(keys)
    if ((scope === 'key' || scope === 'objects') && isList) return { scope, said, keys }
  } catch {
    // Said below.
  }
  return { scope: 'objects', said: [], keys: [] }
}
