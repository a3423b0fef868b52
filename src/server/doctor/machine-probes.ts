import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { access, constants, mkdtemp, readdir, readFile, rmdir, stat, statfs } from 'node:fs/promises'
import { connect, createServer, isIPv6 } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import type { Config, S3Config } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { readSigningKey } from '../../evidence/signer-keys.ts'
import type { RsaVaultKey, VaultProvider } from '../../evidence/vault-recipient.ts'
import { HEARING_RATE } from '../../recorder/spoken-answers.ts'
import { readPrompts } from '../announcer/prompt-library.ts'
import { readDataLock } from '../data-lock.ts'
import { clusterDirectory } from '../database/cluster.ts'
import { createPool, embeddedTarget, urlTarget, type ConnectionTarget } from '../database/connection.ts'
import { reportDatabase, type DatabaseReport } from '../database/database-report.ts'
import { findEmbeddedBinaries } from '../database/embedded-binaries.ts'
import { findPostmaster } from '../database/postmaster.ts'
import { describeOpenError } from '../database/server-errors.ts'
import { CommandTranscriber } from '../media/command-transcriber.ts'
import { loadNativeAddon } from '../media/native-addon.ts'
import { createOpusEngine } from '../media/opus-engine.ts'
import { openS3Store } from '../storage/open-store.ts'
import type { S3Report } from '../storage/s3/s3-report.ts'
import { errnoOf } from '../storage/storage-error.ts'
import { openKeyService, type ServiceKeyName } from '../vault/key-service.ts'
import { reportLedger } from './ledger-report.ts'
import type { Probes } from './probes.ts'
import { reportWitnesses } from './witness-report.ts'

const PROGRAM_WAIT_MS = 10_000
const REACH_WAIT_MS = 3_000
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const NARROWBAND = 8_000
const FULLBAND = 48_000
const run = promisify(execFile)

/** The machine this runs on, as the user that runs it. */
export function machineProbes(config: Config, pinnedNodeVersion: string): Probes {
  return {
    nodeVersion: process.versions.node,
    pinnedNodeVersion,
    readText: (path) => readFile(path, 'utf8').catch(() => undefined),
    fileMode: async (path) => (await stat(path).catch(() => undefined))?.mode,
    bind: (transport, address, port) => (transport === 'udp' ? bindUdp(address, port) : bindTcp(address, port)),
    reach,
    output,
    names: (folder) => readdir(folder).catch(() => []),
    freeBytes: async (path) => {
      const found = await statfs(await existingFolder(path)).catch(() => undefined)
      return found === undefined ? undefined : found.bavail * found.bsize
    },
    write,
    daemonPid: () => {
      const holder = readDataLock(config.dataDir)
      return holder?.purpose === 'serve' ? holder.pid : undefined
    },
    addon: () => {
      const addon = loadNativeAddon()
      return addon.ok ? 'loaded' : addon.reason
    },
    encodeAndDecode: () => encodeAndDecode(config),
    database: () => askDatabase(config),
    bucket: tryBucket,
    transcribes: async (command) => {
      const silence = new Int16Array(HEARING_RATE)
      const words = await new Promise((resolve) => void new CommandTranscriber(command).transcribe(silence, resolve))
      return words !== undefined
    },
    prompts: async (folder) => {
      try {
        return await readPrompts(folder)
      } catch (error) {
        if (error instanceof EarwitnessError) return error
        throw error
      }
    },
    vaultKey: (provider, name) => askKeyService(config, provider, name),
    signerProblem: async (pem) => {
      const key = await readSigningKey(pem)
      return key.ok ? undefined : key.reason
    },
    ledger: () => reportLedger(config, Date.now()),
    witnesses: () => reportWitnesses(config),
  }
}

/** The variables by which the environment of AWS gives credentials; asking the network for those of a machine would take a while where there are none. */
const AWS_VARIABLES: readonly string[] = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
]

async function askKeyService(
  { vault }: Config,
  provider: VaultProvider,
  name: ServiceKeyName,
): Promise<RsaVaultKey | EarwitnessError | undefined> {
  const { awsKms, vaultTransit } = vault
  const hasCredentials =
    provider === 'aws-kms'
      ? awsKms.credentials !== undefined || AWS_VARIABLES.some((variable) => process.env[variable] !== undefined)
      : vaultTransit.address !== undefined && vaultTransit.token !== undefined
  if (!hasCredentials) return undefined
  try {
    return await (await openKeyService(vault, provider)).fetch(name)
  } catch (error) {
    if (error instanceof EarwitnessError) return error
    throw error
  }
}

async function bindUdp(address: string, port: number): Promise<string | undefined> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  try {
    socket.bind({ address, port, exclusive: true })
    await once(socket, 'listening')
    return undefined
  } catch (error) {
    return errnoOf(error)
  } finally {
    socket.close()
  }
}

async function bindTcp(address: string, port: number): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen({ host: address, port, exclusive: true })
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return errnoOf(error)
  } finally {
    server.close()
  }
}

async function reach(host: string, port: number): Promise<string | undefined> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(REACH_WAIT_MS) })
    return undefined
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? 'ETIMEDOUT' : errnoOf(error)
  } finally {
    socket.on('error', () => {})
    socket.destroy()
  }
}

async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, args, { timeout: PROGRAM_WAIT_MS, maxBuffer: OUTPUT_BYTES_MAX })
    return stdout
  } catch {
    return undefined
  }
}

/** The folder itself, or the nearest one above it that is there. */
async function existingFolder(path: string): Promise<string> {
  const isThere = await access(path, constants.F_OK).then(
    () => true,
    () => false,
  )
  return isThere || dirname(path) === path ? path : existingFolder(dirname(path))
}

async function write(folder: string): Promise<string | undefined> {
  try {
    await rmdir(await mkdtemp(join(await existingFolder(folder), '.earwitness-probe-')))
    return undefined
  } catch (error) {
    return errnoOf(error)
  }
}

async function encodeAndDecode(config: Config): Promise<string | undefined> {
  try {
    const engine = createOpusEngine(config.media.opusEngine, {
      sampleRate: NARROWBAND,
      bitsPerSecond: config.recording.opusBitrate,
      complexity: config.recording.opusComplexity,
    })
    const encoder = await engine.createEncoder()
    const packet = encoder.encode(new Int16Array(NARROWBAND / 50))
    encoder.free()
    const decoder = await engine.createDecoder(FULLBAND)
    const samples = decoder.decode(packet)
    decoder.free()
    return samples.length === FULLBAND / 50 ? undefined : 'it gave something else'
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown'
  }
}

async function tryBucket(s3: S3Config): Promise<S3Report | EarwitnessError> {
  try {
    const store = await openS3Store(s3)
    try {
      return await store.check()
    } finally {
      store.close()
    }
  } catch (error) {
    if (error instanceof EarwitnessError) return error
    throw error
  }
}

async function askDatabase(config: Config): Promise<DatabaseReport | EarwitnessError | undefined> {
  let description = 'the embedded server'
  try {
    const target = databaseTarget(config)
    if (target === undefined) {
      findEmbeddedBinaries()
      return undefined
    }
    ;({ description } = target)
    const pool = createPool(target, { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} })
    try {
      return await reportDatabase(pool)
    } finally {
      await pool.end()
    }
  } catch (error) {
    return describeOpenError(error, description)
  }
}

/** Undefined when it is the embedded server and nobody has started it. */
function databaseTarget(config: Config): ConnectionTarget | undefined {
  if (config.database.url !== undefined) return urlTarget(config.database.url)
  const postmaster = findPostmaster(clusterDirectory(config.dataDir))
  return postmaster?.isReady === true ? embeddedTarget(postmaster.socketDir, postmaster.port) : undefined
}
