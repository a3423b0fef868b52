import { watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { OpenJournalEntry } from '../../src/server/recording/open-journal.ts'

/** Of the end of a sealed key: what is told from all others. */
const NEEDLE_BYTES = 48
const POLL_MS = 20

interface SealedKey {
  readonly recordingId: string
  readonly of: 'recording' | 'held'
  readonly bytes: Buffer
}

/** The sealed keys that a recorder had, as they stood on its disk, and which of them must not be anywhere any more. */
export class KeysSeen {
  readonly #seen: SealedKey[] = []
  readonly #gone: SealedKey[] = []

  /** Notes what comes into the folder of held keys, until `signal`. */
  watchHeld(dataDir: string, signal: AbortSignal): void {
    const folder = join(dataDir, 'held')
    watch(folder, { signal }, (_event, name) => {
      if (name !== null && !name.startsWith('.')) void this.#noteHeld(join(folder, name))
    })
  }

  /** Notes the key of a recording as soon as its journal has it; resolves, when its held key is on the disk too, to whether there is one. */
  async note(dataDir: string, recordingId: string, signal: AbortSignal): Promise<boolean> {
    const file = join(dataDir, 'open', `${recordingId}.jsonl`)
    while (!signal.aborted) {
      const [line = '', rest] = (await readFile(file, 'utf8').catch(() => '')).split('\n', 2)
      const held = await readdir(join(dataDir, 'held'))
      if (rest !== undefined && held.some((name) => !name.startsWith('.') && name.includes(recordingId))) {
        const opened = JSON.parse(line) as OpenJournalEntry & { readonly kind: 'opened' }
        this.#seen.push({ recordingId, of: 'recording', bytes: Buffer.from(opened.wrappedKeyBase64, 'base64') })
        return true
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => {})
    }
    return false
  }

  /** From now on there must be none of its keys anywhere, or none for what it held. */
  forget(recordingId: string, which: 'all' | 'held'): void {
    const own = this.#seen.filter((key) => key.recordingId === recordingId && (which === 'all' || key.of === 'held'))
    this.#gone.push(...own)
  }

  /** Keys that must be gone and stand in a file of the data folder: as they are, or in base64 as in a journal. */
  async foundAgain(dataDir: string): Promise<readonly string[]> {
    const needles = this.#gone.map((key) => ({
      ...{ key, end: key.bytes.subarray(-NEEDLE_BYTES) },
      text: key.bytes.toString('base64').slice(0, -4).slice(-NEEDLE_BYTES),
    }))
    const faults: string[] = []
    const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
    for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
      // What a recorder that runs has removed meanwhile is not there.
      const bytes = await readFile(join(parentPath, name)).catch(() => Buffer.alloc(0))
      for (const { key, end, text } of needles) {
        if (bytes.includes(end) || bytes.includes(text))
          faults.push(`${key.recordingId}: the key of its ${key.of} part is destroyed, and stands in ${name}`)
      }
    }
    return faults
  }

  async #noteHeld(path: string): Promise<void> {
    const recordingId = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(path)?.[0]
    const bytes = await readFile(path).catch(() => undefined)
    if (recordingId === undefined || bytes === undefined || bytes.every((byte) => byte === 0)) return
    this.#seen.push({ recordingId, of: 'held', bytes })
  }
}
