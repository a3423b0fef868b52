import type { ConsentPolicy } from '../consent/policy.ts'
import type { SpokenWords } from '../consent/spoken-answer.ts'
import type { RsaVaultKey } from '../evidence/vault-recipient.ts'
import type { RawConfig } from './schema.ts'

/** `udp:0.0.0.0:5060`, `tcp:[::]:5060`. */
export interface SipListenAddress {
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly address: string
  readonly port: number
}

/** The certificates of the `tls:` listeners; paths are absolute. */
export interface SipTlsConfig {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string | undefined
  readonly requestCert: boolean
}

/** How this recorder and drachtio-server find each other. */
export interface DrachtioConfig {
  readonly mode: 'connect' | 'listen'
  readonly host: string
  readonly port: number
  readonly listen: ListenAddress
  /** IP addresses and CIDR blocks. */
  readonly allow: readonly string[]
  /** Never print it. */
  readonly secret: string
}

/** `127.0.0.1:8080`, `[::1]:8080`. */
export interface ListenAddress {
  readonly address: string
  readonly port: number
}

export type DigestAlgorithm = 'SHA-512-256' | 'SHA-256' | 'MD5'

/** A user of digest authentication. Passwords end here: what the program sees is their hashes. */
export interface SourceUser {
  readonly name: string
  /** H(name:realm:password), lower case hex, of each algorithm that is known; never empty. A secret: never print it. */
  readonly ha1: ReadonlyMap<DigestAlgorithm, string>
}

/** What kind of SRC it is, as DIALECTS.md names them; `auto` where nothing is said. */
export type DialectHint = RawConfig['sources'][number]['dialect']

/** What is known about one SRC, or a network of them. All of address, tlsName and users that are not empty must fit. */
export interface SourceConfig {
  /** Label of metrics and of the manifest; short and stable. */
  readonly name: string
  /** IP addresses and CIDR blocks. */
  readonly address: readonly string[]
  /** Names of its certificate: DNS names, `*.example.com`, IP addresses. */
  readonly tlsName: readonly string[]
  readonly users: readonly SourceUser[]
  /** What its users are challenged with. */
  readonly digestAlgorithms: readonly DigestAlgorithm[]
  readonly tenant: string
  readonly dialect: DialectHint
  readonly policy: 'record' | 'refuse'
  /** Every INVITE from here is SIPREC, even when nothing in it says so. DIALECTS rule 1 */
  readonly forceSiprec: boolean
  /** An operator's pause is told to the SRC by re-INVITE. */
  readonly tellPause: boolean
  readonly dtmf: 'inherit' | DtmfPolicyName
  /** From where its media is taken. */
  readonly rtpSource: 'sdp' | 'latch' | 'any'
  readonly consent: SourceConsentConfig
}

/** What the operator declares of people of his own: who they are, what they have agreed to, and where they are. */
export interface OwnPeople {
  /** Whether an address of record is one of theirs. */
  readonly includes: (aor: string) => boolean
  readonly consent: 'informed' | 'agreed'
  /** Id of a jurisdiction, in place of what their number says. */
  readonly jurisdiction?: string | undefined
}

/** What is asked for of the calls of one source. */
export interface SourceConsentConfig {
  readonly policy: ConsentPolicy
  /** Id of a jurisdiction that holds for every call. */
  readonly jurisdiction?: string | undefined
  /** ISO 3166-1: whose national numbers parties without "+" have. */
  readonly country?: string | undefined
  /** The operator's own people, none or one entry. */
  readonly own: readonly OwnPeople[]
  /** Undefined: nothing is listened for in the audio. */
  readonly listening?:
    | {
        readonly keys: { readonly yes?: string; readonly no?: string; readonly withdraw?: string }
        readonly answerWithinMs: number
        readonly windowMs: number
        readonly spoken?: { readonly words: SpokenWords; readonly listenMs: number }
      }
    | undefined
}

export interface ConsentConfig {
  /** Folder of the operator's own jurisdiction packs; absolute. */
  readonly packs: string | undefined
  /** Undefined: nobody makes words of spoken answers. */
  readonly transcriber: { readonly command: readonly string[]; readonly timeoutMs: number } | undefined
  /** Of sources that are not listed; each listed one has its own. */
  readonly byDefault: SourceConsentConfig
}

/** What becomes of keys that participants press. */
type DtmfPolicyName = 'discard' | 'store' | 'mask'

/** A secret: never print it. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
}

/** A bucket, and how it is used. */
export interface S3Config {
  /** Undefined: AWS. */
  readonly endpoint: string | undefined
  readonly region: string
  readonly bucket: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
  readonly pathStyle: boolean
  /** Undefined: what the environment of AWS gives. */
  readonly credentials: S3Credentials | undefined
  /** Absolute. */
  readonly caFile: string | undefined
  readonly encryption: 'none' | 'aes256' | 'kms'
  readonly kmsKeyId: string | undefined
  readonly objectLock: { readonly mode: 'governance' | 'compliance'; readonly days: number } | undefined
  readonly requestTimeoutMs: number
  readonly uploadsMax: number
  /** 0: no limit. */
  readonly bytesPerSecondMax: number
}

/** A second store: a folder, or a bucket when `s3` is given. */
export interface ReplicaConfig {
  /** When an object counts as stored. */
  readonly durable: 'primary' | 'both'
  /** Absolute. */
  readonly folder: { readonly path: string | undefined }
  readonly s3: S3Config | undefined
}

/** A key of a key service, and the public half that is pinned for it. */
export interface ServiceKeyConfig {
  /** As the service calls it. */
  readonly key: string
  /** Of Vault Transit; 1 for others. */
  readonly version: number
  readonly publicKey: RsaVaultKey
  /** Opens, and nothing is sealed to it any more. */
  readonly isRetired: boolean
}

export interface AwsKmsConfig {
  readonly keys: readonly ServiceKeyConfig[]
  /** Undefined: that in the ARN of a key, or what the environment of AWS gives. */
  readonly region: string | undefined
  /** Undefined: AWS. */
  readonly endpoint: string | undefined
  /** Undefined: what the environment of AWS gives. */
  readonly credentials: S3Credentials | undefined
  /** Absolute. */
  readonly caFile: string | undefined
  readonly requestTimeoutMs: number
}

export interface VaultTransitConfig {
  readonly keys: readonly ServiceKeyConfig[]
  readonly address: string | undefined
  readonly mount: string
  readonly namespace: string | undefined
  /** A secret: never print it. */
  readonly token: string | undefined
  /** Absolute. */
  readonly caFile: string | undefined
  readonly requestTimeoutMs: number
}

/** Who can open recordings. Keys of a service that is not the `kind` are there to open what was sealed to them before. */
export interface VaultConfig {
  readonly kind: 'age' | 'aws-kms' | 'vault-transit'
  /** Empty, and the kind is age: a vault key pair is made on first start. */
  readonly recipients: readonly string[]
  readonly awsKms: AwsKmsConfig
  readonly vaultTransit: VaultTransitConfig
}

/** What the announcer plays, and for whom. */
export interface AnnouncementsConfig {
  readonly enabled: boolean
  readonly user: string
  readonly mode: 'answer' | 'early' | 'refer'
  /** Absolute. */
  readonly folder: string
  readonly prompts: readonly string[]
  readonly language: string
  readonly rules: readonly {
    readonly dialled: readonly string[]
    readonly caller: readonly string[]
    readonly jurisdiction: readonly string[]
    readonly prompts: readonly string[]
    readonly language: string
  }[]
  readonly targets: readonly string[]
  readonly answer: {
    readonly yes: AnnouncementDigit
    readonly no: AnnouncementDigit
    readonly windowMs: number
    readonly onNo: 'continue' | 'hangUp'
    readonly onNone: 'continue' | 'hangUp'
  }
  /** Undefined: there is none. */
  readonly rtpengine: { readonly address: ListenAddress; readonly folder: string | undefined } | undefined
  readonly linkWindowMs: number
  readonly portMin: number
  readonly portMax: number
  readonly simultaneousMax: number
  readonly symmetricRtp: boolean
}

type AnnouncementDigit = RawConfig['announcements']['answer']['yes']

/**
 * The effective configuration: checked, secrets resolved, relative paths made absolute, durations in milliseconds.
 *
 * Its keys are those of the schema (`schema.ts`), except that a duration `x` is `xMs` here and a size `x` is `xBytes`.
 */
/** Who is asked to sign under the checkpoints of the ledger. */
export interface WitnessConfig {
  readonly url: string
  /** `NAME+KEYID+KEY` */
  readonly key: string
}

export interface Config {
  /** Absolute. */
  readonly dataDir: string
  readonly sip: {
    readonly listen: readonly SipListenAddress[]
    readonly advertise: string | undefined
    /** Of digest authentication. */
    readonly realm: string
    /** OPTIONS outside a dialog are challenged too. */
    readonly authenticateOptions: boolean
    /** Undefined unless both certificate and key are given. */
    readonly tls: SipTlsConfig | undefined
    /** Undefined when the embedded stack is the engine. */
    readonly drachtio: DrachtioConfig | undefined
  }
  readonly rtp: {
    readonly address: string
    readonly portMin: number
    readonly portMax: number
    readonly advertise: string | undefined
    readonly receiveBufferBytes: number
    /** SRCs are told by RTCP how they are heard. */
    readonly sendRtcp: boolean
  }
  readonly http: { readonly listen: ListenAddress }
  readonly telemetry: { readonly listen: ListenAddress }
  /** A secret: never print it. */
  readonly database: { readonly url: string | undefined }
  readonly storage: {
    readonly kind: 'folder' | 's3'
    /** Absolute; undefined is `recordings` under `dataDir`. */
    readonly folder: { readonly path: string | undefined }
    /** Undefined unless it is the kind. */
    readonly s3: S3Config | undefined
    /** Undefined when there is one store only. */
    readonly replica: ReplicaConfig | undefined
  }
  readonly vault: VaultConfig
  /** Absolute; undefined is `keys/signer.pem` under `dataDir`. */
  readonly signer: {
    readonly keyFile: string | undefined
    /** Absolute; undefined: there is no certificate. */
    readonly certificateFile: string | undefined
    /** Absolute; undefined: the certificate is of the signer key. */
    readonly certificateKeyFile: string | undefined
  }
  readonly ledger: {
    /** `ledger.timestamp.url` */
    readonly timestampUrl: string | undefined
    readonly witnesses: readonly WitnessConfig[]
  }
  readonly recording: {
    readonly layout: 'separate' | 'mixed'
    readonly dtmf: DtmfPolicyName
    readonly chunkSeconds: number
    /** No RTP at all for this long ends the recording session with BYE; 0 never. */
    readonly mediaTimeoutMs: number
    /** Short losses are filled with a made-up signal. */
    readonly concealment: boolean
    /** Bits per second and participant. */
    readonly opusBitrate: number
    readonly opusComplexity: number
    /** dBov, -127 to -50. */
    readonly silenceGate: number
  }
  readonly media: {
    /** 0 in the file is one per core; here it is always the effective number. */
    readonly workers: number
    readonly receiver: 'auto' | 'dgram' | 'native'
    readonly opusEngine: 'libopus-wasm' | 'opusscript'
  }
  readonly limits: {
    readonly recordingSessionsMax: number
    /** 10 to 100. */
    readonly workerBusyPercent: number
    readonly eventLoopLagMs: number
    readonly openingWaitMs: number
  }
  readonly spool: {
    readonly bytesMax: number
    readonly ageMsMax: number
    readonly freeBytesMin: number
  }
  /** When media streams are flagged; 0 is never. */
  readonly alerts: {
    readonly zeroPacketsMs: number
    readonly oneWayMs: number
    readonly stoppedMs: number
    readonly silentMs: number
    readonly silentLevelDbov: number
  }
  readonly announcements: AnnouncementsConfig
  /** Recordings can be heard while they are made. */
  readonly liveListening: boolean
  readonly drainTimeoutMs: number
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' }
  /** What becomes of an SRC that matches none of `sources`. */
  readonly unknownSources: 'record' | 'refuse'
  readonly consent: ConsentConfig
  readonly sources: readonly SourceConfig[]
}
