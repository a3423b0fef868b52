import { type Checking, report } from './checking.ts'
import type { ListenAddress, SipListenAddress } from './config.ts'
import type { RawConfig } from './schema.ts'
import { checkAnnouncements } from './cross-check-announcements.ts'
import { checkConsent } from './cross-check-consent.ts'
import { checkSources } from './cross-check-sources.ts'
import { checkSpool } from './cross-check-spool.ts'
import { checkStorage } from './cross-check-storage.ts'
import { checkVault } from './cross-check-vault.ts'
import { checkWitnesses } from './cross-check-witnesses.ts'
import { formatSipListen, parseSipListen } from './values.ts'

/**
 * Rules that concern more than one key. Keys already known to be wrong are passed over.
 */
export function crossCheck(checking: Checking): void {
  checkStorage(checking)
  checkVault(checking)
  checkSpool(checking)
  checkTls(checking)
  checkSigner(checking)
  checkDrachtio(checking)
  checkPortRange(checking)
  checkListeners(checking)
  checkSources(checking)
  checkAnnouncements(checking)
  checkConsent(checking)
  checkWitnesses(checking)
}

/** The listeners that parse, under the numbers they have in the file; none with another engine, which has its own. */
function sipListeners(raw: RawConfig): readonly { readonly path: string; readonly listen: SipListenAddress }[] {
  if (raw.sip.engine !== 'embedded') return []
  return raw.sip.listen.flatMap((text, index) => {
    const parsed = parseSipListen(text)
    return parsed.ok ? [{ path: `sip.listen[${index}]`, listen: parsed.value }] : []
  })
}

function checkTls(checking: Checking): void {
  for (const { path, listen } of sipListeners(checking.raw)) {
    if (listen.transport !== 'tls' || checking.config.sip.tls !== undefined) continue
    report(checking, 'config-conflict', [path], {
      sentence: `${path}: SIP over TLS needs a certificate and its key.`,
      hint: 'Set sip.tls.certFile and sip.tls.keyFile.',
    })
  }
  const { requestCert, caFile } = checking.raw.sip.tls
  if (!requestCert || caFile !== null) return
  report(checking, 'config-conflict', ['sip.tls.requestCert'], {
    sentence: 'sip.tls.requestCert without sip.tls.caFile would let in whoever has a certificate of a public CA.',
    hint: 'Put the certificate of the CA that signs your SRCs into a file, and name it in sip.tls.caFile.',
  })
}

function checkSigner(checking: Checking): void {
  const { certificateFile, certificateKeyFile } = checking.raw.signer
  if (certificateKeyFile === null || certificateFile !== null) return
  report(checking, 'config-conflict', ['signer.certificateKeyFile', 'signer.certificateFile'], {
    sentence: 'signer.certificateKeyFile without signer.certificateFile signs nothing.',
    hint: 'Name the certificate of that key in signer.certificateFile.',
  })
}

function checkDrachtio(checking: Checking): void {
  const { raw, config, problems } = checking
  const path = 'sip.drachtio.secret'
  if (raw.sip.engine !== 'drachtio' || problems.concerns(path)) return
  if (raw.sip.drachtio.secret === null) {
    report(checking, 'config-conflict', [path, 'sip.engine'], {
      sentence: 'sip.drachtio.secret is missing.',
      hint: 'Give it as file:/path or env:NAME; it is what <admin secret="…"> of drachtio.conf.xml says.',
    })
  } else if (/[|\r\n]/u.test(config.sip.drachtio?.secret ?? '')) {
    report(checking, 'config-invalid-value', [path], {
      sentence: 'sip.drachtio.secret has a "|" or a line break in it.',
      hint: "drachtio's protocol has no way to send those; take another secret.",
    })
  }
}

function checkPortRange(checking: Checking): void {
  const { portMin, portMax } = checking.config.rtp
  const fine = (path: string): boolean => !checking.problems.concerns(path)
  const pairs = 'RTP takes the even port of a pair and RTCP the odd one after it.'
  if (fine('rtp.portMin') && portMin % 2 !== 0) {
    const sentence = `rtp.portMin is ${portMin}, which is odd.`
    report(checking, 'config-invalid-value', ['rtp.portMin'], { sentence, hint: `Take ${portMin + 1}. ${pairs}` })
  }
  if (fine('rtp.portMax') && portMax % 2 !== 1) {
    const sentence = `rtp.portMax is ${portMax}, which is even.`
    report(checking, 'config-invalid-value', ['rtp.portMax'], { sentence, hint: `Take ${portMax - 1}. ${pairs}` })
  }
  if (fine('rtp.portMin') && fine('rtp.portMax') && portMin > portMax) {
    report(checking, 'config-conflict', ['rtp.portMax', 'rtp.portMin'], {
      sentence: `rtp.portMax (${portMax}) is below rtp.portMin (${portMin}).`,
      hint: 'The range must hold at least one pair of ports.',
    })
  }
}

interface Listener {
  readonly path: string
  readonly protocol: 'udp' | 'tcp'
  readonly listen: ListenAddress
}

function checkListeners(checking: Checking): void {
  const { http, telemetry } = checking.config
  const listeners: Listener[] = sipListeners(checking.raw).map(({ path, listen }) => ({
    path,
    protocol: listen.transport === 'udp' ? 'udp' : 'tcp',
    listen,
  }))
  listeners.push({ path: 'http.listen', protocol: 'tcp', listen: http.listen })
  listeners.push({ path: 'telemetry.listen', protocol: 'tcp', listen: telemetry.listen })
  const { drachtio } = checking.config.sip
  if (drachtio?.mode === 'listen') {
    listeners.push({ path: 'sip.drachtio.listen', protocol: 'tcp', listen: drachtio.listen })
  }
  for (const [index, listener] of listeners.entries()) {
    const other = listeners.slice(0, index).find((earlier) => collide(earlier, listener))
    if (other === undefined || checking.problems.concerns(listener.path)) continue
    const address = formatSipListen({ transport: listener.protocol, ...listener.listen })
    report(checking, 'config-conflict', [listener.path, other.path], {
      sentence: `${listener.path} and ${other.path} both want ${address}.`,
      hint: 'Give one of them another port.',
    })
  }
  const { portMin, portMax } = checking.config.rtp
  for (const { path, protocol, listen } of listeners) {
    if (protocol !== 'udp' || listen.port < portMin || listen.port > portMax || checking.problems.concerns('rtp'))
      continue
    report(checking, 'config-conflict', [path, 'rtp.portMin'], {
      sentence: `${path} takes port ${listen.port}, which lies in the RTP range ${portMin} to ${portMax}.`,
      hint: 'Move one of them.',
    })
  }
}

const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::'

function collide(a: Listener, b: Listener): boolean {
  if (a.protocol !== b.protocol || a.listen.port !== b.listen.port || a.listen.port === 0) return false
  return a.listen.address === b.listen.address || isAny(a.listen.address) || isAny(b.listen.address)
}
