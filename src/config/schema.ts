import { Type, type Static, type TObject, type TSchema } from 'typebox'
import { alerts } from './schema-alerts.ts'
import { announcements } from './schema-announcements.ts'
import { consent } from './schema-consent.ts'
import { ledger } from './schema-ledger.ts'
import { spool } from './schema-spool.ts'
import { drachtio } from './schema-drachtio.ts'
import { duration, group, optionalText, port, size, text } from './schema-parts.ts'
import { storage } from './schema-storage.ts'
import { vault } from './schema-vault.ts'
import { source } from './source-schema.ts'

/**
 * The one source of keys, defaults, limits and descriptions. From it come the validation of file and environment,
 * the names of
 * environment variables, `config/earwitness.example.yaml` and `config/earwitness.schema.json`.
 *
 * A description says what the operator gains and pays, not what the code does.
 */

const sip = group('Signalling: where SRCs send their INVITEs.', {
  engine: Type.Enum(['embedded', 'drachtio'], {
    description:
      'embedded: our own SIP stack at sip.listen, nothing else needed. drachtio: a drachtio-server (0.9.0 or later) that you ' +
      'run has the SIP side, and SRCs are pointed at it; sip.listen and sip.tls are not used, sip.advertise is the address by ' +
      'which SRCs reach it, and rtp.advertise no longer follows sip.advertise.',
    default: 'embedded',
  }),
  listen: Type.Array(
    text({
      description: 'Transport, address and port: "udp:0.0.0.0:5060", "tcp:[::]:5060". Port 0 takes a free one.',
      'x-kind': 'sipListen',
    }),
    {
      description:
        'Addresses to listen on. SIPREC bodies often exceed one datagram and then arrive in fragments, which ' +
        'firewalls like to drop: keep TCP open and point SRCs at it where they can.',
      default: ['udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'],
      minItems: 1,
      maxItems: 16,
    },
  ),
  advertise: optionalText({
    description:
      'IP address that SRCs reach us at, when it is not one of this machine (NAT, cloud, container). null: the ' +
      'local address each SRC has sent to.',
    'x-kind': 'ipAddress',
  }),
  realm: text({
    description:
      'What users of sources log in to, as SRCs show it; it goes into every password hash, so ha1Sha256 and ha1Md5 must be ' +
      'made anew when it changes.',
    default: 'earwitness',
    'x-kind': 'realm',
  }),
  authenticateOptions: Type.Boolean({
    description:
      'Ask for the password of sources with users on OPTIONS too. Off, because many SRCs send OPTIONS to see whether we ' +
      'live, cannot answer a challenge there, and take it for a failure.',
    default: false,
  }),
  tls: group('Certificates for the "tls:" addresses of sip.listen. SIGHUP reads the files again; connections stay.', {
    certFile: optionalText({
      description: 'Our certificate in PEM, followed by those between it and the root. Needed for "tls:".',
      'x-kind': 'path',
    }),
    keyFile: optionalText({
      description: 'Private key of the certificate, PEM, without a passphrase. Needed for "tls:".',
      'x-kind': 'path',
    }),
    caFile: optionalText({
      description:
        'Certificates of the CAs that sign SRCs, PEM. Give your own CA here rather than a public one, ' +
        'which signs anybody. null: the public CAs.',
      'x-kind': 'path',
    }),
    requestCert: Type.Boolean({
      description:
        'Mutual TLS: only SRCs with a certificate of caFile may connect. Keeps strangers out at the door; every SRC ' +
        'then needs a certificate, and one that expires stops recording.',
      default: false,
    }),
  }),
  drachtio,
})

const rtp = group('Media: where SRCs send their audio.', {
  address: text({
    description:
      'Local IP address for RTP and RTCP. 0.0.0.0 takes every IPv4 address, :: every address; name one to keep ' +
      'media on its own network.',
    default: '0.0.0.0',
    'x-kind': 'ipAddress',
  }),
  advertise: optionalText({
    description:
      'IP address written into SDP answers, when media takes another way than signalling. null: as sip.advertise, or with ' +
      'engine: drachtio the address of this machine that leads to the SRC.',
    'x-kind': 'ipAddress',
  }),
  portMin: port({
    description:
      'First port of the range, even. Each media stream takes a pair (RTP, RTCP), and a two-party call two pairs: ' +
      '1000 recording sessions at once need 4000 ports. Open the whole range in the firewall.',
    default: 16_384,
  }),
  portMax: port({
    description:
      'Last port of the range, odd. Stay below the range the system itself hands out (Linux: from 32768), or ' +
      'ports will at times be taken.',
    default: 32_767,
  }),
  receiveBuffer: size({
    description:
      'Kernel buffer of each RTP socket. It bridges moments in which the machine is busy: 1 MiB holds some ten ' +
      'seconds of a G.711 stream. The system may grant less (Linux: net.core.rmem_max).',
    default: '1MiB',
    minimum: '16KiB',
    maximum: '64MiB',
  }),
  sendRtcp: Type.Boolean({
    description:
      'Tell each SRC by RTCP how its audio arrives (receiver reports, VoIP metrics): about one packet every five seconds for ' +
      'each media stream, to where its SDP says. Many SRCs show it, and some take silence for a dead recorder.',
    default: true,
  }),
})

const http = group('The HTTP API and the console.', {
  listen: text({
    description:
      'Address and port. Loopback by default: whoever reaches this port can search the recordings, so put a ' +
      'reverse proxy with TLS and authentication before anything wider.',
    default: '127.0.0.1:8080',
    'x-kind': 'listen',
  }),
})

const telemetry = group('Health and metrics for probes and Prometheus.', {
  listen: text({
    description:
      'Address and port of /livez, /readyz and /metrics. Nothing here is about a single call; open it to the ' +
      'monitoring network only.',
    default: '127.0.0.1:9464',
    'x-kind': 'listen',
  }),
})

const database = group('The index of recordings. It can be rebuilt from storage; audio is never in it.', {
  url: optionalText({
    description:
      'postgres://USER:PASSWORD@HOST/NAME?sslmode=verify-full&sslrootcert=/path/ca.pem. A secret: better ' +
      '"file:/path" or "env:NAME" than the text itself. config/postgres/roles.sql has a role for USER that can ' +
      'delete nothing. ' +
      'null: a PostgreSQL of our own under dataDir, good for one machine; give a server when recorders share an ' +
      'index or when you have backups of one anyway.',
    'x-kind': 'databaseUrl',
    'x-secret': true,
  }),
})

const signer = group('What manifests are signed with.', {
  keyFile: optionalText({
    description:
      'Ed25519 private key, PEM (PKCS #8), readable by this user only. Recorders that stand for each other may ' +
      'share one. null: "keys/signer.pem" under dataDir, made on first start.',
    'x-kind': 'path',
  }),
  certificateFile: optionalText({
    description:
      'Certificate of that key, PEM, with those that vouch for it behind it, each signed by the next. With it ' +
      '"earwitness export --format vcon" writes the signed form. null: a vCon is unsigned; manifests need no ' +
      'certificate.',
    'x-kind': 'path',
  }),
  certificateKeyFile: optionalText({
    description:
      'RSA private key of 2048 bits or more, PEM, readable by this user only, which certificateFile is then of. A vCon ' +
      'is signed with it, and by RS256, which programs that read vCons are likelier to know than EdDSA; manifests are ' +
      'not. null: the certificate is of the key in keyFile.',
    'x-kind': 'path',
  }),
})

const recording = group('How recordings are made.', {
  layout: Type.Enum(['separate', 'mixed'], {
    description:
      'separate: each media stream its own channel, so that who said what is beyond doubt. mixed: one mono ' +
      'channel, about half the size, and voices cannot be told apart again.',
    default: 'separate',
  }),
  dtmf: Type.Enum(['discard', 'store', 'mask'], {
    description:
      'Keys that participants press: card numbers, PINs, menu choices. Their digits are never in manifests, logs, database or API. discard: ' +
      'they are counted and stored nowhere, but tones in the audio stay audible, and who may listen can tell the digits. store: they are kept with their places, sealed like the audio. mask: ' +
      'counted, and the tones are silenced before the audio is sealed. A source can have its own.',
    default: 'discard',
  }),
  chunkSeconds: Type.Integer({
    description:
      'Length of a sealed chunk. When this machine is lost, the chunk not yet stored is lost with it, so this is ' +
      'your recovery point; shorter means more and smaller objects. The first of a recording has a length of its own, from an eighth of this on, so that not all go up at once.',
    default: 15,
    minimum: 1,
    maximum: 300,
  }),
  mediaTimeout: duration({
    description:
      'A recording session without any RTP for this long is ended with BYE: its SRC has most likely died. Too ' +
      'short cuts off calls whose SRC sends nothing during a long hold. 0s: never.',
    default: '1h',
    minimum: '0s',
    maximum: '7d',
  }),
  concealment: Type.Boolean({
    description:
      'Fill up to 60 ms of lost packets with what the voice would most likely have done, instead of silence: far easier to follow ' +
      'on a bad network. Whatever is filled stays a gap of cause "lost" in the manifest, to the sample. ' +
      'false where nothing that was not received may be in a recording at all.',
    default: true,
  }),
  opusBitrate: Type.Integer({
    description:
      'Bits per second of each channel while somebody speaks; silence takes almost nothing. 24000 keeps telephone ' +
      'speech as it is, at 11 MB per hour of talking; 16000 saves a third of that and is still well understood.',
    default: 24_000,
    minimum: 6000,
    maximum: 128_000,
  }),
  opusComplexity: Type.Integer({
    description:
      'Work of the encoder, 0 to 10. Higher sounds slightly better at the same bitrate and costs processor time, ' +
      'which is what limits sessions per core. A media worker that is nearly at limits.workerBusyPercent takes it down step ' +
      'by step, before anything is refused, and up again when there is room.',
    default: 5,
    minimum: 0,
    maximum: 10,
  }),
  silenceGate: Type.Integer({
    description:
      'Level in dBov (0 is full scale) below which a channel counts as silent: exact silence is recorded instead, which takes neither ' +
      'processor time nor space. -66 is twice the least step of G.711; the noise of a room is louder and is recorded. -127 replaces ' +
      'nothing but exact silence. Higher saves more, and loses what is that quiet.',
    default: -66,
    minimum: -127,
    maximum: -50,
  }),
})

const media = group('The threads that receive, encode and seal.', {
  workers: Type.Integer({
    description:
      'Number of threads. 0: one per processor core. More than cores gains nothing; fewer leaves room for a ' +
      'database on the same machine.',
    default: 0,
    minimum: 0,
    maximum: 256,
  }),
  receiver: Type.Enum(['auto', 'dgram', 'native'], {
    description:
      'What receives RTP. native: a small module in C, built at installation where there is a compiler; it takes packets in ' +
      'batches, at about a quarter of the cost, with the time at which they reached the machine. dgram: the sockets of Node, which ' +
      'need nothing. auto: native if it was built, else dgram; "earwitness doctor" says which and why.',
    default: 'auto',
  }),
  opusEngine: Type.Enum(['libopus-wasm', 'opusscript'], {
    description:
      'Build of the Opus encoder. Both give the same audio; change it only when one misbehaves on your machine.',
    default: 'libopus-wasm',
  }),
})

const limits = group('What this recorder takes on.', {
  recordingSessionsMax: Type.Integer({
    description:
      'Recording sessions at once. Above this, INVITE and OPTIONS get 503 with Retry-After so that the SRC goes ' +
      'to its next recorder, which is better than recording all of them badly.',
    default: 500,
    minimum: 1,
    maximum: 100_000,
  }),
  workerBusyPercent: Type.Integer({
    description:
      'How busy the least busy media worker may be, for five seconds on end, before new recording sessions are refused ' +
      'with 503; they are taken again once it is clearly less. The rest of each second is what is left for bursts: ' +
      'higher takes more before it refuses, and is late sooner. 100 never refuses for this.',
    default: 85,
    minimum: 10,
    maximum: 100,
  }),
  eventLoopLag: duration({
    description:
      'How late the timers of a thread may be on average, for five seconds on end, before new recording sessions are ' +
      'refused. It shows what busyness does not: that others have the processor. Audio waits in the sockets meanwhile ' +
      'and is not lost; SIP messages wait as well, unseen, so this is also how late a refusal may be.',
    default: '150ms',
    minimum: '10ms',
    maximum: '10s',
  }),
  openingWait: duration({
    description:
      'How long an INVITE may wait for its turn when more come than can be opened. Then it gets 503, early enough for ' +
      'the SRC to try its next recorder before anybody misses a word. Longer evens out bursts and delays the refusal.',
    default: '80ms',
    minimum: '10ms',
    maximum: '5s',
  }),
})

const log = group('The log: JSON lines on stderr.', {
  level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error'], {
    description: 'Least severity written. Phone numbers and names appear at debug and below only.',
    default: 'info',
  }),
})

export const CONFIG_SCHEMA = Type.Object(
  {
    dataDir: text({
      description:
        'Directory of everything this recorder keeps on its own disk: database, keys, unsent chunks. Relative ' +
        'paths start at the working directory. Put it on a disk that survives the machine being replaced.',
      default: './data',
      'x-kind': 'path',
    }),
    sip,
    rtp,
    http,
    telemetry,
    database,
    storage,
    vault,
    signer,
    ledger,
    recording,
    media,
    limits,
    spool,
    alerts,
    announcements,
    liveListening: Type.Boolean({
      description:
        'Let whoever may use the HTTP API listen to recordings while they are made. Clear audio then leaves the media worker, in memory and over HTTP, for as long as ' +
        'somebody listens; each time is logged and noted in the manifest. Off, nothing but sealed audio ever leaves it.',
      default: false,
    }),
    drainTimeout: duration({
      description:
        'After SIGTERM, how long recording sessions may go on before they are ended with BYE. Sealing and storing ' +
        'what was recorded is never cut short. Must be less than what the service manager waits (systemd 90s, ' +
        'docker 10s unless told otherwise).',
      default: '20s',
      minimum: '0s',
      maximum: '24h',
    }),
    log,
    unknownSources: Type.Enum(['record', 'refuse'], {
      description:
        'What becomes of an SRC that matches no entry of sources. record: it is recorded under the name "other" and tenant ' +
        '"default", so that a forgotten entry costs no audio. refuse: it gets 403, and sources is an allow list.',
      default: 'record',
    }),
    consent,
    sources: Type.Array(source, {
      description:
        'Known SRCs: how each is recognised (address, tlsName, users: at least one of them, and all that are given must ' +
        'fit), and what holds for it.',
      default: [],
      maxItems: 1000,
    }),
  },
  { description: 'Configuration of the Earwitness recorder.', additionalProperties: false },
)

/** The configuration as the file has it, with every default filled in. */
export type RawConfig = Static<typeof CONFIG_SCHEMA>

/** Keys of later releases: a clear answer instead of "unknown key". */
export const LATER_KEYS: ReadonlyMap<string, string> = new Map([['retention', 'retention comes in a later release']])

export const isObjectSchema = (schema: TSchema): schema is TObject => Type.IsObject(schema)
export const isArraySchema = (schema: TSchema): schema is ReturnType<typeof Type.Array> => Type.IsArray(schema)
