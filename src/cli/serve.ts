import { isatty } from 'node:tty'
import { describeProblem } from '../config/problems.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import { Daemon, type DaemonAddresses } from '../server/daemon.ts'
import type { DaemonNotice } from '../server/keys-at-start.ts'
import { httpUrl } from '../server/http/listen.ts'
import { createLogger, type Logger } from '../server/telemetry/logger.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { Command, CommandContext } from './command.ts'
import { writeJson, writeLines } from './output.ts'

export const command: Command = {
  name: 'serve',
  summary: 'runs the recorder until it is told to stop',
  usage: 'serve',
  description:
    'Prints one line `ready` with its addresses on stdout; the log is JSON on stderr. SIGTERM or Ctrl-C lets recording sessions ' +
    'finish for drainTimeout, ends the rest with BYE, and seals everything; a second signal shortens the wait, never the sealing. ' +
    'SIGHUP reads the TLS certificates and the credentials of the store again; when the terminal was closed, it stops like SIGTERM.',
  options: {},
  handlesSignals: true,
  run: runServe,
}

async function runServe(context: CommandContext): Promise<ExitCode> {
  const config = context.config()
  const log = createLogger({ level: config.log.level })
  for (const warning of context.loadedConfig().warnings) log.warn({ code: warning.code }, describeProblem(warning))
  const daemon = new Daemon({ config, log, version: packageJson.version })
  const signals = new SignalWatch()
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  const onHangUp = (): void => {
    // A terminal that was closed is none any more by the time its SIGHUP is here. Nobody waits for us then: stop, in good order.
    if (terminals.some((fd) => !isatty(fd))) signals.request()
    else reload(context, daemon, log)
  }
  process.on('SIGHUP', onHangUp)
  try {
    const addresses = await daemon.run()
    for (const notice of daemon.notices) announce(context, notice)
    announceReady(context, addresses)
    await signals.first
    const complete = await daemon.drain(config.drainTimeoutMs, signals.second)
    return complete ? ExitCode.done : leftBehind(log)
  } finally {
    await daemon.stop()
    signals.stop()
    process.off('SIGHUP', onHangUp)
  }
}

function reload(context: CommandContext, daemon: Daemon, log: Logger): void {
  const { sip, storage } = context.config()
  if (sip.tls === undefined && storage.s3 === undefined) {
    log.info({}, 'SIGHUP: there are no TLS certificates to read again')
    return
  }
  try {
    daemon.reload(context.freshConfig())
  } catch (error) {
    const code = error instanceof EarwitnessError ? error.code : 'config-invalid'
    log.error({ code }, 'SIGHUP: the configuration is wrong now; what was read before stays in use')
  }
}

function leftBehind(log: Logger): never {
  log.error({ code: 'drain-incomplete' }, 'stopped with sealed audio that the store had not taken')
  throw new EarwitnessError(
    'drain-incomplete',
    'The store did not take everything that was sealed before the daemon stopped.',
    'See the log for storage-… codes; the recordings concerned end at their last stored chunk.',
  )
}

function announceReady(context: CommandContext, addresses: DaemonAddresses): void {
  const sip = addresses.sip.map(({ transport, address, port }) => `${transport}:${address}:${port}`)
  const http = httpUrl(addresses.http)
  const metrics = `${httpUrl(addresses.telemetry)}/metrics`
  const { engine } = addresses
  if (context.json) writeJson(context.stdout, { ready: true, engine, sip, http, metrics })
  else writeLines(context.stdout, [`ready sip=${sip.join(',')} http=${http} metrics=${metrics} engine=${engine}`])
}

const NOTICES: Readonly<Record<DaemonNotice['code'], (path: string) => readonly string[]>> = {
  'vault-key-created': (path) => [
    '',
    '  A vault key pair was made. Its private half is in',
    `    ${path}`,
    '  Whoever has this file can hear every recording; without it nobody can, you included.',
    '  Move it to a safe place away from this machine: the recorder does not need it.',
    '',
  ],
  'vault-key-present': (path) => [`notice: the private vault key still lies beside the recorder: ${path}`],
  'signer-created': (path) => [
    `notice: a key that signs manifests was made: ${path}; keep a copy of the .pub.pem elsewhere`,
  ],
}

function announce(context: CommandContext, notice: DaemonNotice): void {
  writeLines(context.stderr, NOTICES[notice.code](notice.path))
}

/** A terminal or a service manager may deliver one and the same signal twice: to the process and to its group. */
const SAME_SIGNAL_MS = 1_000

/** The first SIGTERM or SIGINT drains, the second makes it hurry. */
class SignalWatch {
  readonly first: Promise<void>
  readonly second: AbortSignal
  /** Asks as a signal does. */
  readonly request: () => void

  constructor() {
    const hurry = new AbortController()
    let begin = (): void => {}
    this.first = new Promise((resolve) => {
      begin = resolve
    })
    this.second = hurry.signal
    let firstMs: number | undefined
    this.request = () => {
      const nowMs = performance.now()
      if (firstMs === undefined) begin()
      else if (nowMs - firstMs > SAME_SIGNAL_MS) hurry.abort()
      firstMs ??= nowMs
    }
    process.on('SIGTERM', this.request)
    process.on('SIGINT', this.request)
  }

  stop(): void {
    process.off('SIGTERM', this.request)
    process.off('SIGINT', this.request)
  }
}
