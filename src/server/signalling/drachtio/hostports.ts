import { parseHostPort } from '../../../protocol/sip/uri.ts'
import type { BoundAddress } from '../port.ts'

/** Addresses read of what a server says of itself. */
const HOSTPORTS_MAX = 32
const DEFAULT_PORT = 5060
const DEFAULT_TLS_PORT = 5061

/** Where a drachtio-server listens, as it says when it takes our secret: `udp/192.0.2.1:5060,tcp/[2001:db8::1]:5060`. WebSockets are left out. */
export function readHostports(text: string): readonly BoundAddress[] {
  return text.split(',', HOSTPORTS_MAX).flatMap((entry) => {
    const slash = entry.indexOf('/')
    const transport = entry.slice(0, Math.max(slash, 0)).toLowerCase()
    const at = parseHostPort(entry.slice(slash + 1))
    if ((transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') || !at.ok) return []
    return [
      {
        transport,
        address: at.value.host,
        port: at.value.port ?? (transport === 'tls' ? DEFAULT_TLS_PORT : DEFAULT_PORT),
      },
    ]
  })
}
