import type { AddressInfo } from 'node:net'

import type { FastifyInstance } from 'fastify'

import { EarwitnessError } from '../../errors.ts'

/** Requests still running when a server stops get this long. */
const STOP_GRACE_MS = 2_000

/** Where a server listens; port 0 asks for a free one. */
export interface HttpListenAddress {
  readonly address: string
  readonly port: number
}

/** Where it really listens. The same shape as a bound SIP address. */
export interface BoundHttpAddress extends HttpListenAddress {
  readonly transport: 'tcp'
}

/**
 * Starts listening.
 *
 * @param key the configuration key that says where (`http.listen`), for the hint.
 * @throws EarwitnessError `http-port-in-use`, `http-port-not-allowed`, `http-address-not-available`, `http-listen-failed`
 */
export async function listen(app: FastifyInstance, wanted: HttpListenAddress, key: string): Promise<BoundHttpAddress> {
  try {
    await app.listen({ host: wanted.address, port: wanted.port })
  } catch (error) {
    throw listenError(error, wanted, key)
  }
  const bound = app.server.address() as AddressInfo
  return { transport: 'tcp', address: bound.address, port: bound.port }
}

/** Stops listening, lets running requests finish for a moment, then closes what is left. */
export async function close(app: FastifyInstance): Promise<void> {
  const impatience = setTimeout(() => app.server.closeAllConnections(), STOP_GRACE_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(impatience)
  }
}

/** `http://127.0.0.1:8080`, `http://[::1]:8080` */
export function httpUrl({ address, port }: HttpListenAddress): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}

function listenError(error: unknown, { address, port }: HttpListenAddress, key: string): EarwitnessError {
  const where = `${address}:${port}`
  const known = LISTEN_ERRORS.get((error as NodeJS.ErrnoException).code ?? '')
  const { code, sentence, hint } = known ?? {
    code: 'http-listen-failed',
    sentence: 'cannot be listened on',
    hint: 'The cause below says why; choose another address with',
  }
  return new EarwitnessError(code, `${where} ${sentence}.`, `${hint} ${key}.`, { cause: error })
}

const LISTEN_ERRORS = new Map([
  [
    'EADDRINUSE',
    {
      code: 'http-port-in-use',
      sentence: 'is taken by another program',
      hint: 'Stop that program (perhaps another earwitness; `ss -ltnp` names it) or choose another port with',
    },
  ],
  [
    'EACCES',
    {
      code: 'http-port-not-allowed',
      sentence: 'needs more rights: ports below 1024 are reserved',
      hint: 'Give the service CAP_NET_BIND_SERVICE or choose a port from 1024 up with',
    },
  ],
  [
    'EADDRNOTAVAIL',
    {
      code: 'http-address-not-available',
      sentence: 'is not an address of this machine',
      hint: 'See `ip address` and set',
    },
  ],
])
