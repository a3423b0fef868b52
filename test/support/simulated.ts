import type { CommandResult, RunningDaemon } from './daemon.ts'
import { closedRecordings } from './daemon.ts'

/** Places recording sessions with `earwitness simulate` and gives its result. */
export async function simulate(daemon: RunningDaemon, ...options: readonly string[]): Promise<CommandResult> {
  return daemon.command('simulate', '--to', `sip:127.0.0.1:${daemon.sipUdpPort}`, ...options)
}

/** One short recording, closed and stored; its id. */
export async function simulatedRecording(daemon: RunningDaemon, ...options: readonly string[]): Promise<string> {
  const before = new Set((await closedRecordings(daemon, 0)).map(({ recordingId }) => recordingId))
  const { code, stderr } = await simulate(daemon, '--calls', '1', ...options)
  if (code !== 0) throw new Error(`simulate ended with ${code}: ${stderr}`)
  const closed = await closedRecordings(daemon, before.size + 1)
  const made = closed.find(({ recordingId }) => !before.has(recordingId))
  if (made === undefined) throw new Error('simulate made no recording')
  return made.recordingId
}
