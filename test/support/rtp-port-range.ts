import { once } from 'node:events'
import { createServer } from 'node:net'

/** Above where a recorder with its defaults begins, and below what the system lends to peers (`net.ipv4.ip_local_port_range`). */
const FIRST_PORT = 20_000
const PORTS = 1_000
const RANGES = 10

export interface RtpPortRange {
  readonly portMin: number
  readonly portMax: number
}

let claimed: Promise<RtpPortRange> | undefined

/**
 * The RTP ports that are this process's for as long as it lives. Test files run side by side, each in a process of its own, and late
 * packets of one are not for the other; nor may the flood of one take the ports that another counts on.
 */
export function claimRtpPortRange(): Promise<RtpPortRange> {
  claimed ??= claim()
  return claimed
}

/** A range belongs to whoever listens at its first port by TCP, which no RTP uses. */
async function claim(): Promise<RtpPortRange> {
  for (let range = 0; range < RANGES; range += 1) {
    const portMin = FIRST_PORT + range * PORTS
    const server = createServer()
    const isOurs = Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false)
    server.listen({ host: '127.0.0.1', port: portMin, exclusive: true })
    server.unref()
    if (await isOurs) return { portMin, portMax: portMin + PORTS - 1 }
  }
  throw new Error('every range of RTP ports belongs to another test file')
}
