import { chown, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Pool } from 'pg'

import { fillDisk, mountSmallDisk, unmount } from './small-disk.ts'

/** Takes what an earlier test left of the table, and not much more. */
const DISK_SIZE = '16m'

/**
 * The disk of a table is full, until `end`. The table is moved to a tablespace on a small disk for good; where none can be
 * mounted, a trigger answers as a server whose disk is full.
 */
export async function fillDiskOf(
  pool: Pool,
  table: string,
): Promise<{ end(): Promise<void>; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-tablespace-'))
  if ((await mountSmallDisk(folder, DISK_SIZE)) !== undefined) {
    await rm(folder, { recursive: true })
    return answerAsFull(pool, table)
  }
  const { rows } = await pool.query<{ data_directory: string }>('SHOW data_directory')
  const { uid, gid } = await stat(rows[0]?.data_directory ?? '')
  await chown(folder, uid, gid)
  await pool.query(`CREATE TABLESPACE small LOCATION '${folder}'`)
  await pool.query(`ALTER TABLE ${table} SET TABLESPACE small`)
  const ballast = join(folder, 'ballast')
  await fillDisk(ballast)
  return {
    end: () => rm(ballast),
    async remove() {
      await pool.query(`ALTER TABLE ${table} SET TABLESPACE pg_default`)
      await pool.query('DROP TABLESPACE small')
      await unmount(folder)
      await rm(folder, { recursive: true })
    },
  }
}

async function answerAsFull(pool: Pool, table: string): ReturnType<typeof fillDiskOf> {
  await pool.query(`
    CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER disk_is_full BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION disk_is_full()`)
  return {
    async end() {
      await pool.query('DROP FUNCTION disk_is_full CASCADE')
    },
    async remove() {},
  }
}
