import { isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { parseSipUri } from '../../protocol/sip/uri.ts'

/** Names kept of one certificate. */
export const TLS_NAMES_MAX = 64
const HOST_NAME = /^[a-z0-9*_.-]{1,253}$/

/**
 * What the certificate of a peer says about who it is, in lower case; empty when there is none or nobody we trust has signed it.
 *
 * @see RFC 5922 7.1
 */
export function certifiedNames(socket: Socket): readonly string[] {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return []
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return []
  if (certificate.subjectAltName !== undefined) return namesOf(certificate.subjectAltName)
  const { CN } = certificate.toLegacyObject().subject as { readonly CN?: unknown }
  return typeof CN === 'string' && isName(CN.toLowerCase()) ? [CN.toLowerCase()] : []
}

/**
 * The DNS names, addresses and hosts of SIP URIs in a subjectAltName, as Node writes it: `DNS:a.example.com, IP Address:192.0.2.1`,
 * with a value in quotes when it holds anything that could pass for more. Such a one is no name of a host and left out.
 */
export function namesOf(subjectAltName: string): readonly string[] {
  const names = new Set<string>()
  for (let index = 0; index < subjectAltName.length && names.size < TLS_NAMES_MAX;) {
    const colon = subjectAltName.indexOf(':', index)
    if (colon === -1) break
    const end = endOfValue(subjectAltName, colon + 1)
    const name = nameOf(subjectAltName.slice(index, colon), subjectAltName.slice(colon + 1, end))
    if (name !== undefined) names.add(name)
    index = end + 2
  }
  return [...names]
}

/** Where the value that begins at `start` ends: at the next `, ` outside quotes. */
function endOfValue(text: string, start: number): number {
  let index = start
  if (text.charAt(start) === '"') {
    for (index = start + 1; index < text.length && text.charAt(index) !== '"'; index++) {
      if (text.charAt(index) === '\\') index++
    }
  }
  const end = text.indexOf(', ', index)
  return end === -1 ? text.length : end
}

function nameOf(type: string, value: string): string | undefined {
  const lower = value.toLowerCase()
  if (type === 'DNS' || type === 'IP Address') return isName(lower) ? lower : undefined
  const uri = type === 'URI' ? parseSipUri(lower) : undefined
  // One with a user part is about a person, RFC 5922 7.1.
  if (uri?.ok !== true || uri.value.user !== undefined) return undefined
  return isName(uri.value.host) ? uri.value.host : undefined
}

function isName(text: string): boolean {
  return isIP(text) !== 0 || HOST_NAME.test(text)
}
