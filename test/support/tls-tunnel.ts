import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { connect } from 'node:tls'

import type { DaemonEnvironment } from './daemon.ts'

/** A certificate of its own making in `folder`, and what tells a daemon to use it on a third SIP address. */
export function tlsEnvironment(folder: string): DaemonEnvironment {
  const [certFile, keyFile] = [join(folder, 'srs.pem'), join(folder, 'srs.key')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
  const certificate = ['-subj', '/CN=srs.example.com', '-days', '2', '-out', certFile]
  execFileSync('openssl', ['req', '-x509', ...key, ...certificate], { stdio: 'pipe' })
  return {
    EARWITNESS_SIP_LISTEN_2: 'tls:127.0.0.1:0',
    EARWITNESS_SIP_TLS_CERT_FILE: certFile,
    EARWITNESS_SIP_TLS_KEY_FILE: keyFile,
  }
}

export interface TlsTunnel {
  /** Takes TCP on loopback. */
  readonly port: number
  close(): Promise<void>
}

/** Carries TCP connections on by TLS: SIPp of Debian knows no TLS. The certificate is not checked. */
export async function openTlsTunnel(tlsPort: number): Promise<TlsTunnel> {
  const server = createServer((plain) => {
    const secure = connect({ host: '127.0.0.1', port: tlsPort, rejectUnauthorized: false })
    // One side that goes takes the other with it; SIPp resets its connections.
    pipeline(plain, secure, plain).catch(() => secure.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}
