import type { S3Config } from '../../config/config.ts'
import type { EarwitnessError } from '../../errors.ts'
import type { DatabaseReport } from '../database/database-report.ts'
import type { TranscriberCommand } from '../media/command-transcriber.ts'
import type { AddonMissing } from '../media/native-addon.ts'
import type { LedgerReport } from './ledger-report.ts'
import type { WitnessReport } from './witness-report.ts'
import type { RsaVaultKey, VaultProvider } from '../../evidence/vault-recipient.ts'
import type { ServiceKeyName } from '../vault/key-service.ts'
import type { S3Report } from '../storage/s3/s3-report.ts'

/** What the checks ask of the machine; a test answers in its place. Nothing here changes anything for good. */
export interface Probes {
  readonly nodeVersion: string
  readonly pinnedNodeVersion: string
  /** A file of the system or a key file; undefined when it is not there or cannot be read. */
  readText(path: string): Promise<string | undefined>
  /** Permission bits; undefined when there is no such file. */
  fileMode(path: string): Promise<number | undefined>
  /** Binds and closes again; gives the system's error code, or undefined when it went well. */
  bind(transport: 'udp' | 'tcp', address: string, port: number): Promise<string | undefined>
  /** Connects by TCP and hangs up; gives the system's error code. */
  reach(host: string, port: number): Promise<string | undefined>
  /** Standard output of a program; undefined when it is not there or fails. */
  output(command: string, args: readonly string[]): Promise<string | undefined>
  /** Names in a folder; none when it is not there or cannot be read. */
  names(folder: string): Promise<readonly string[]>
  /** Bytes free for this user where `path` is or would be made. */
  freeBytes(path: string): Promise<number | undefined>
  /** Writes and removes again, in the folder or where it would be made; gives the system's error code. */
  write(folder: string): Promise<string | undefined>
  /** Of the daemon that has `dataDir`. */
  daemonPid(): number | undefined
  addon(): 'loaded' | AddonMissing
  /** Encodes a moment of silence and decodes it; gives what went wrong. */
  encodeAndDecode(): Promise<string | undefined>
  /** What the database says of itself and of the user we are there; undefined while nobody has started the embedded one. */
  database(): Promise<DatabaseReport | EarwitnessError | undefined>
  /** Tries out a bucket; gives what a person should read when that fails. */
  bucket(s3: S3Config): Promise<S3Report | EarwitnessError>
  /** The key that a key service has under a name, or what a person should read; undefined where nobody's credentials are. */
  vaultKey(provider: VaultProvider, name: ServiceKeyName): Promise<RsaVaultKey | EarwitnessError | undefined>
  /** Why this is no private key of a signer, or undefined. */
  signerProblem(pem: string): Promise<string | undefined>
  /** The prompts of a folder, or what a person should read when they cannot be played. */
  prompts(folder: string): Promise<readonly { readonly id: string; readonly language: string }[] | EarwitnessError>
  /** Whether a program makes words, be they none, of a second of silence. */
  transcribes(command: TranscriberCommand): Promise<boolean>
  /** The newest log of this node, read and compared with its checkpoint; undefined when there is none. */
  ledger(): Promise<LedgerReport | undefined>
  /** Asks the witnesses of the configuration to sign under its newest checkpoint. */
  witnesses(): Promise<readonly WitnessReport[]>
}
