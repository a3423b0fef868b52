/**
 * Loaded into the daemon by `node --import`, in every thread: writes once a second what the thread has in its heap and beside it, as
 * `PID-THREAD.json` in the folder `MEMORY_PROBE_DIR`. Nothing is collected for the purpose: it shows memory as it is.
 */
import { writeFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'

const { MEMORY_PROBE_DIR: folder } = process.env
if (folder !== undefined) {
  setInterval(() => {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    writeFileSync(`${folder}/${process.pid}-${threadId}.json`, JSON.stringify({ heapUsed, external, arrayBuffers }))
  }, 1_000).unref()
}
