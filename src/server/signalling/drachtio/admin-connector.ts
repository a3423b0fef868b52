import { connect, type Socket } from 'node:net'

/** First wait before connecting again, and the longest; each is {@link BACKOFF_FACTOR} times the one before. Milliseconds. */
const BACKOFF_MS_MIN = 250
export const BACKOFF_MS_MAX = 10_000
const BACKOFF_FACTOR = 1.7
/** How long a connection may take to be made. */
const CONNECT_MS = 5_000
/** How long the other side may take to read what was written, once we want to be gone. */
const CLOSE_MS = 1_000

export interface AdminConnectorOptions {
  readonly host: string
  readonly port: number
  /** A connection was made. */
  readonly open: (socket: Socket) => void
  /** The connection ended, or could not be made; the next attempt is under way. */
  readonly fail: (error: Error | undefined) => void
}

/** Keeps one connection to drachtio-server's admin port, for as long as it runs. */
export class AdminConnector {
  readonly #options: AdminConnectorOptions
  #socket: Socket | undefined
  #timer: NodeJS.Timeout | undefined
  #waitMs = BACKOFF_MS_MIN
  #isStopped = false

  constructor(options: AdminConnectorOptions) {
    this.#options = options
  }

  run(): void {
    const { host, port, open, fail } = this.#options
    const socket = connect({ host, port })
    this.#socket = socket
    let error: Error | undefined
    const patience = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), CONNECT_MS)
    socket.once('connect', () => {
      clearTimeout(patience)
      open(socket)
    })
    socket.on('error', (happened) => {
      error = happened
    })
    socket.once('close', () => {
      clearTimeout(patience)
      if (this.#isStopped) return
      this.#timer = setTimeout(() => this.run(), this.#waitMs)
      this.#waitMs = Math.min(this.#waitMs * BACKOFF_FACTOR, BACKOFF_MS_MAX)
      fail(error)
    })
  }

  /** The other side took our secret: should this connection end, the next attempt comes soon. */
  confirm(): void {
    this.#waitMs = BACKOFF_MS_MIN
  }

  /** Resolves when the connection is closed; what was written before is sent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    const socket = this.#socket
    if (socket === undefined || socket.closed) return
    await new Promise<void>((resolve) => {
      const patience = setTimeout(() => socket.destroy(), CLOSE_MS)
      socket.once('close', () => {
        clearTimeout(patience)
        resolve()
      })
      if (socket.connecting) socket.destroy()
      else socket.end(() => socket.destroy())
    })
  }
}
