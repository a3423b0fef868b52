import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import { uuidV7 } from '../../ids.ts'
import type { SpoolFrame } from '../../recorder/recording-types.ts'
import type { Logger } from '../telemetry/logger.ts'
import { readLeftFrames, type LeftFrames } from './left-frames.ts'
import { SegmentKeeper } from './segment-keeper.ts'
import { nodeSpoolFiles, type SpoolFiles } from './spool-files.ts'

/** The spool of a recorder as the main thread sees it: what this run writes, and what earlier runs have left. */
export class Spool {
  readonly keeper: SegmentKeeper
  /** Of the workers of this run. */
  readonly runFolder: string
  readonly #folder: string
  readonly #files: SpoolFiles
  readonly #onTorn: (torn: LeftFrames['torn']) => void

  constructor(options: {
    readonly dataDir: string
    /** No two runs on one data folder may share it. */
    readonly run: string
    readonly files: SpoolFiles
    readonly onError: (error: unknown) => void
    /** Segments that end within a record; the whole records before are used. */
    readonly onTorn: (torn: LeftFrames['torn']) => void
  }) {
    this.#folder = join(options.dataDir, 'spool')
    this.runFolder = join(this.#folder, options.run)
    this.#files = options.files
    this.#onTorn = options.onTorn
    this.keeper = new SegmentKeeper({ files: options.files, onError: options.onError })
  }

  async run(): Promise<void> {
    await this.#files.makeDirectory(this.#folder)
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

  /** What earlier runs have left is not needed any more. */
  async forgetEarlierRuns(): Promise<void> {
    for (const run of await this.#earlierRuns()) await this.#files.removeDirectory(run)
  }

  /** The run is over; what it has left is needed only while a recording has no manifest. */
  async stop(): Promise<void> {
    if (!this.keeper.hasOpen) await this.#files.removeDirectory(this.runFolder)
  }

  async #read(folders: readonly string[], recordingIds: readonly string[]): Promise<LeftFrames['byRecording']> {
    const { byRecording, torn } = await readLeftFrames(this.#files, folders, new Set(recordingIds))
    if (torn.length > 0) this.#onTorn(torn)
    return byRecording
  }

  async #earlierRuns(): Promise<readonly string[]> {
    const runs = (await this.#files.readDirectory(this.#folder)).toSorted().map((name) => join(this.#folder, name))
    return runs.filter((run) => run !== this.runFolder)
  }

  async #workersOf(run: string): Promise<readonly string[]> {
    return (await this.#files.readDirectory(run)).toSorted().map((name) => join(run, name))
  }
}

/** The spool under a data folder, for one run of the recorder. */
export async function openSpool({ dataDir, log }: { readonly dataDir: string; readonly log: Logger }): Promise<Spool> {
  const spool = new Spool({
    dataDir,
    run: uuidV7(Date.now(), randomBytes(16)),
    files: nodeSpoolFiles,
    onError: (error) => log.error({ err: error }, 'the spool cannot be used as it should'),
    onTorn: (torn) =>
      log.warn({ count: torn.length }, 'segments of the spool end in the middle of a frame; what is whole is used'),
  })
  await spool.run()
  return spool
}
