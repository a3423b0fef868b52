import { setImmediate } from 'node:timers/promises'

import { beforeEach, describe, expect, it } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { SpooledUploads } from '../../../../src/server/spool/spooled-uploads.ts'
import { UploadQueue } from '../../../../src/server/storage/upload-queue.ts'
import { SpoolDisk } from '../../../support/spool-disk.ts'

const FOLDER = '/spool/objects'
const ONE = 'default/2026/11/29/01890000-0000-7000-8000-000000000001'
const TWO = 'default/2026/11/29/01890000-0000-7000-8000-000000000002'

let disk: SpoolDisk
let stored: string[]
let isAway: boolean
let hasRoom: boolean
/** A key under which the store has something else. */
let refused: string
let refusal: 'storage-conflict' | 'storage-key-invalid'
let queue: UploadQueue
let uploads: SpooledUploads
let nowUnixMs: number

beforeEach(() => {
  disk = new SpoolDisk()
  stored = []
  isAway = false
  hasRoom = true
  refused = ''
  refusal = 'storage-conflict'
  nowUnixMs = 0
  start()
})

/** A process begins: what is on the disk is all there is. */
function start(): void {
  // Its own: what a test before has left may still be tried again.
  const taken = stored
  queue = new UploadQueue({
    store: {
      put: async (key) => {
        if (isAway) throw new EarwitnessError('storage-unreachable', 'The store is away.', 'Wait.')
        if (key === refused) throw new EarwitnessError(refusal, 'It is not taken.', 'Look.')
        taken.push(key)
      },
    },
    observer: { stored: () => {}, failed: () => {} },
    nowUnixMs: () => 0,
    ...{ retryFirstMs: 1, retryLastMs: 1 },
  })
  uploads = new SpooledUploads({
    ...{ queue, folder: FOLDER, files: disk, nowUnixMs: () => nowUnixMs, hasRoom: () => hasRoom, onError: () => {} },
  })
}

const bytesOf = (key: string): Uint8Array => new TextEncoder().encode(key)

function put(prefix: string, name: string, spooled?: () => void): Promise<void> {
  const key = `${prefix}/${name}`
  return uploads.put(prefix, key, bytesOf(key), spooled)
}

async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate()
}

/** The store has failed for the first time. */
async function outage(): Promise<Promise<void>> {
  isAway = true
  const first = put(ONE, 'key.age')
  while (queue.failing === undefined) await setImmediate()
  return first
}

/** All that is not on the disk is gone; the store is back. */
async function powerCut(): Promise<void> {
  queue.stop()
  await turns()
  disk.cutPower()
  isAway = false
  stored = []
  start()
}

function onDisk(): readonly string[] {
  return disk.paths.filter((path) => !path.includes('/.')).map((path) => path.split('~').at(-1) ?? '')
}

describe('finished objects', () => {
  it('go straight to a store that takes them', async () => {
    await put(ONE, 'key.age')
    await put(ONE, 'chunk-000000.age')
    expect(stored).toEqual([`${ONE}/key.age`, `${ONE}/chunk-000000.age`])
    expect(disk.operations).toEqual([])
  })

  it('wait on disk for a store that is away, and reach it in order, by themselves', async () => {
    const first = outage()
    await turns()
    const names = ['chunk-000000.age', 'chunk-000001.age', 'manifest.jws']
    let spooled = 0
    const waiting = names.map((name) => put(ONE, name, () => (spooled += 1)))
    const other = put(TWO, 'key.age')
    await turns()
    expect(spooled).toBe(3)
    // With the one that was on its way when the store failed.
    expect(disk.paths).toHaveLength(5)
    expect(uploads.bytes).toBeGreaterThan(0)
    isAway = false
    await Promise.all([first, ...waiting, other])
    await turns()
    expect(stored.filter((key) => key.startsWith(ONE))).toEqual(['key.age', ...names].map((name) => `${ONE}/${name}`))
    expect([disk.paths, uploads.bytes]).toEqual([[], 0])
  })

  it('survive a power cut, and are stored by the next start: the key first, the manifest last', async () => {
    outage().catch(() => {})
    await turns()
    for (const name of ['manifest.jws', 'chunk-000001.age', 'key.age']) void put(TWO, name).catch(() => {})
    await turns()
    await powerCut()
    await uploads.uploadLeft()
    expect(stored).toEqual(['key.age', 'chunk-000001.age', 'manifest.jws'].map((name) => `${TWO}/${name}`))
    expect([disk.paths, uploads.bytes]).toEqual([[], 0])
  })

  it('are stored in order by the next start, whichever file the disk finds first', async () => {
    const names = ['key.age', 'chunk-000000.age', 'chunk-000001.age', 'manifest.jws']
    outage().catch(() => {})
    await turns()
    for (const name of names) put(TWO, name).catch(() => {})
    await turns()
    await powerCut()
    await disk.create(`${FOLDER}/.new-half-written`)
    const sizeBytes = disk.sizeBytes.bind(disk)
    disk.sizeBytes = async (path) => {
      await turns(names.length - names.findIndex((name) => path.endsWith(name)))
      return sizeBytes(path)
    }
    await uploads.uploadLeft()
    expect(stored.filter((key) => key.startsWith(TWO))).toEqual(names.map((name) => `${TWO}/${name}`))
    expect(disk.paths).toEqual([])
  })

  it('are full memory where the disk has no room, and so much of it that recording sessions end', async () => {
    // The same bytes for all.
    const shared = new Uint8Array(1024 * 1024)
    let seq = 0
    const putMiB = async (count: number): Promise<void> => {
      const orders = Array.from({ length: count }, () => `${TWO}${(seq += 1) % 50}`)
      await Promise.all(orders.map((order) => uploads.put(order, `${order}/chunk-${seq}.age`, shared)))
    }
    hasRoom = false
    const first = outage()
    await turns()
    const waiting = [putMiB(255)]
    await turns()
    expect(uploads.backlogBytes - 255 * shared.length).toBe(bytesOf(`${ONE}/key.age`).length)
    expect([uploads.isFull, uploads.isOverfull]).toEqual([false, false])
    waiting.push(putMiB(1))
    expect([uploads.isFull, uploads.isOverfull]).toEqual([true, false])
    waiting.push(putMiB(256))
    expect([uploads.isFull, uploads.isOverfull]).toEqual([true, true])
    isAway = false
    await Promise.all([first, ...waiting])
    expect([uploads.backlogBytes, uploads.isFull]).toEqual([0, false])
  })

  it('are in memory no more once the disk has room for them', async () => {
    hasRoom = false
    outage().catch(() => {})
    await turns()
    // The first of a recording is given to the upload queue at once.
    for (const name of ['key.age', 'chunk-000000.age']) put(TWO, name).catch(() => {})
    await turns()
    expect(uploads.backlogBytes).toBe(queue.backlogBytes + bytesOf(`${TWO}/chunk-000000.age`).length)
    hasRoom = true
    await uploads.writeWaiting()
    expect(uploads.backlogBytes).toBe(queue.backlogBytes)
  })

  it('wait in memory when the disk has no room, or fails, and nothing is lost', async () => {
    outage().catch(() => {})
    await turns()
    hasRoom = false
    const one = put(TWO, 'key.age')
    await turns()
    hasRoom = true
    disk.fails = (operation) => operation === 'append'
    const two = put(TWO, 'chunk-000000.age')
    await turns()
    expect([disk.paths, uploads.failures]).toEqual([[], 1])
    isAway = false
    await Promise.all([one, two])
    expect(stored.filter((key) => key.startsWith(TWO))).toHaveLength(2)
  })

  describe.each(['storage-conflict', 'storage-key-invalid'] as const)(
    'that the store refuses for good (%s)',
    (code) => {
      const path = `${FOLDER}/.refused-${ONE.replaceAll('/', '~')}~chunk-000000.age`

      beforeEach(() => {
        refused = `${ONE}/chunk-000000.age`
        refusal = code
      })

      it('are put aside, whatever the disk has room for', async () => {
        hasRoom = false
        await expect(put(ONE, 'chunk-000000.age')).rejects.toMatchObject({ code })
        await put(ONE, 'chunk-000001.age')
        await turns()
        expect([disk.paths, uploads.bytes, uploads.backlogBytes]).toEqual([[path], 0, 0])
        expect(uploads.oldestUnixMs).toBeUndefined()
        expect(await disk.read(path)).toEqual(Buffer.from(refused))
        disk.cutPower()
        expect(disk.paths).toEqual([path])
      })

      it('are counted until a person takes them away, over a restart too', async () => {
        await uploads.lookAtRefused()
        expect(uploads.refused).toEqual({ count: 0, bytes: 0 })
        await expect(put(ONE, 'chunk-000000.age')).rejects.toMatchObject({ code })
        await turns()
        await uploads.lookAtRefused()
        expect(uploads.refused).toEqual({ count: 1, bytes: refused.length })
        start()
        await uploads.lookAtRefused()
        expect(uploads.refused).toEqual({ count: 1, bytes: refused.length })
        await disk.remove(path)
        nowUnixMs = 59_999
        await uploads.lookAtRefused()
        expect(uploads.refused.count).toBe(1)
        nowUnixMs = 60_000
        await uploads.lookAtRefused()
        expect(uploads.refused).toEqual({ count: 0, bytes: 0 })
      })

      it('are put aside from where they waited on disk', async () => {
        outage().catch(() => {})
        await turns()
        const outcome = put(ONE, 'chunk-000000.age').catch((error: unknown) => error)
        await turns()
        isAway = false
        expect(await outcome).toMatchObject({ code })
        await turns()
        expect([disk.paths, uploads.bytes]).toEqual([[path], 0])
      })

      it('are once on the disk, also when they were just being written to it', async () => {
        outage().catch(() => {})
        await turns()
        isAway = false
        await expect(put(ONE, 'chunk-000000.age')).rejects.toMatchObject({ code })
        await turns()
        expect([disk.paths, uploads.bytes]).toEqual([[path], 0])
      })
    },
  )

  describe('of one recording are on disk without a hole', () => {
    const chunk = (seq: number): string => `chunk-00000${seq}.age`
    let spooled: number[]

    const putChunk = (seq: number): void => {
      put(ONE, chunk(seq), () => spooled.push(seq)).catch(() => {})
    }

    beforeEach(() => {
      spooled = []
    })

    it('with what was on its way when the store failed', async () => {
      isAway = true
      for (const seq of [0, 1]) putChunk(seq)
      while (queue.failing === undefined) await setImmediate()
      expect([onDisk(), spooled]).toEqual([[], []])
      putChunk(2)
      await turns()
      expect([onDisk(), spooled]).toEqual([
        [chunk(0), chunk(1), chunk(2)],
        [0, 1, 2],
      ])
      await powerCut()
      await uploads.uploadLeft()
      expect(stored).toEqual([0, 1, 2].map((seq) => `${ONE}/${chunk(seq)}`))
    })

    it('also when nothing comes behind it', async () => {
      isAway = true
      putChunk(0)
      while (queue.failing === undefined) await setImmediate()
      await uploads.writeWaiting()
      expect([onDisk(), spooled]).toEqual([[chunk(0)], [0]])
      isAway = false
      expect(await uploads.drain(60_000)).toBe(true)
      await turns()
      expect([disk.paths, uploads.bytes, stored]).toEqual([[], 0, [`${ONE}/${chunk(0)}`]])
    })

    it.each(['has no room for', 'fails for'])(
      'behind one that the disk %s nothing is written, until it takes that',
      async (how) => {
        outage().catch(() => {})
        await turns()
        await uploads.writeWaiting()
        if (how === 'fails for') disk.fails = (operation) => operation === 'append'
        else hasRoom = false
        putChunk(0)
        await turns()
        disk.fails = (operation) => operation === 'append'
        hasRoom = true
        putChunk(1)
        await turns()
        expect([onDisk(), spooled]).toEqual([['key.age'], []])
        disk.fails = () => false
        await uploads.writeWaiting()
        expect([onDisk(), spooled]).toEqual([
          [chunk(0), chunk(1), 'key.age'],
          [0, 1],
        ])
      },
    )

    it('behind one that only memory has, and that the end of the run came before, nothing is written', async () => {
      isAway = true
      disk.fails = (operation) => operation === 'append'
      putChunk(0)
      while (queue.failing === undefined) await setImmediate()
      queue.stop()
      await turns()
      putChunk(1)
      await turns()
      expect([onDisk(), spooled]).toEqual([[], []])
      disk.fails = () => false
      await uploads.writeWaiting()
      expect([onDisk(), spooled]).toEqual([
        [chunk(0), chunk(1)],
        [0, 1],
      ])
      expect(await uploads.drain(60_000)).toBe(true)
    })

    it('also when the end of the run comes while one is being written', async () => {
      isAway = true
      putChunk(0)
      while (queue.failing === undefined) await setImmediate()
      putChunk(1)
      queue.stop()
      await turns()
      expect([onDisk(), spooled]).toEqual([
        [chunk(0), chunk(1)],
        [0, 1],
      ])
    })
  })
})
