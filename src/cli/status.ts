import type { ListenAddress } from '../config/config.ts'
import { formatListen } from '../config/values.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import type { StatusReport } from '../server/http/status-report.ts'
import { durationOptionMs } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import {
  formatBytes,
  formatDuration,
  formatTable,
  paintFor,
  printable,
  terminalColumns,
  writeJson,
  writeLines,
  type Paint,
} from './output.ts'

const TIMEOUT_MS = 5000
/** A status is a page of text; more is not ours. */
const ANSWER_BYTES_MAX = 1024 * 1024

export const command: Command = {
  name: 'status',
  summary: 'asks the running recorder how it is',
  usage: 'status [--timeout DURATION]',
  description: 'Asks the recorder at http.listen of the configuration, on this machine or wherever that address leads.',
  examples: ['status', 'status --json'],
  options: {
    timeout: { type: 'string', placeholder: 'DURATION', description: 'how long to wait for the answer (default: 5s)' },
  },
  run: runStatus,
}

async function runStatus(context: CommandContext): Promise<ExitCode> {
  const { stdout, env } = context
  const listen = context.config().http.listen
  const timeoutMs = durationOptionMs(context.args, 'timeout', TIMEOUT_MS)
  const status = await askRecorder(listen, AbortSignal.any([context.signal, AbortSignal.timeout(timeoutMs)]))
  if (context.json) writeJson(stdout, status)
  else if (!isStatusReport(status)) throw notOurs(listen)
  else writeLines(stdout, describeStatus(status, paintFor(stdout, env), terminalColumns(stdout)))
  return ExitCode.done
}

function notOurs(listen: ListenAddress, cause?: unknown): EarwitnessError {
  const sentence = `What answers at ${reachable(listen)} is not a recorder.`
  return new EarwitnessError('status-unreadable', sentence, 'Check http.listen of this configuration.', { cause })
}

/** The address under which this machine reaches a listener on every address. */
function reachable({ address, port }: ListenAddress): string {
  const local = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return formatListen({ address: local, port })
}

async function askRecorder(listen: ListenAddress, signal: AbortSignal): Promise<unknown> {
  const where = reachable(listen)
  if (listen.port === 0) {
    const hint = 'Give http.listen a port, or ask the address that "serve" printed.'
    throw new EarwitnessError('status-no-port', 'http.listen takes any free port, so nobody knows where to ask.', hint)
  }
  let answer: Response
  let text: string
  try {
    answer = await fetch(`http://${where}/api/v1/status`, { signal, headers: { accept: 'application/json' } })
    text = await boundedText(answer)
  } catch (error) {
    throw error instanceof RangeError ? notOurs(listen, error) : notRunning(where, error)
  }
  if (!answer.ok) {
    const hint = 'Is that the recorder? Check http.listen of this configuration against the one it was started with.'
    throw new EarwitnessError('status-refused', `${where} answered ${answer.status}.`, hint)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw notOurs(listen, error)
  }
}

async function boundedText(answer: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of answer.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    if (text.length > ANSWER_BYTES_MAX) throw new RangeError('The answer is too long.')
  }
  return text + decoder.decode()
}

function notRunning(where: string, error: unknown): EarwitnessError {
  const timedOut = error instanceof Error && error.name === 'TimeoutError'
  if (timedOut) {
    const hint = 'It may be overloaded; look at its log, or wait longer with --timeout.'
    return new EarwitnessError('daemon-silent', `The recorder at ${where} does not answer.`, hint, { cause: error })
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new EarwitnessError('stopped', 'Stopped before the recorder answered.', '', { cause: error })
  }
  const hint =
    'Start it with "npm start", or give the configuration it runs with (--config FILE), so that http.listen is ' +
    'the same.'
  return new EarwitnessError('daemon-not-running', `No recorder answers at ${where}.`, hint, { cause: error })
}

/** Enough to tell our recorder from something else that speaks JSON. */
function isStatusReport(value: unknown): value is StatusReport {
  if (typeof value !== 'object' || value === null) return false
  const { version, state, uptimeSeconds, addresses, recordingSessions, workers, checks } =
    value as Partial<StatusReport>
  const words = typeof version === 'string' && typeof state === 'string' && typeof uptimeSeconds === 'number'
  const groups =
    typeof addresses?.rtp === 'object' &&
    typeof addresses.engine === 'string' &&
    typeof recordingSessions?.active === 'number'
  return words && groups && Array.isArray(addresses.sip) && Array.isArray(workers) && Array.isArray(checks)
}

/** The status as lines of text: a headline, then what is what. */
export function describeStatus(status: StatusReport, paint: Paint, columnsMax: number | undefined): readonly string[] {
  const { addresses, recordingSessions, workers, checks } = status
  const rows: (readonly [string, string])[] = [
    ['recording sessions', `${recordingSessions.active} active, ${recordingSessions.total} since start`],
    [
      'waiting',
      `${formatBytes(status.outboxBacklogBytes)} for the database, ${formatBytes(status.uploadBacklogBytes)} for storage`,
    ],
    ['ledger', describeLedger(status.ledger)],
    ['SIP engine', addresses.engine],
    ...labelled('SIP', addresses.sip),
    ['RTP', `${addresses.rtp.address}, ports ${addresses.rtp.portMin} to ${addresses.rtp.portMax}`],
    ['HTTP', addresses.http],
    ['telemetry', addresses.telemetry],
    ...labelled('workers', workers.map(describeWorker)),
    ...labelled(
      'checks',
      checks.map(({ name, ok, sentence }) => `${name}: ${ok ? 'ok' : (sentence ?? 'failed')}`),
    ),
  ]
  const columns = [
    { title: '', paint: (cell: string) => paint('cyan', cell) },
    { title: '', shrinks: true },
  ]
  const since = `up ${formatDuration(status.uptimeSeconds * 1000)} since ${printable(status.startedAt)}`
  const state = paint(STATE_STYLES[status.state] ?? 'bold', printable(status.state))
  const headline = `${state}  earwitness ${printable(status.version)}, ${since}`
  return [headline, '', ...formatTable(columns, rows, { columnsMax })]
}

const STATE_STYLES: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  ready: 'green',
  draining: 'yellow',
  degraded: 'red',
}

function describeLedger(ledger: StatusReport['ledger'] | undefined): string {
  // A recorder of an earlier version has none.
  if (ledger?.logId === undefined) return 'none yet'
  const { size, checkpointSize, checkpointAt } = ledger
  const covered =
    checkpointAt === undefined ? 'no checkpoint yet' : `${checkpointSize} covered ${printable(checkpointAt)}`
  return `${size} statements, ${covered}`
}

function describeWorker(worker: StatusReport['workers'][number]): string {
  const { id, recordingSessions, queueDepth, opusEngine, opusUndecodedStreams = 0, receiver } = worker
  const undecoded = opusUndecodedStreams === 0 ? '' : `, ${opusUndecodedStreams} media streams of Opus kept undecoded`
  return `${id}: ${recordingSessions} recording sessions, ${queueDepth} waiting, ${opusEngine}, ${receiver}${undecoded}`
}

/** One row for each value, the first of which has the label. */
function labelled(label: string, values: readonly string[]): readonly (readonly [string, string])[] {
  return values.map((value, index) => [index === 0 ? label : '', value] as const)
}
