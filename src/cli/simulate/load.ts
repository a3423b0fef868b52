import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicUs } from '../../server/monotonic.ts'
import { encodeSpeech, readSpeech } from './audio-source.ts'
import { DialogTable } from './dialog-table.ts'
import { MediaPacer } from './media-pacer.ts'
import type { SimulateOptions } from './options.ts'
import { targetUri } from './options.ts'
import { summarize } from './outcome.ts'
import type { RecordingSessionOutcome, SimulationReport } from './outcome.ts'
import { PlacedRecordingSession } from './placed-recording-session.ts'
import type { RunContext } from './placed-recording-session.ts'

export interface SimulationProgress {
  readonly placed: number
  readonly answered: number
  readonly ended: number
  readonly failed: number
}

/**
 * Places the recording sessions of a run against a recorder and waits for the last to end.
 *
 * @param signal interrupts: what is open is cancelled or hung up, and the report tells of what there was
 * @throws EarwitnessError `simulate-unreachable`, `simulate-audio`
 */
export async function runSimulation(
  options: SimulateOptions,
  signal: AbortSignal,
  handleProgress: (progress: SimulationProgress) => void = () => undefined,
): Promise<SimulationReport> {
  const speech = await Promise.all(
    options.audioFiles.map(async (file) => encodeSpeech(await readSpeech(file), options.codec)),
  )
  const dialogs = new DialogTable()
  const pacer = new MediaPacer()
  const progress = { placed: 0, answered: 0, ended: 0, failed: 0 }
  const startedUs = monotonicUs()
  try {
    const local = await dialogs.open(options.target)
    const context: RunContext = {
      options,
      local,
      dialogs,
      pacer,
      speech,
      freshRandom: () => randomInt(2 ** 32) / 2 ** 32,
      signal,
      handlePhase: () => {
        progress.answered++
        handleProgress(progress)
      },
    }
    const outcomes = await placeAll(context, (change) => {
      if (change === 'placed') progress.placed++
      else progress.ended++
      if (change === 'failed') progress.failed++
      handleProgress(progress)
    })
    return summarize(outcomes, {
      seed: options.seed,
      to: targetUri(options.target),
      latestPacketMs: pacer.latestDelayUs / 1_000,
      elapsedMs: (monotonicUs() - startedUs) / 1_000,
    })
  } finally {
    dialogs.close()
  }
}

async function placeAll(
  context: RunContext,
  note: (change: 'placed' | RecordingSessionOutcome['result']) => void,
): Promise<readonly RecordingSessionOutcome[]> {
  const { options, signal } = context
  const startUs = monotonicUs()
  const running: Promise<RecordingSessionOutcome>[] = []
  for (let sequence = 0; sequence < options.recordingSessions && !signal.aborted; sequence++) {
    const waitMs = (startUs - monotonicUs()) / 1_000 + (sequence * 1_000) / options.perSecond
    if (waitMs > 1) await delay(waitMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    note('placed')
    running.push(
      new PlacedRecordingSession(context, sequence).run().then((outcome) => {
        note(outcome.result)
        return outcome
      }),
    )
  }
  return await Promise.all(running)
}
