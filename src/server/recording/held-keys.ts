import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { MANIFEST_NAME } from '../../evidence/object-names.ts'
import { nodeSpoolFiles, type SpoolFiles } from '../spool/spool-files.ts'
import { objectKey } from '../storage/layout.ts'
import type { ObjectStore } from '../storage/object-store.ts'

const FOLDER = 'held'
/** In the place of the slashes of a key of the store, which cannot contain it. */
const SLASH = '~'
/** Before the name of one whose recording is being opened: no journal has a word of it yet. */
const UNNAMED = '.new-'

/**
 * The sealed keys of what is held until consent, while nobody has decided: a small file each under `dataDir/held`, named as the object that it may become. They are here
 * and nowhere else, so that destroying one needs no word of an object store, which may keep versions, replicas and locks. FORMAT.md 2.2
 *
 * There is one for each recording under way and each that nobody has decided about. What is done to one key is done in order.
 */
export class HeldKeys {
  readonly folder: string
  readonly #files: SpoolFiles
  readonly #chains = new Map<string, Promise<unknown>>()

  constructor(options: { readonly dataDir: string; readonly files?: SpoolFiles }) {
    this.folder = join(options.dataDir, FOLDER)
    this.#files = options.files ?? nodeSpoolFiles
  }

  /**
   * Before anything else knows of its recording. Resolves when neither a crash nor a power cut takes it any more; it is one of the held keys when it is named.
   *
   * @param key of the object that it may become
   */
  prepare(key: string, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(key, async () => {
      const unnamed = join(this.folder, UNNAMED + fileName(key))
      await this.#files.makeDirectory(this.folder)
      await this.#files.remove(unnamed)
      await this.#writeSynced(unnamed, bytes)
      await this.#files.syncDirectory(this.folder)
    })
  }

  /** Its recording exists. Fine when it has its name already, or was destroyed. */
  name(key: string): Promise<void> {
    return this.#inTurn(key, async () => {
      const names = await this.#files.readDirectory(this.folder)
      if (!names.includes(UNNAMED + fileName(key))) return
      await this.#files.rename(join(this.folder, UNNAMED + fileName(key)), this.#path(key))
      await this.#files.syncDirectory(this.folder)
    })
  }

  /** Undefined when there is none. */
  read(key: string): Promise<Uint8Array | undefined> {
    return this.#inTurn(key, async () => {
      const names = await this.#files.readDirectory(this.folder)
      return names.includes(fileName(key)) ? this.#files.read(this.#path(key)) : undefined
    })
  }

  /**
   * Resolves when it is gone; fine when there was none. Its place on the disk is written over first, as far as file system and disk do that where
   * they are asked to: what they keep elsewhere is sealed to the vault.
   */
  destroy(key: string): Promise<void> {
    return this.#inTurn(key, async () => {
      const names = await this.#files.readDirectory(this.folder)
      if (names.includes(UNNAMED + fileName(key))) {
        await overwrite(join(this.folder, UNNAMED + fileName(key)))
        await this.#files.remove(join(this.folder, UNNAMED + fileName(key)))
      }
      if (!names.includes(fileName(key))) return
      await overwrite(this.#path(key))
      await this.#files.remove(this.#path(key))
      await this.#files.syncDirectory(this.folder)
    })
  }

  /** The keys of the store under which there may be an object later. */
  async undecided(): Promise<readonly string[]> {
    const names = await this.#files.readDirectory(this.folder)
    // Besides them there may be the lock of a command.
    return names.filter((name) => !name.startsWith('.') && name.includes(SLASH)).map(keyOf)
  }

  /** Keys that were prepared and have no name: of recordings that are being opened, and of those that a crash kept from it. */
  async unnamed(): Promise<readonly string[]> {
    const names = await this.#files.readDirectory(this.folder)
    return names.filter((name) => name.startsWith(UNNAMED)).map((name) => keyOf(name.slice(UNNAMED.length)))
  }

  /**
   * What an earlier run left without a name gets it when its recording exists, by its journal or its manifest; else nothing was sealed to it, and it goes.
   *
   * @param left as {@link unnamed} gave it before the first new recording
   * @param parts.opened keys that a journal names
   * @param parts.onError hears of one that is left as it is, for the next start
   */
  async settleUnnamed(
    left: readonly string[],
    parts: {
      readonly opened: ReadonlySet<string>
      readonly store: Pick<ObjectStore, 'get'>
      readonly onError: (error: unknown) => void
    },
  ): Promise<void> {
    const exists = async (key: string): Promise<boolean> => {
      const manifest = objectKey(key.slice(0, key.lastIndexOf('/')), MANIFEST_NAME)
      return parts.opened.has(key) || (await parts.store.get(manifest)) !== undefined
    }
    for (const key of left) {
      try {
        await ((await exists(key)) ? this.name(key) : this.destroy(key))
      } catch (error) {
        parts.onError(error)
      }
    }
  }

  /** Removes those that the store has, byte for byte: a run that ended before it could. Something else under that name is no reason to lose the key. */
  async forgetStored(store: Pick<ObjectStore, 'get'>): Promise<void> {
    for (const key of await this.undecided()) {
      const stored = await store.get(key)
      const ours = stored === undefined ? undefined : await this.read(key)
      if (stored !== undefined && ours !== undefined && Buffer.from(stored).equals(ours)) await this.destroy(key)
    }
  }

  async #writeSynced(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#files.create(path)
    try {
      await file.append(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#chains.get(key) ?? Promise.resolve()
    const done = before.then(work, work)
    this.#chains.set(key, done)
    try {
      return await done
    } finally {
      if (this.#chains.get(key) === done) this.#chains.delete(key)
    }
  }

  #path(key: string): string {
    return join(this.folder, fileName(key))
  }
}

async function overwrite(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    await file.write(new Uint8Array(size), 0, size, 0)
    await file.datasync()
  } finally {
    await file.close()
  }
}

function keyOf(name: string): string {
  return name.replaceAll(SLASH, '/')
}

function fileName(key: string): string {
  return key.replaceAll('/', SLASH)
}
