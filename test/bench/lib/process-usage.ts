import { readdir, readFile } from 'node:fs/promises'

/** Clock ticks of /proc/PID/stat in a second; 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly cpuSeconds: number
}

/** A process with everything that it has started, by /proc (proc(5)). */
export async function processTree(root: number): Promise<readonly number[]> {
  const names = await readdir('/proc')
  const stats = await Promise.all(names.filter((name) => /^\d+$/u.test(name)).map((name) => statOf(Number(name))))
  const found = new Set([root])
  for (let before = 0; before !== found.size;) {
    before = found.size
    for (const stat of stats) if (stat !== undefined && found.has(stat.parent)) found.add(stat.pid)
  }
  return [...found]
}

/** User and system time of these processes with all their threads. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const stats = await Promise.all(pids.map(statOf))
  return stats.reduce((sum, stat) => sum + (stat?.cpuSeconds ?? 0), 0)
}

/** Memory in use that is not shared with other processes twice: proportional set size, else resident, in kB. */
export async function memoryKb(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(pids.map(memoryOf))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Datagrams that the kernel had to drop because nobody had read those before them, on local UDP ports. */
export async function udpDrops(ports: ReadonlySet<number>): Promise<number> {
  const sockets = await udpSockets()
  return sockets.reduce((sum, { port, drops }) => sum + (ports.has(port) ? drops : 0), 0)
}

/** The local UDP ports that somebody is bound to. Nothing is tried: a port that is probed is not free for its owner. */
export async function boundUdpPorts(): Promise<ReadonlySet<number>> {
  return new Set((await udpSockets()).map(({ port }) => port))
}

async function udpSockets(): Promise<readonly { readonly port: number; readonly drops: number }[]> {
  const tables = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map((file) => readFile(file, 'utf8')))
  const lines = tables.flatMap((table) => table.trimEnd().split('\n').slice(1))
  return lines.map((line) => {
    const fields = line.trim().split(/\s+/u)
    return { port: Number.parseInt(fields[1]?.split(':')[1] ?? '', 16), drops: Number(fields.at(-1)) }
  })
}

async function statOf(pid: number): Promise<ProcessStat | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // Fields after the command's name, which may hold blanks: the parent is the 4th field, utime the 14th, stime the 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { pid, parent: Number(fields[1]), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND }
}

async function memoryOf(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  const proportional = /^Pss:\s+(\d+) kB/mu.exec(rollup)?.[1]
  if (proportional !== undefined) return Number(proportional)
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB/mu.exec(status)?.[1] ?? 0)
}
