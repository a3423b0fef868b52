import { readdir } from 'node:fs/promises'

import type { RunningDaemon } from './daemon.ts'

/** What a process holds of the system's. */
export interface Resources {
  readonly descriptors: number
  readonly threads: number
  /** UDP ports of the RTP range in use, as the recorder says. */
  readonly rtpPorts: number
  readonly recordingSessions: number
}

/** By /proc (proc(5)) and the daemon's own metrics. */
export async function resourcesOf(daemon: RunningDaemon): Promise<Resources> {
  const folder = `/proc/${daemon.process.pid}`
  const [descriptors, threads, metrics] = await Promise.all([
    readdir(`${folder}/fd`),
    readdir(`${folder}/task`),
    fetch(daemon.metrics).then((response) => response.text()),
  ])
  return {
    descriptors: descriptors.length,
    threads: threads.length,
    rtpPorts: sumOf(metrics, 'earwitness_rtp_ports_used'),
    recordingSessions: sumOf(metrics, 'earwitness_recording_sessions'),
  }
}

/** Over all labels of a metric. */
function sumOf(metrics: string, name: string): number {
  const lines = metrics.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
