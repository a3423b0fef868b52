import { parentPort, workerData, type MessagePort } from 'node:worker_threads'

import { ThreadLoadMeter } from '../load-monitor.ts'
import { monotonicUs } from '../monotonic.ts'
import { pooledRandomBytes } from '../random-pool.ts'
import { ComplexityController } from './complexity-controller.ts'
import { createOpusEngine } from './opus-engine.ts'
import { createReceiver } from './receiver-choice.ts'
import { RecordingHost } from './recording-host.ts'
import { SegmentLog } from '../spool/segment-log.ts'
import { nodeSpoolFiles } from '../spool/spool-files.ts'
import type { FromWorker, ToWorker, WorkerSettings } from './worker-messages.ts'
import { runWakes } from './worker-wakes.ts'

/**
 * Entry point of a media worker thread: owns the sockets, streams and encoders of its recording sessions for life.
 * Everything it posts is sealed; clear audio leaves the thread only for those who listen, where `liveListening` lets them,
 * and, some seconds of it, to `consent.transcriber`.
 */
const REPORT_INTERVAL_MS = 1_000
const WAKE_MS = 100
const NARROWBAND = 8_000

function main(): void {
  const port = parentPort
  if (port === null) throw new Error('media-worker.ts runs as a worker thread')
  const settings = workerData as WorkerSettings
  const meter = new ThreadLoadMeter()
  meter.run()
  const engine = createOpusEngine(settings.opusEngine, {
    sampleRate: NARROWBAND,
    bitsPerSecond: settings.opusBitsPerSecond,
    complexity: settings.opusComplexity,
  })
  const controller = new ComplexityController({
    configured: settings.opusComplexity,
    busyShareMax: settings.busyShareMax,
  })
  const spool = spoolOf(settings, port)
  const host = new RecordingHost({
    spool,
    settings,
    engine,
    receiver: createReceiver(settings.receiver, monotonicUs),
    randomBytes: pooledRandomBytes(),
    nowUs: monotonicUs,
    post: (message: FromWorker) => postTo(port, message),
  })
  const endWakes = runWakes(WAKE_MS, monotonicUs, (readUs) => {
    host.receive()
    host.handleTimeout(readUs, monotonicUs())
    spool?.flush()
  })
  const report = setInterval(() => {
    const { lagMsMax, ...load } = meter.take()
    engine.setComplexity(controller.observe(load.busyShare, monotonicUs()))
    const { complexity, stepsDown, stepsUp } = controller
    const opus = { engine: engine.name, complexity, stepsDown, stepsUp }
    port.postMessage({ kind: 'report', report: { ...host.report(lagMsMax / 1_000, load), opus } } satisfies FromWorker)
  }, REPORT_INTERVAL_MS)
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'stop') {
      endWakes()
      clearInterval(report)
      meter.stop()
      host.stop()
      void (spool?.stop() ?? Promise.resolve()).finally(() => port.close())
      return
    }
    if (message.kind === 'states') {
      const { requestId } = message
      port.postMessage({ kind: 'states', requestId, states: host.states } satisfies FromWorker)
      return
    }
    void host.handleMessage(message)
  })
  // Also when an error ends the thread: no program of its goes on.
  process.on('exit', () => host.stop())
  port.postMessage({ kind: 'ready' } satisfies FromWorker)
}

/** Sealed bytes and pages are moved to the main thread, not copied. */
function postTo(port: MessagePort, message: FromWorker): void {
  if (message.kind === 'pages') {
    const pages = withOwnBuffer(message.pages)
    port.postMessage({ ...message, pages } satisfies FromWorker, [pages.buffer])
    return
  }
  if (message.kind !== 'sealed') {
    port.postMessage(message)
    return
  }
  const bytes = withOwnBuffer(message.object.bytes)
  port.postMessage({ ...message, object: { ...message.object, bytes } } satisfies FromWorker, [bytes.buffer])
}

function spoolOf({ spoolFolder }: WorkerSettings, port: MessagePort): SegmentLog | undefined {
  if (spoolFolder === undefined) return undefined
  return new SegmentLog({
    directory: spoolFolder,
    files: nodeSpoolFiles,
    nowUs: monotonicUs,
    closed: (segment) => port.postMessage({ kind: 'segment', segment } satisfies FromWorker),
  })
}

/**
 * Bytes that can move to the main thread without anything else. A view into Node's pool must not be posted as it is: the whole
 * pool would be copied with it, and Opus packets may lie in there in clear.
 */
function withOwnBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) return new Uint8Array(buffer)
  return Uint8Array.from(bytes)
}

main()
