import { Type } from 'typebox'
import { group, optionalText, port, text } from './schema-parts.ts'

/** Keys of `sip.drachtio`. */
export const drachtio = group(
  'For engine: drachtio. The SIP transports, their addresses and certificates are set up on drachtio-server itself.',
  {
    mode: Type.Enum(['connect', 'listen'], {
      description:
        'connect: we connect to its admin port and stay connected; simple, and fits a drachtio-server that serves this recorder ' +
        '(drachtio calls it an inbound connection). listen: it connects to us for every INVITE that its web callback ' +
        'routes to tcp://drachtio.listen; for one drachtio-server with many applications (an outbound connection).',
      default: 'connect',
    }),
    host: text({
      description: 'For mode: connect. Name or address of drachtio-server. The secret crosses this way unencrypted.',
      default: '127.0.0.1',
      'x-kind': 'host',
    }),
    port: port({ description: 'For mode: connect. Its admin port.', default: 9022 }),
    listen: text({
      description: 'For mode: listen. Address and port for its connections.',
      default: '127.0.0.1:9023',
      'x-kind': 'listen',
    }),
    allow: Type.Array(
      text({ description: 'IP address or network (CIDR) of a drachtio-server.', 'x-kind': 'network' }),
      {
        description:
          'For mode: listen. Who may connect. It is we who send the secret, so whoever may connect learns it and can make ' +
          'recordings up: name drachtio-server alone.',
        default: ['127.0.0.0/8', '::1'],
        minItems: 1,
        maxItems: 64,
      },
    ),
    secret: optionalText({
      description:
        'What <admin secret="…"> of drachtio.conf.xml says. A secret: better "file:/path" or "env:NAME" than the text itself. ' +
        'Needed for engine: drachtio.',
      'x-secret': true,
    }),
  },
)
