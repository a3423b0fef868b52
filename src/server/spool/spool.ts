import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'

import { uuidV7 } from '../../ids.ts'
import type { SpoolFrame } from '../../recorder/recording-types.ts'
import type { UploadQueue } from '../storage/upload-queue.ts'
import type { Logger } from '../telemetry/logger.ts'
import { readLeftFrames, type LeftFrames } from './left-frames.ts'
import { SegmentKeeper } from './segment-keeper.ts'
import { SpooledUploads } from './spooled-uploads.ts'
import { nodeSpoolFiles, type SpoolFiles } from './spool-files.ts'

const FOLDER = 'spool'
const OBJECTS_FOLDER = 'objects'
/** Written, synced and removed to see whether the disk works again. No name of a run, nor of an object. */
const PROBE_NAME = '.probe'
const PROBE_BYTES = 4_096

/** How much the spool may take. */
export interface SpoolLimits {
  readonly bytesMax: number
  /** How long an object may wait for the store before that is a reason to take nothing new. */
  readonly ageMsMax: number
  /** What must stay free on the volume. */
  readonly freeBytesMin: number
}

/** `disk`: hardly anything is free on the volume. `failing`: it takes nothing, whatever it says to be free. `size`, `age`: as configured. */
export type SpoolRefusal = 'disk' | 'failing' | 'size' | 'age'

/** Where finished objects wait for the store. */
export function objectsFolder(dataDir: string): string {
  return join(dataDir, FOLDER, OBJECTS_FOLDER)
}

/** The spool of a recorder as the main thread sees it: what this run writes, and what earlier runs have left. */
export class Spool {
  readonly keeper: SegmentKeeper
  /** Where finished objects go, and how they come to the store. */
  readonly uploads: SpooledUploads
  readonly #limits: SpoolLimits
  #freeBytes: number | undefined
  /** Something could not be written: until the disk has taken a probe. */
  #isSuspect = false
  #isFailing = false
  #leftStored: Promise<void> | undefined
  /** Of what earlier runs, or workers that died, have left. */
  #hasUnreadable = false
  /** Of the workers of this run. */
  readonly runFolder: string
  readonly #folder: string
  readonly #files: SpoolFiles
  readonly #nowUnixMs: () => number
  readonly #onError: (error: unknown) => void
  readonly #onTorn: (torn: LeftFrames['torn']) => void

  constructor(options: {
    readonly dataDir: string
    /** No two runs on one data folder may share it. */
    readonly run: string
    readonly files: SpoolFiles
    readonly limits: SpoolLimits
    readonly queue: UploadQueue
    readonly nowUnixMs: () => number
    readonly onError: (error: unknown) => void
    /** Segments that end within a record; the whole records before are used. */
    readonly onTorn: (torn: LeftFrames['torn']) => void
  }) {
    this.#folder = join(options.dataDir, FOLDER)
    this.runFolder = join(this.#folder, options.run)
    this.#files = options.files
    this.#onTorn = options.onTorn
    this.#limits = options.limits
    this.#nowUnixMs = options.nowUnixMs
    this.#onError = options.onError
    this.uploads = new SpooledUploads({
      ...{ queue: options.queue, files: options.files, nowUnixMs: options.nowUnixMs, onError: options.onError },
      folder: objectsFolder(options.dataDir),
      hasRoom: (bytes) => this.#hasRoom(bytes),
    })
    this.keeper = new SegmentKeeper({ files: options.files, onError: options.onError })
  }

  /**
   * Resolves when the store has what earlier runs have left of finished objects; it waits for the store as long as that takes. Rejects when the disk does not say what
   * that is; asked again, it looks again.
   */
  leftObjectsStored(): Promise<void> {
    this.#leftStored ??= this.uploads.uploadLeft().catch((error: unknown) => {
      this.#leftStored = undefined
      throw error
    })
    return this.#leftStored
  }

  async run(): Promise<void> {
    await this.#files.makeDirectory(this.#folder)
    await this.measure()
    this.leftObjectsStored().catch(this.#onError)
  }

  /** Somebody could not write to the disk. A probe decides at the next {@link measure}: where no recording session is left, nothing else would. */
  suspect(): void {
    this.#isSuspect = true
  }

  /** Looks how much the volume still has, and whether it works; to be called every second or so. Never rejects. */
  async measure(): Promise<void> {
    try {
      this.#freeBytes = await this.#files.freeBytes(this.#folder)
    } catch (error) {
      this.#freeBytes = undefined
      this.#onError(error)
    }
    // Not waited for: a disk that hangs must not hide how it is doing.
    void this.uploads.writeWaiting()
    void this.uploads.lookAtRefused()
    if (!this.#isSuspect) return
    this.#isFailing = !(await this.#takesProbe())
    this.#isSuspect = this.#isFailing
  }

  /** Left on the volume of the spool; 0 when it cannot be asked. */
  get freeBytes(): number {
    return this.#freeBytes ?? 0
  }

  /** On disk, but for the segments that are being written. */
  get bytes(): number {
    return this.keeper.bytes + this.uploads.bytes
  }

  /** Why no new recording session should be taken; those that run go on, in memory where the disk has no room. */
  get refusal(): SpoolRefusal | undefined {
    const { bytesMax, ageMsMax, freeBytesMin } = this.#limits
    if (this.freeBytes < freeBytesMin) return 'disk'
    if (this.#isFailing) return 'failing'
    if (this.bytes >= bytesMax) return 'size'
    const { oldestUnixMs } = this.uploads
    return oldestUnixMs !== undefined && this.#nowUnixMs() - oldestUnixMs >= ageMsMax ? 'age' : undefined
  }

  async #takesProbe(): Promise<boolean> {
    const path = join(this.#folder, PROBE_NAME)
    try {
      await this.#files.remove(path)
      const file = await this.#files.create(path)
      try {
        await file.append(new Uint8Array(PROBE_BYTES))
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#files.remove(path)
      return true
    } catch {
      return false
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.freeBytes - bytes >= this.#limits.freeBytesMin / 2 && this.bytes + bytes <= this.#limits.bytesMax
  }

  /** The frames that earlier runs have left of these recordings. */
  async leftFrames(recordingIds: readonly string[]): Promise<LeftFrames['byRecording']> {
    const runs = await this.#earlierRuns()
    const folders = await Promise.all(runs.map(async (run) => this.#workersOf(run)))
    return this.#read(folders.flat(), recordingIds)
  }

  /** The frames that a dead worker of this run has left of these recordings. */
  async lostFrames(
    workerFolder: string,
    recordingIds: readonly string[],
  ): Promise<ReadonlyMap<string, readonly SpoolFrame[]>> {
    return this.#read([workerFolder], recordingIds)
  }

  /** What earlier runs have left is not needed any more; what the disk does not give stays, for somebody to look at. */
  async forgetEarlierRuns(): Promise<void> {
    if (this.#hasUnreadable) return
    for (const run of await this.#earlierRuns()) await this.#files.removeDirectory(run)
  }

  /** The run is over; what it has left is needed only while a recording has no manifest. */
  async stop(): Promise<void> {
    await this.uploads.writeWaiting()
    if (!this.keeper.hasOpen) await this.#files.removeDirectory(this.runFolder)
  }

  async #read(folders: readonly string[], recordingIds: readonly string[]): Promise<LeftFrames['byRecording']> {
    const { byRecording, torn } = await readLeftFrames(this.#files, folders, new Set(recordingIds))
    if (torn.length > 0) this.#onTorn(torn)
    this.#hasUnreadable ||= torn.some(({ reason }) => reason === 'unreadable')
    return byRecording
  }

  async #earlierRuns(): Promise<readonly string[]> {
    const runs = (await this.#files.readDirectory(this.#folder)).toSorted().map((name) => join(this.#folder, name))
    return runs.filter((run) => run !== this.runFolder && ![OBJECTS_FOLDER, PROBE_NAME].includes(basename(run)))
  }

  async #workersOf(run: string): Promise<readonly string[]> {
    return (await this.#files.readDirectory(run)).toSorted().map((name) => join(run, name))
  }
}

/** The spool under a data folder, for one run of the recorder. */
export async function openSpool(options: {
  readonly dataDir: string
  readonly limits: SpoolLimits
  readonly queue: UploadQueue
  readonly log: Logger
}): Promise<Spool> {
  const { dataDir, limits, queue, log } = options
  const spool = new Spool({
    ...{ dataDir, limits, queue, nowUnixMs: Date.now },
    run: uuidV7(Date.now(), randomBytes(16)),
    files: nodeSpoolFiles,
    onError: (error) => log.error({ err: error }, 'the spool cannot be used as it should'),
    onTorn: (torn) =>
      log.warn(
        { count: torn.length },
        'segments of the spool end in the middle of a frame, or cannot be read; what is whole is used',
      ),
  })
  await spool.run()
  return spool
}
