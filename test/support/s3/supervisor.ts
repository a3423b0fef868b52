import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startCluster } from './cluster.ts'

/** A run of all tests is shorter; nothing is left behind for longer, whatever happens. */
const LIFE_MS = 2 * 60 * 60 * 1_000
const POLL_MS = 500
const START_ATTEMPTS_MAX = 3

// usage: supervisor.ts FOLDER PID: runs the S3 server until SIGTERM, or until the process PID is gone.
const [folder = '', parent = ''] = process.argv.slice(2)
let asked = false
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => (asked = true))

const cluster = await start()
if (cluster === undefined) {
  writeFileSync(join(folder, 'failed'), '')
} else {
  // in one step: others wait for it
  writeFileSync(join(folder, 'ready.tmp'), JSON.stringify(cluster.server))
  renameSync(join(folder, 'ready.tmp'), join(folder, 'ready.json'))
  for (let livedMs = 0; livedMs < LIFE_MS && !asked && isAlive(Number(parent)); livedMs += POLL_MS) await sleep(POLL_MS)
  await cluster.stop()
}

/** Another program may have taken a port in the moment between looking and binding: then once more, with others. */
async function start(): ReturnType<typeof startCluster> {
  for (let attempt = 1; attempt <= START_ATTEMPTS_MAX && !asked; attempt += 1) {
    const cluster = await startCluster(join(folder, 'cluster', String(attempt)))
    if (cluster !== undefined) return cluster
  }
  return undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return existsSync(folder)
  } catch {
    return false
  }
}
