import type { Server, Socket } from 'node:net'
import Srf from 'drachtio-srf'

/** A request or response as drachtio-srf hands it over. Only what is used here; headers and bodies are read from the frame instead. */
export interface LibraryRequest {
  readonly socket: Socket
  readonly source: 'network' | 'application'
  readonly source_address: string
  readonly source_port: number
  readonly protocol: string
  readonly stackTxnId: string
  /** '' or undefined before the dialog is made. */
  readonly stackDialogId: string | undefined
  on(event: 'cancel', listener: () => void): void
  on(event: 'response', listener: (response: LibraryResponse, acknowledge: () => void) => void): void
  /** An UPDATE with the same Call-ID that came while this request was open. The library answers it with 500 when nobody listens, or not at all. */
  on(event: 'update', listener: (request: LibraryRequest, response: LibraryResponse) => void): void
}

export interface LibraryResponse {
  status: number
  readonly msg: { reason: string }
  readonly stackDialogId: string | undefined
}

/** Headers by name; a name that is to stand on several lines has them, names included, in its value. */
export interface LibraryContent {
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** drachtio-srf's end of the admin protocol. Not its public face: see the README for why, and what a new version must be checked for. */
export interface LibraryAgent {
  readonly wp: {
    /** What is done with bytes of a connection; replaced by ours. */
    _onData: (socket: Socket, bytes: Uint8Array) => void
    /** Sends a message and returns its id; replaced by ours. */
    send: (socket: Socket, text: string) => string
    emit(event: 'msg', socket: Socket, text: string): void
  }
  on(event: 'connect', listener: (error: Error | null, hostports?: string, version?: string) => void): void
  routeVerbs(socket: Socket): void
  request(
    request: LibraryContent & { readonly method: string; readonly stackDialogId: string; readonly _socket: Socket },
    sent: (error: Error | null, request?: LibraryRequest) => void,
  ): void
  sendResponse(
    response: LibraryResponse,
    content: LibraryContent,
    sent: (error: Error | string | null, echo?: unknown) => void,
  ): void
}

interface LibrarySrf {
  readonly app: { readonly client: LibraryAgent }
  listen(options: { readonly server: Server; readonly secret: string }): void
  use(handle: (request: LibraryRequest, response: LibraryResponse) => void): void
  use(method: string, handle: (request: LibraryRequest, response: LibraryResponse) => void): void
}

/**
 * Sets drachtio-srf up on a server that never listens: whoever opens a connection, in either direction, gives it to the library with
 * `server.emit('connection', socket)`.
 *
 * @param methods those for which requests outside of a dialog are asked for
 */
export function openLibrary(options: {
  readonly server: Server
  readonly secret: string
  readonly methods: readonly string[]
  readonly handle: (request: LibraryRequest, response: LibraryResponse) => void
}): LibraryAgent {
  const srf = new Srf() as unknown as LibrarySrf
  for (const method of options.methods) srf.use(method, options.handle)
  srf.use(options.handle)
  srf.listen({ server: options.server, secret: options.secret })
  return srf.app.client
}
