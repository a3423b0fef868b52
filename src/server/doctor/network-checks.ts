import type { Config } from '../../config/config.ts'
import { formatListen, formatSipListen } from '../../config/values.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { Probes } from './probes.ts'

/** A two-party recording session: two media streams of two ports each. */
const STREAMS = 2
const PORTS_PER_STREAM = 2
/** Descriptors besides those of media: database, HTTP, files, SIP connections. */
const OTHER_DESCRIPTORS = 256

const PORT_HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: '`ss -lnptu` shows which program has it; stop that, or set another port.',
  EACCES: 'Ports below 1024 need CAP_NET_BIND_SERVICE; take one from 1024 on, or grant the capability.',
  EADDRNOTAVAIL: 'Use an address that `ip address` shows, or 0.0.0.0 or [::] for all.',
}

/** What the network and the kernel have to give. */
export const NETWORK_CHECKS = [
  checkReceiveBuffer,
  checkDescriptors,
  checkPortRange,
  checkEphemeralPorts,
  checkRtpAddress,
  checkSip,
  checkHttp,
]

export async function checkReceiveBuffer(config: Config, probes: Probes): Promise<Finding> {
  const wanted = config.rtp.receiveBufferBytes
  const max = await numberIn(probes, '/proc/sys/net/core/rmem_max')
  const hint = `As root: sysctl -w net.core.rmem_max=${wanted}; in /etc/sysctl.d/ it stays.`
  if (max === undefined) return warn('receive-buffer', 'The limit of receive buffers cannot be read.', hint)
  if (max >= wanted) return ok('receive-buffer', `Each RTP socket gets the ${kib(wanted)} of rtp.receiveBuffer.`)
  return warn(
    'receive-buffer',
    `The system grants an RTP socket ${kib(max)} (net.core.rmem_max) of the ${kib(wanted)} of rtp.receiveBuffer: a machine that is ` +
      'busy for seconds loses audio sooner.',
    hint,
  )
}

export async function checkDescriptors(config: Config, probes: Probes): Promise<Finding> {
  const { recordingSessionsMax } = config.limits
  const needed = recordingSessionsMax * STREAMS * PORTS_PER_STREAM + OTHER_DESCRIPTORS
  const limits = await probes.readText('/proc/self/limits')
  const soft = /^Max open files\s+(\d+|unlimited)/mu.exec(limits ?? '')?.[1]
  const hint = `systemd: LimitNOFILE=${needed}; a shell: ulimit -n ${needed}. Or lower limits.recordingSessionsMax.`
  if (soft === undefined) return warn('descriptors', 'The limit of open files cannot be read.', hint)
  if (soft === 'unlimited' || Number(soft) >= needed) {
    return ok(
      'descriptors',
      `${soft} open files are allowed; ${recordingSessionsMax} recording sessions need ${needed}.`,
    )
  }
  const sentence = `${soft} open files are allowed, and ${recordingSessionsMax} recording sessions (limits.recordingSessionsMax) need ${needed}.`
  return warn('descriptors', sentence, hint)
}

export async function checkPortRange(config: Config, probes: Probes): Promise<Finding> {
  const { portMin, portMax } = config.rtp
  const pairs = Math.floor((portMax - portMin + 1) / 2)
  const needed = config.limits.recordingSessionsMax * STREAMS
  const hint = 'Widen rtp.portMin to rtp.portMax, or lower limits.recordingSessionsMax.'
  if (pairs < needed) {
    const sentence = `The RTP range has ${pairs} pairs of ports; ${config.limits.recordingSessionsMax} recording sessions of two streams need ${needed}.`
    return warn('rtp-ports', sentence, hint)
  }
  const taken = await takenPorts(probes, portMin, portMax)
  const pid = probes.daemonPid()
  if (pid !== undefined || taken === 0) {
    const running = pid === undefined ? 'all free' : `${taken} in use while the recorder runs`
    return ok('rtp-ports', `RTP ports ${portMin} to ${portMax}: ${pairs} pairs, ${running}.`)
  }
  const sentence = `Other programs have ${taken} ports of the RTP range ${portMin} to ${portMax}.`
  if (pairs - taken >= needed) return ok('rtp-ports', `${sentence} Enough are left.`)
  return warn(
    'rtp-ports',
    sentence,
    '`ss -lnpu` shows them. Move the range (rtp.portMin, rtp.portMax) or those programs.',
  )
}

/** The system hands out ports of this range to whoever asks for any: one of them may be gone when a recording wants it. */
export async function checkEphemeralPorts(config: Config, probes: Probes): Promise<Finding> {
  const { portMin, portMax } = config.rtp
  const text = await probes.readText('/proc/sys/net/ipv4/ip_local_port_range')
  const [low, high] = (text ?? '').trim().split(/\s+/u).map(Number)
  const hint = `Choose a range outside, or as root: sysctl -w net.ipv4.ip_local_reserved_ports=${portMin}-${portMax}`
  if (low === undefined || high === undefined || Number.isNaN(low + high)) {
    return warn('ephemeral-ports', 'The range of ports that the system hands out cannot be read.', hint)
  }
  if (low > portMax || high < portMin) {
    return ok('ephemeral-ports', `The system hands out ports ${low} to ${high}, none of the RTP range.`)
  }
  const reserved = (await probes.readText('/proc/sys/net/ipv4/ip_local_reserved_ports')) ?? ''
  if (isReserved(reserved, Math.max(low, portMin), Math.min(high, portMax))) {
    return ok('ephemeral-ports', 'The RTP range is kept out of the ports that the system hands out.')
  }
  const sentence = `The system hands out ports ${low} to ${high} to other programs, and the RTP range lies in them.`
  return warn('ephemeral-ports', sentence, hint)
}

export async function checkRtpAddress(config: Config, probes: Probes): Promise<Finding> {
  const { address } = config.rtp
  const code = await probes.bind('udp', address, 0)
  if (code === undefined) return ok('rtp-address', `RTP can be received at ${address}.`)
  return fail(
    'rtp-address',
    `RTP cannot be received at ${address} (${code}).`,
    PORT_HINTS[code] ?? 'Check rtp.address.',
  )
}

export async function checkSip(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const { drachtio, listen } = config.sip
  if (drachtio === undefined) {
    return Promise.all(
      listen.map((at) => {
        const { address, port, transport } = at
        return checkListener(probes, {
          check: 'sip',
          place: formatSipListen(at),
          transport,
          address,
          port,
          key: 'sip.listen',
        })
      }),
    )
  }
  const { mode, host, port } = drachtio
  if (mode === 'listen') {
    const place = formatListen({ address: host, port })
    return [
      await checkListener(probes, { check: 'sip', place, transport: 'tcp', address: host, port, key: 'sip.drachtio' }),
    ]
  }
  const code = await probes.reach(host, port)
  if (code === undefined) return [ok('sip', `drachtio-server answers at ${host}:${port}; its secret was not tried.`)]
  const hint = 'Check sip.drachtio.host and .port, and that drachtio-server runs; the recorder keeps trying.'
  return [warn('sip', `drachtio-server does not answer at ${host}:${port} (${code}).`, hint)]
}

export async function checkHttp(config: Config, probes: Probes): Promise<readonly Finding[]> {
  return Promise.all(
    (['http', 'telemetry'] as const).map((check) => {
      const at = config[check].listen
      return checkListener(probes, { check, place: formatListen(at), transport: 'tcp', ...at, key: `${check}.listen` })
    }),
  )
}

async function checkListener(
  probes: Probes,
  at: {
    readonly check: string
    readonly place: string
    readonly transport: 'udp' | 'tcp' | 'tls'
    readonly address: string
    readonly port: number
    readonly key: string
  },
): Promise<Finding> {
  const code = await probes.bind(at.transport === 'udp' ? 'udp' : 'tcp', at.address, at.port)
  if (code === undefined) return ok(at.check, `${at.place} is free to listen at.`)
  const pid = probes.daemonPid()
  if (code === 'EADDRINUSE' && pid !== undefined) {
    return ok(at.check, `${at.place} is in use, and the recorder runs (process ${pid}).`)
  }
  return fail(at.check, `${at.place} cannot be listened at (${code}).`, PORT_HINTS[code] ?? `Check ${at.key}.`)
}

async function numberIn(probes: Probes, path: string): Promise<number | undefined> {
  const text = (await probes.readText(path))?.trim()
  return text === undefined || !/^\d+$/u.test(text) ? undefined : Number(text)
}

/** UDP ports of the range that some socket is bound to. proc_net_udp(5): the local port is hexadecimal. */
async function takenPorts(probes: Probes, portMin: number, portMax: number): Promise<number> {
  const taken = new Set<number>()
  for (const path of ['/proc/net/udp', '/proc/net/udp6']) {
    const text = (await probes.readText(path)) ?? ''
    for (const [, port] of text.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gmu)) {
      const number = Number.parseInt(port ?? '', 16)
      if (number >= portMin && number <= portMax) taken.add(number)
    }
  }
  return taken.size
}

/** Whether every port from `low` to `high` is in a list like `8080,9148-9200`. */
function isReserved(list: string, low: number, high: number): boolean {
  const ranges = list
    .trim()
    .split(',')
    .map((item) => item.split('-').map(Number))
    .sort(([left = 0], [right = 0]) => left - right)
  let next = low
  for (const [first = Infinity, last = first] of ranges) if (first <= next && last >= next) next = last + 1
  return next > high
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1_024)} KiB`
}
