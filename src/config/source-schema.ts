import { Type } from 'typebox'
import { sourceConsent } from './schema-consent.ts'
import { group, optionalText, text } from './schema-parts.ts'

const sourceUser = group('A name and password for digest authentication (RFC 8760).', {
  name: text({
    description: 'User name as the SRC sends it.',
    'x-kind': 'userName',
  }),
  password: optionalText({
    description:
      'A secret: better "file:/path" or "env:NAME" than the text itself. With it SHA-512-256, SHA-256 and MD5 are offered. ' +
      'Make it long and random: who hears one answer on the wire can try out passwords at home.',
    'x-secret': true,
  }),
  ha1Sha256: optionalText({
    description:
      'In place of a password, its hash: SHA-256 of USER:REALM:PASSWORD, 64 hex digits. As secret as the password here, but ' +
      'of no use elsewhere.',
    'x-secret': true,
  }),
  ha1Md5: optionalText({
    description:
      'Likewise MD5 of USER:REALM:PASSWORD, 32 hex digits, for SRCs that know nothing better. May stand beside ha1Sha256.',
    'x-secret': true,
  }),
})

/** What an SRC may be said to be; the tables of `protocol/siprec` know what each means. */
const DIALECTS = [
  'auto',
  'oracle',
  'audiocodes',
  'cisco-cube',
  'cisco-phone',
  'avaya',
  'ribbon',
  'metaswitch',
  'broadworks',
  'netsapiens',
  'opensips',
  'jambonz',
  'google',
  'nena',
  'procomm',
] as const

/** An entry of `sources`. */
export const source = group(
  'One SRC, or a network of them. Address, tlsName and users: at least one, and all that are given must fit.',
  {
    name: text({
      description: 'Short name, in metrics and manifests. Lower case letters, digits, "-" and "_"; "other" is taken.',
      'x-kind': 'sourceName',
    }),
    address: Type.Array(
      text({
        description: 'An IP address or network (CIDR).',
        'x-kind': 'network',
      }),
      {
        description:
          'IP address or network (CIDR) the SRC signals from, or a list of them. The first entry that matches wins, so narrow ' +
          'ones stand before wide ones.',
        default: [],
        maxItems: 64,
        'x-single': true,
      },
    ),
    tlsName: Type.Array(
      text({
        description: 'A DNS name or IP address.',
        'x-kind': 'tlsName',
      }),
      {
        description:
          'Name in the client certificate of the SRC, or a list of them: a DNS name, "*.example.com" for any one label, or an ' +
          'IP address. Needs sip.tls.requestCert.',
        default: [],
        maxItems: 64,
        'x-single': true,
      },
    ),
    users: Type.Array(sourceUser, {
      description:
        'Who may open recording sessions, by password. An SRC that fits by address and tlsName and knows none of these is ' +
        'refused, whatever stands further down. Without TLS anybody on the way can still listen and interfere.',
      default: [],
      maxItems: 64,
    }),
    digestAlgorithms: Type.Array(
      Type.Enum(['SHA-512-256', 'SHA-256', 'MD5'], { description: 'A hash by its name in RFC 8760.' }),
      {
        description:
          'What users are challenged with, strongest first whatever the order here. Give [MD5] for an old SRC that looks at the ' +
          'first challenge only.',
        default: ['SHA-512-256', 'SHA-256', 'MD5'],
        minItems: 1,
        maxItems: 3,
      },
    ),
    tenant: text({
      description: 'Whose recordings these are; the first folder in storage.',
      default: 'default',
      'x-kind': 'tenant',
    }),
    dialect: Type.Enum([...DIALECTS], {
      description:
        'What kind of SRC it is, where that cannot be seen from what it sends. auto is nearly always right: all dialects are ' +
        'read by the same tolerant rules.',
      default: 'auto',
    }),
    forceSiprec: Type.Boolean({
      description:
        'Record every INVITE from here, even one that nowhere says it is SIPREC (phones that fork media themselves).',
      default: false,
    }),
    tellPause: Type.Boolean({
      description:
        'When an operator pauses a recording, ask this SRC by re-INVITE to send nothing until it is resumed. The recorder drops what ' +
        'comes in any case, so leave it off for SRCs that refuse a re-INVITE of the recorder (Cisco CUBE).',
      default: false,
    }),
    dtmf: Type.Enum(['inherit', 'discard', 'store', 'mask'], {
      description: 'What becomes of keys pressed in recordings from here: as recording.dtmf. inherit: that one.',
      default: 'inherit',
    }),
    rtpSource: Type.Enum(['sdp', 'latch', 'any'], {
      description:
        'From where media is taken. sdp: only from the IP address that the SDP names, whatever the port; an SRC that sends from ' +
        'another is not recorded. latch: that address comes first, then the one the SRC signals from; when neither sends, whoever ' +
        'does, until one of them begins. So audio is never lost to translated addresses, and a stranger gets in only while the SRC is ' +
        'silent, which the manifest then says (source-moved). any: no check. SRTP needs none: its packets prove whose they are.',
      default: 'latch',
    }),
    policy: Type.Enum(['record', 'refuse'], {
      description: 'refuse: INVITEs from here get 403. To shut out a part of a network that a later entry lets in.',
      default: 'record',
    }),
    consent: sourceConsent,
  },
)
