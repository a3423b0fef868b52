import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the test files of one run find, or start, the S3 server they share. */
    readonly s3Folder: string
  }
}

const POLL_MS = 20
const STOP_WAIT_MS = 20_000

/** Makes the place for an S3 server, and takes the server down that a test file may have started there. */
export function setup(project: TestProject): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'earwitness-s3-'))
  project.provide('s3Folder', folder)
  return async () => {
    const pidFile = join(folder, 'supervisor.pid')
    if (existsSync(pidFile)) await stop(Number(readFileSync(pidFile, 'utf8')))
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function stop(pid: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < STOP_WAIT_MS; waitedMs += POLL_MS) {
    try {
      process.kill(pid, waitedMs === 0 ? 'SIGTERM' : 0)
    } catch {
      return
    }
    await sleep(POLL_MS)
  }
}
