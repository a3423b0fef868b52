import { EarwitnessError } from '../../errors.ts'
import type { BoundAddress } from './port.ts'

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** Says in a person's words why an address could not be listened at. */
export function listenError(at: BoundAddress, error: unknown): EarwitnessError {
  const place = `${at.transport}:${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port}`
  const options = { cause: error }
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new EarwitnessError(
        'sip-port-in-use',
        `SIP cannot listen at ${place}: another program uses that port.`,
        'Stop the other program (`ss -lnptu` shows it; often another SIP server or a second recorder), or set sip.listen to another port.',
        options,
      )
    case 'EACCES':
    case 'EPERM':
      return new EarwitnessError(
        'sip-port-forbidden',
        `SIP may not listen at ${place}.`,
        'Ports below 1024 need CAP_NET_BIND_SERVICE; use a port from 1024 on in sip.listen, or grant the capability.',
        options,
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAFNOSUPPORT':
      return new EarwitnessError(
        'sip-address-unknown',
        `SIP cannot listen at ${place}: this machine has no such address.`,
        'Use an address that `ip address` shows, or 0.0.0.0 for all of IPv4 and [::] for all of IPv6, in sip.listen.',
        options,
      )
    default:
      return new EarwitnessError(
        'sip-listen-failed',
        `SIP cannot listen at ${place}: ${error instanceof Error ? error.message : String(error)}.`,
        'Check sip.listen and the limits on open files.',
        options,
      )
  }
}
