import { MarkFolder } from './mark-folder.ts'

/** Whatever waited for a store when a key was sealed anew is stored, or was given up, long before. */
const KEPT_MS = 30 * 86_400_000

/**
 * A mark for each recording whose key was sealed anew from this machine, on the disk before the keys before are destroyed: the recorder must not store one of these again, which may
 * wait for the replica. Kept for 30 days.
 */
export class RotatedMarks {
  readonly #folder: MarkFolder

  constructor(dataDir: string) {
    this.#folder = new MarkFolder(dataDir, 'rotated')
  }

  /** The lowest number that a wrapped key of it may have; 0 without a mark, and with one that cannot be read: an old key too many does less harm than a lost one. */
  async lowest(recordingId: string): Promise<number> {
    const number = Number((await this.#folder.read(recordingId)) ?? 0)
    return Number.isSafeInteger(number) ? number : 0
  }

  /** Resolves when it would survive a power cut. */
  write(recordingId: string, lowest: number): Promise<void> {
    return this.#folder.write(recordingId, `${lowest}\n`)
  }

  forgetOld(nowUnixMs: number): Promise<void> {
    return this.#folder.removeOlder(nowUnixMs - KEPT_MS)
  }
}
