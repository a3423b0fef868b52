import { execFile } from 'node:child_process'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import type { Power } from './crash.ts'
import { eventually, makeDataDir, removeDataDir } from './daemon.ts'
import { unmount } from './small-disk.ts'

const run = promisify(execFile)
const IMAGE_BYTES = 1024 * 1024 * 1024
/**
 * As unkind as ext4 can be made: its journal is committed by itself only every five minutes, and a rename is not taken for a wish to sync what is renamed. What a
 * program did not sync is in memory alone.
 */
const MOUNT_OPTIONS = 'loop,commit=300,noauto_da_alloc'
/** `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing more reaches the device, not even what the journal of the file system holds. Node has no `ioctl`. */
const SHUT_DOWN = 'open(D, "<", $ARGV[0]) or die $!; my $f = pack("L", 2); defined(ioctl(D, 0x8004587d, $f)) or die $!'

/** A data folder on an ext4 of its own, whose power can be cut: what was not synced is lost, as on a real disk, and the journal is replayed when it comes back. */
export interface PowerDisk extends Power {
  readonly dataDir: string
  remove(): Promise<void>
}

/** Gives the reason where such a disk cannot be made: without root, without loop devices. */
export async function makePowerDisk(): Promise<PowerDisk | string> {
  const folder = await makeDataDir()
  const image = join(folder, 'disk.img')
  const dataDir = join(folder, 'data')
  const mount = async (): Promise<void> => {
    await run('mount', ['-t', 'ext4', '-o', MOUNT_OPTIONS, image, dataDir])
  }
  const remove = async (): Promise<void> => {
    await unmount(dataDir)
    await rm(image, { force: true })
    await removeDataDir(folder)
  }
  try {
    await mkdir(dataDir)
    const file = await open(image, 'w')
    await file.truncate(IMAGE_BYTES)
    await file.close()
    await run('mkfs.ext4', ['-q', '-F', image])
    await mount()
    await run('perl', ['-e', '1'])
  } catch (error) {
    await remove()
    return error instanceof Error ? error.message : String(error)
  }
  let postmasterPid: number | undefined
  return {
    dataDir,
    remove,
    cut: async () => {
      postmasterPid = await postmasterOf(dataDir)
      await run('perl', ['-e', SHUT_DOWN, dataDir])
    },
    restore: async () => {
      if (postmasterPid !== undefined) await endPostgres(postmasterPid)
      await eventually('the end of everything that uses the disk', async () => {
        await run('umount', [dataDir]).catch(() => undefined)
        return (await readFile('/proc/mounts', 'utf8')).includes(` ${dataDir} `) ? undefined : true
      })
      await mount()
    },
  }
}

async function postmasterOf(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  return Number.isInteger(pid) && pid > 1 ? pid : undefined
}

/** Its children end with it. A database whose disk is gone may have ended by itself. */
async function endPostgres(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      return
    }
    await sleep(20)
  }
}
