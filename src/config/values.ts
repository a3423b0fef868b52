import { isIP, isIPv4, isIPv6 } from 'node:net'
import { accepted, rejected, type Result } from '../result.ts'
import type { ListenAddress, SipListenAddress } from './config.ts'

const DURATION_UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const SIZE_UNITS_BYTES: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
])

export type QuantityRejectReason = 'noUnit' | 'unit' | 'number'

/** Shape of a duration in the file, for editors that check against the JSON schema. */
export const DURATION_PATTERN = '^[0-9]+(ms|s|m|h|d)$'
/** Shape of a size in the file. */
export const SIZE_PATTERN = '^[0-9]+(B|KiB|MiB|GiB|TiB)$'

/** `250ms`, `20s`, `5m`, `1h`, `2d` as milliseconds; a bare `0` needs no unit. */
export function parseDuration(text: string): Result<number, QuantityRejectReason> {
  return parseQuantity(text, DURATION_UNITS_MS)
}

/** `512B`, `64KiB`, `4MiB` as bytes; a bare `0` needs no unit. */
export function parseSize(text: string): Result<number, QuantityRejectReason> {
  return parseQuantity(text, SIZE_UNITS_BYTES)
}

function parseQuantity(text: string, units: ReadonlyMap<string, number>): Result<number, QuantityRejectReason> {
  const match = /^([0-9]{1,15})([A-Za-z]*)$/u.exec(text)
  if (match === null) return rejected('number')
  const amount = Number(match[1])
  if (match[2] === '') return amount === 0 ? accepted(0) : rejected('noUnit')
  const unit = units.get(match[2] ?? '')
  if (unit === undefined) return rejected('unit')
  return Number.isSafeInteger(amount * unit) ? accepted(amount * unit) : rejected('number')
}

export type ListenRejectReason = 'transport' | 'address' | 'port'

/** `ADDRESS:PORT`; an IPv6 address stands in brackets. Port 0 lets the system choose. */
export function parseListen(text: string): Result<ListenAddress, ListenRejectReason> {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return rejected('port')
  const host = text.slice(0, colon)
  const portText = text.slice(colon + 1)
  const port = /^[0-9]{1,5}$/u.test(portText) ? Number(portText) : -1
  const bracketed = host.startsWith('[') && host.endsWith(']')
  const address = bracketed ? host.slice(1, -1) : host
  if (bracketed ? !isIPv6(address) : !isIPv4(address)) return rejected('address')
  if (port < 0 || port > 65_535) return rejected('port')
  return accepted({ address, port })
}

/** `udp:ADDRESS:PORT`, and likewise `tcp:` and `tls:`. */
export function parseSipListen(text: string): Result<SipListenAddress, ListenRejectReason> {
  const colon = text.indexOf(':')
  const transport = text.slice(0, Math.max(colon, 0))
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') return rejected('transport')
  const listen = parseListen(text.slice(colon + 1))
  return listen.ok ? accepted({ transport, ...listen.value }) : listen
}

/** The text form that {@link parseListen} reads. */
export function formatListen(listen: ListenAddress): string {
  return isIP(listen.address) === 6 ? `[${listen.address}]:${listen.port}` : `${listen.address}:${listen.port}`
}

/** The text form that {@link parseSipListen} reads. */
export function formatSipListen(listen: SipListenAddress): string {
  return `${listen.transport}:${formatListen(listen)}`
}
