import { readdir, readFile } from 'node:fs/promises'

/** Of all threads of a process together, kB; `external` holds the memory of WebAssembly and the array buffers too. */
export interface ProbedMemory {
  readonly heapKb: number
  readonly externalKb: number
  readonly arrayBuffersKb: number
}

/** What to start a process with, so that {@link probedMemory} can be asked of it. */
export function probeEnvironment(folder: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import ${new URL('memory-probe.ts', import.meta.url).href}`,
    MEMORY_PROBE_DIR: folder,
  }
}

/** As the threads said within the last second. */
export async function probedMemory(folder: string, pid: number): Promise<ProbedMemory> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${pid}-`))
  const sum = { heapKb: 0, externalKb: 0, arrayBuffersKb: 0 }
  for (const name of names) {
    const said = await read(`${folder}/${name}`)
    sum.heapKb += toKb(said.heapUsed)
    sum.externalKb += toKb(said.external)
    sum.arrayBuffersKb += toKb(said.arrayBuffers)
  }
  return sum
}

/** The file may be being written: then once more. */
async function read(file: string): Promise<Record<'heapUsed' | 'external' | 'arrayBuffers', number>> {
  for (let tried = 0; ; tried += 1) {
    try {
      return JSON.parse(await readFile(file, 'utf8')) as Record<'heapUsed' | 'external' | 'arrayBuffers', number>
    } catch (error) {
      if (tried >= 10) throw error
    }
  }
}

function toKb(bytes: number): number {
  return Math.round(bytes / 1_024)
}
