import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

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
  claimed ??= claimPorts(PORTS)
  return claimed
}

/** So many adjacent ports or more, this process's for as long as it lives. A range belongs to whoever listens at its first port by TCP, which no RTP uses. */
export async function claimPorts(count: number): Promise<RtpPortRange> {
  const ranges = Math.ceil(count / PORTS)
  for (let first = 0; first + ranges <= RANGES; first += 1) {
    const servers: Server[] = []
    for (let range = first; range < first + ranges; range += 1) {
      const server = await listenAt(FIRST_PORT + range * PORTS)
      if (server === undefined) break
      servers.push(server)
    }
    if (servers.length === ranges) {
      const portMin = FIRST_PORT + first * PORTS
      return { portMin, portMax: portMin + ranges * PORTS - 1 }
    }
    for (const server of servers) server.close()
  }
  throw new Error(`no ${count} adjacent RTP ports are left: they belong to other tests or benchmarks that run now`)
}

async function listenAt(port: number): Promise<Server | undefined> {
  const server = createServer()
  const isOurs = Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]).catch(() => false)
  server.listen({ host: '127.0.0.1', port, exclusive: true })
  server.unref()
  return (await isOurs) ? server : undefined
}
