import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const ROOT = join(import.meta.dirname, '..', '..')

export interface RunningWitness {
  readonly http: string
  /** `NAME+KEYID+KEY` */
  readonly key: string
  /** The exit code, once it has ended. */
  stop(): Promise<number | null>
}

/** Starts `earwitness witness` as a process of its own. @param signerFile public key of the recorder whose ledger it follows */
export async function startWitness(folder: string, signerFile: string): Promise<RunningWitness> {
  const options = ['--name', 'witness.example.com', '--data', folder, '--key', signerFile, '--listen', '127.0.0.1:0']
  const child = spawn(process.execPath, ['src/main.ts', 'witness', ...options, '--json'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text))
  const ready = await Promise.race([
    line,
    exited.then(([code]) => {
      throw new Error(`the witness ended with ${String(code)} before it was ready`)
    }),
  ])
  const { http, key } = JSON.parse(ready) as { http: string; key: string }
  return {
    ...{ http, key },
    async stop() {
      child.kill('SIGTERM')
      return (await exited)[0]
    },
  }
}
